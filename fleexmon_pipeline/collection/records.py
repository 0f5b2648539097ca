"""A record as a node sent it becomes a line as LogEntry keeps it, or a reason why not.

Here: field names and texts. Nothing is invented: a record without a time is rejected, never "now". Whatever else a
record holds goes to metadata. The forms of a time: `times.py`; of a level: `levels.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from fleexmon_pipeline.collection.times import EPOCH, RejectedError, read_time
from fleexmon_pipeline.levels import MAX_WORD_CHARACTERS, known_level, otel_level

__all__ = ["EPOCH", "Line", "RejectedError", "read", "read_time", "storable"]

MAX_MESSAGE_CHARACTERS = 1_000_000  # of a message; a 10 MB one is cut, its length and hash stand in metadata
MAX_DEPTH = 250  # of nesting; Python's own limit is 1,000 frames, and where it strikes depends on the caller

# What loggers call these; the first that is there wins. Exactly so first, then in any case.
TIME_FIELDS = (
    "timestamp", "time", "@timestamp", "ts", "timeUnixNano", "datetime", "date", "eventTime", "__REALTIME_TIMESTAMP",
    "asctime",  # python-json-logger
    "time_unix_nano", "observedTimeUnixNano", "observed_timestamp",  # OpenTelemetry, when the event has no time
    "timereported", "timegenerated", "isodate", "_SOURCE_REALTIME_TIMESTAMP",  # rsyslog, syslog-ng, journald
    "instant", "@t", "t",  # log4j 2, Serilog, MongoDB
)  # fmt: skip
LEVEL_FIELDS = (
    "level", "severity", "severityText", "levelname", "lvl", "log.level", "PRIORITY",
    "severity_text", "level_name", "loglevel", "log_level", "syslogseverity", "@level", "@l",
)  # fmt: skip
MESSAGE_FIELDS = ("message", "msg", "body", "text", "MESSAGE")
# These only where they are text: ECS has an object of the name event, and Docker the line itself as log.
TEXT_FIELDS = ("short_message", "event", "@message", "@m", "formattedMessage", "RenderedMessage", "textPayload", "log",
               "@mt")  # fmt: skip
_OTEL_FIELDS = ("severityNumber", "severity_number", "SeverityNumber")
ERROR_FIELDS = ("err", "error", "exception")
STACK_FIELDS = ("stack", "stack_trace", "stacktrace", "exc_info", "exc_text", "@x")


class Line(msgspec.Struct, gc=False):
    """A LogEntry without its id. `metadata` is JSON with sorted keys, or None."""

    time: datetime
    iso: str  # the time as text, for id and table: making it costs as much as decoding the record
    level: str
    message: str
    metadata: str | None


_encoder = msgspec.json.Encoder(order="sorted", enc_hook=str)


# What only a look at every value finds: NUL, halves of surrogate pairs, NaN, numbers beyond a float's.
_ODD = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\0|\xed[\xa0-\xbf]|NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{300}")


def _int(text: str) -> int | str:
    return int(text) if len(text) < 600 else text


# Unlike msgspec, json takes lone surrogates, NaN and raw control characters, which wild loggers send.
_decode = json.JSONDecoder(strict=False).decode
_decode_long = json.JSONDecoder(strict=False, parse_int=_int).decode  # numbers of thousands of digits, as text


def read(raw: bytes) -> Line:
    """One JSON record, whatever its form. Raises RejectedError, and nothing else."""
    try:
        is_odd = bool(_ODD.search(raw)) or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH
        return _line(_record(raw), is_odd=is_odd)
    except RecursionError:
        raise RejectedError("nested too deeply") from None


def _record(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        try:
            record = _decode(text)
        except ValueError as error:
            if isinstance(error, json.JSONDecodeError):
                raise
            record = _decode_long(text)
    except ValueError as error:
        raise RejectedError(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(record, dict):
        raise RejectedError(f"a JSON {type(record).__name__}, not an object")
    return record


def _line(rest: dict[str, Any], *, is_odd: bool) -> Line:
    """`rest` loses what has a column of its own; what is left goes to metadata, looked through where it `is_odd`."""
    moment = _time(rest)
    level, original = _level(rest)
    text = _message(rest)
    given = rest.pop("metadata", None)
    metadata: dict[str, Any] = dict(given) if isinstance(given, dict) else {} if given is None else {"metadata": given}
    for name, value in rest.items():
        _put(metadata, name, value)
    if original is not None and original != level:
        _put_ours(metadata, "originalLevel", str(original)[:MAX_WORD_CHARACTERS])
    message = storable(text)
    if message != text:
        _put_ours(
            metadata, "messageJson", json.dumps(text)[:MAX_MESSAGE_CHARACTERS]
        )  # the exact text, should anyone need it
    if len(message) > MAX_MESSAGE_CHARACTERS:
        _put_ours(metadata, "messageLength", len(text))
        _put_ours(metadata, "messageSha256", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
        message = message[:MAX_MESSAGE_CHARACTERS]
    altered: list[str] = []
    kept = _storable_json(metadata, altered, 0) if is_odd else metadata
    if altered:
        _put_ours(kept, "metadataJson", json.dumps(metadata)[:MAX_MESSAGE_CHARACTERS])
    encoded = _encoder.encode(kept).decode() if kept else None
    return Line(moment, moment.isoformat(), level, message, encoded)


def _put(metadata: dict[str, Any], name: str, value: Any) -> None:
    while name in metadata:
        name = f"record.{name}"
    metadata[name] = value


def _put_ours(metadata: dict[str, Any], name: str, value: Any) -> None:
    """A field of ours has its name, the record's own of that name another."""
    if name in metadata:
        _put(metadata, f"record.{name}", metadata[name])
    metadata[name] = value


