"""A record as a node sent it becomes a line as LogEntry keeps it, or a reason why not.

Here: field names, levels, times, texts. Nothing is invented: a record without a time is rejected, never "now". Whatever
else a record holds goes to metadata. Which window it belongs to and its id: `collect.py`, `identity.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

MOST_CHARACTERS = 1_000_000  # of a message; a 10 MB one is cut, its length and hash stand in metadata
MOST_OF_A_WORD = 200  # of a level's original word: one of 20 kB was seen
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What loggers call these three; the first that is there wins. pino: time, msg; OTel: timeUnixNano, severityText, body;
# logstash: @timestamp; Python: levelname; journald: upper case.
TIME_FIELDS = (
    "timestamp", "time", "@timestamp", "ts", "timeUnixNano", "datetime", "date", "eventTime", "__REALTIME_TIMESTAMP",
)  # fmt: skip
LEVEL_FIELDS = ("level", "severity", "severityText", "levelname", "lvl", "log.level", "PRIORITY")
MESSAGE_FIELDS = ("message", "msg", "body", "text", "MESSAGE")
ERROR_FIELDS = ("err", "error", "exception")

_WORDS = {
    "debug": "trace verbose silly finest finer fine debug dbg d",
    "info": "info information informational notice log http default i",
    "warn": "warn warning wrn w",
    "error": "error err severe failure fail e",
    "fatal": "fatal critical crit alert emerg emergency panic dpanic f",
}
LEVELS = {word: level for level, words in _WORDS.items() for word in words.split()}
# Bunyan and pino count in tens, syslog from 7 down to 0.
_NUMBERS = {10: "debug", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal",
            7: "debug", 6: "info", 5: "info", 4: "warn", 3: "error", 2: "fatal", 1: "fatal", 0: "fatal"}  # fmt: skip


class RejectedError(ValueError):
    """This record cannot become a LogEntry; the text is the reason that RejectedLog keeps."""


class Line(msgspec.Struct, gc=False):
    """A LogEntry without its id. `metadata` is JSON with sorted keys, or None."""

    time: datetime
    iso: str  # the time as text, for id and table: making it costs as much as decoding the record
    level: str
    message: str
    metadata: str | None


class _Usual(msgspec.Struct, forbid_unknown_fields=True):
    """The record of the node API; anything else takes the slower way."""

    timestamp: str
    level: str
    message: str
    metadata: dict[str, Any] | None = None


_usual = msgspec.json.Decoder(_Usual)
_encoder = msgspec.json.Encoder(order="sorted", enc_hook=str)
_NUL_OR_SURROGATE = re.compile(rb"\\u(0000|d|D)")


def read(raw: bytes) -> Line:
    """One JSON record. Raises RejectedError."""
    try:
        usual = _usual.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _read_any(raw)
    if usual.level not in _WORDS or len(usual.message) > MOST_CHARACTERS or _NUL_OR_SURROGATE.search(raw):
        return _read_any(raw)
    moment = read_time(usual.timestamp)
    metadata = _encoder.encode(usual.metadata).decode() if usual.metadata else None
    return Line(moment, moment.isoformat(), usual.level, usual.message, metadata)


def _read_any(raw: bytes) -> Line:
    try:
        record = json.loads(raw)  # unlike msgspec it takes lone surrogates and NaN, which wild loggers send
    except (ValueError, RecursionError) as error:
        raise RejectedError(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(record, dict):
        raise RejectedError(f"a JSON {type(record).__name__}, not an object")
    rest = dict(record)
    time = _take(rest, TIME_FIELDS)
    if time is None:
        raise RejectedError(f"no time: none of {', '.join(TIME_FIELDS[:4])} …")
    moment = read_time(time)
    original = _take(rest, LEVEL_FIELDS)
    text = _message(rest)
    given = rest.pop("metadata", None)
    metadata: dict[str, Any] = dict(given) if isinstance(given, dict) else {} if given is None else {"metadata": given}
    for name, value in rest.items():
        metadata.setdefault(name if name not in metadata else f"record.{name}", value)

    level = read_level(original)
    if original is not None and original != level:
        metadata["originalLevel"] = str(original)[:MOST_OF_A_WORD]
    message = storable(text)
    if message != text:
        metadata["messageJson"] = json.dumps(text)[:MOST_CHARACTERS]  # the exact text, should anyone need it
    if len(message) > MOST_CHARACTERS:
        metadata["messageLength"] = len(text)
        metadata["messageSha256"] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        message = message[:MOST_CHARACTERS]
    encoded = _encoder.encode(_storable_json(metadata)).decode() if metadata else None
    return Line(moment, moment.isoformat(), level, message, encoded)


def _take(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if record.get(name) is not None:
            return record.pop(name)
    return None


def _message(record: dict[str, Any]) -> str:
    text = _take(record, MESSAGE_FIELDS)
    if text is None:  # an error logged by itself; it stays in metadata with its stack
        found = next((record[name] for name in ERROR_FIELDS if record.get(name)), None)
        text = found.get("message") if isinstance(found, dict) else found
    if text is None:
        raise RejectedError(f"no message: none of {', '.join(MESSAGE_FIELDS)}")
    return text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str)


def storable(text: str) -> str:
    """Text that PostgreSQL takes: NUL as ␀, half of a surrogate pair as �."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): _storable_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable_json(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124  NaN
        return str(value)
    if isinstance(value, int) and abs(value) >= 2**63:  # msgspec writes 64 bits
        return str(value)
    return value