def _take(record: dict[str, Any], names: tuple[str, ...], kinds: type | tuple[type, ...] = object) -> Any:
    for name in names:
        found = record.get(name)
        if found is not None and isinstance(found, kinds):
            return record.pop(name)
    return None


def _take_in_any_case(record: dict[str, Any], names: tuple[str, ...], kinds: type | tuple[type, ...] = object) -> Any:
    """`Timestamp`, `LEVEL`: .NET, Go structures, hand-made loggers."""
    lowered = {name.lower(): name for name in sorted(record, reverse=True)}
    return _take(record, tuple(lowered[name.lower()] for name in names if name.lower() in lowered), kinds)


def _time(rest: dict[str, Any]) -> datetime:
    if rest.get("timeUnixNano") in (0, "0", ""):  # OpenTelemetry: not known
        del rest["timeUnixNano"]
    found = _take(rest, TIME_FIELDS)
    if found is None:
        found = _take_in_any_case(rest, TIME_FIELDS, (str, int, float, dict))
    if found is None:
        raise RejectedError(f"no time: none of {', '.join(TIME_FIELDS[:4])} …")
    return read_time(found)


def _level(rest: dict[str, Any]) -> tuple[str, Any]:
    """The level, and the word that said so, if it was one."""
    original = _take(rest, LEVEL_FIELDS)
    if original is None:
        original = next(_inner_levels(rest), None)
    if original is None:
        original = _take_in_any_case(rest, LEVEL_FIELDS, (str, int, float))
    level = known_level(original)
    if level is None:
        level = next((found for name in _OTEL_FIELDS if (found := otel_level(rest.get(name)))), "info")
    return level, original


def _inner_levels(record: dict[str, Any]) -> Iterator[Any]:
    """Levels that stand deeper, and stay there: ECS' {"log": {"level": …}}, MongoDB's {"s": "E", "t": {"$date": …}}."""
    log, short = record.get("log"), record.get("s")
    if isinstance(log, dict) and log.get("level") is not None:
        yield log["level"]
    if isinstance(short, str) and len(short) <= 2 and "ctx" in record:
        yield short


def has_level(record: dict[str, Any]) -> bool:
    """Whether the record itself says how bad it is."""
    named = any(record.get(name) is not None for name in (*LEVEL_FIELDS, *_OTEL_FIELDS))
    return named or any(True for _ in _inner_levels(record))


def has_message(record: dict[str, Any]) -> bool:
    """Whether the record says something."""
    if any(record.get(name) is not None for name in (*MESSAGE_FIELDS, *ERROR_FIELDS)):
        return True
    return any(isinstance(record.get(name), str) for name in TEXT_FIELDS)


def _message(rest: dict[str, Any]) -> str:
    text = _take(rest, MESSAGE_FIELDS[:-1])
    if text is None:
        text = _journald(_take(rest, MESSAGE_FIELDS[-1:]))
    if text is None:
        text = _take(rest, TEXT_FIELDS, str)
    if text is None:  # an error logged by itself; it stays in metadata with its stack
        text = next((found for name in ERROR_FIELDS if (found := _of_error(rest.get(name))) is not None), None)
    if text is None:
        text = _take_in_any_case(rest, (*MESSAGE_FIELDS, *TEXT_FIELDS), str)
    if text is None:
        text = next((_first_line(rest[name]) for name in STACK_FIELDS if _first_line(rest.get(name))), None)
    if text is None:
        raise RejectedError(f"no message: none of {', '.join(MESSAGE_FIELDS)}")
    plain = _plain(text)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _of_error(error: Any) -> Any:
    """`{"type": "TypeError", "message": …, "stack": …}`, or what stands in its place; None where it says nothing."""
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        said = (error.get(name) for name in ("message", "msg", "reason"))
        stacks = (_first_line(error.get(name)) for name in STACK_FIELDS)
        kinds = (error.get(name) for name in ("type", "name", "code"))
        return next((text for text in (*said, *stacks, *kinds) if text is not None), None)
    return error or None


def _first_line(stack: Any) -> str | None:
    return stack.strip().partition("\n")[0] or None if isinstance(stack, str) else None


def _journald(value: Any) -> Any:
    """What is not UTF-8 comes as an array of bytes."""
    if isinstance(value, list) and value and all(type(one) is int and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    return value


def _plain(value: Any) -> Any:
    """OTLP's `{"stringValue": "x"}` → `"x"`; anything else is what it was."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    [(kind, inner)] = value.items()
    values = inner.get("values") if isinstance(inner, dict) else None
    if kind == "arrayValue" and isinstance(values, list):
        return [_plain(one) for one in values]
    if kind == "kvlistValue" and isinstance(values, list) and all(isinstance(one, dict) for one in values):
        return {str(one.get("key")): _plain(one.get("value")) for one in values}
    return inner if kind in ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue") else value


def storable(text: str) -> str:
    """Text that PostgreSQL takes: NUL as ␀, half of a surrogate pair as �."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _storable_json(value: Any, altered: list[str], depth: int) -> Any:
    """`altered` gathers texts that could not be kept as they are."""
    if isinstance(value, str):
        text = storable(value)
        if text != value:
            altered.append(value)
        return text
    if depth > MAX_DEPTH:
        raise RejectedError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            kept[_storable_json(key, altered, depth)] = _storable_json(inner, altered, depth + 1)
        return kept
    if isinstance(value, list):
        items = []
        for inner in value:
            items.append(_storable_json(inner, altered, depth + 1))  # noqa: PERF401  a frame less for each level
        return items
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124  NaN
        return str(value)
    return value