def read_level(value: object) -> str:
    """debug, info, warn, error or fatal. What nobody knows is info; the word itself is kept by the caller."""
    if isinstance(value, bool) or value is None:
        return "info"
    if isinstance(value, (int, float)):
        return _NUMBERS.get(int(value), "info") if value == value and abs(value) < 1_000 else "info"  # noqa: PLR0124
    word = str(value)[:MOST_OF_A_WORD].strip().strip("[]").lower()
    if word.isascii() and word.isdigit():
        return _NUMBERS.get(int(word[:6]), "info")
    return LEVELS.get(word, "info")


_EPOCH_TEXT = re.compile(r"[+-]?\d{1,20}(\.\d{1,12})?")
# Seconds until the year 5138, then ms, µs, ns: 1e11 s is that year, 1e11 ms is March 1973.
_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))


def read_time(value: object) -> datetime:
    """UTC with microseconds: ISO 8601 (no zone means UTC), RFC 2822, or an epoch in s, ms, µs, ns, number or text.

    Raises RejectedError.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.endswith("Z") or not _EPOCH_TEXT.fullmatch(text):
            return _read_date(text)
        whole, _, fraction = text.partition(".")
        return _from_epoch(int(whole), int((fraction + "000000000000")[:12]))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 10**20:  # noqa: PLR0124
        raise RejectedError(f"not a time: {str(value)[:60]}")
    return _from_epoch(int(value), round((value - int(value)) * 10**12) if isinstance(value, float) else 0)


def _from_epoch(whole: int, picoseconds: int) -> datetime:
    """`picoseconds`: the fraction of the unit that `whole` is in, times 10**12."""
    microseconds = next((scale for limit, scale in _UNITS if abs(whole) < limit), None)
    try:
        if microseconds is None:
            return EPOCH + timedelta(microseconds=whole // 1000)
        return EPOCH + timedelta(microseconds=whole * microseconds + picoseconds * microseconds // 10**12)
    except OverflowError:
        raise RejectedError(f"not a time: {whole}") from None


def _read_date(text: str) -> datetime:
    if len(text) > 64:
        raise RejectedError(f"not a time: {text[:60]}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            raise RejectedError(f"not a time: {text[:60]}") from None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise RejectedError(f"not a time: {text[:60]}") from None
