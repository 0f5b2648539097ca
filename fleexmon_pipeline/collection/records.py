"""Turn a record of a node into a line of LogEntry, or reject it with a reason.

Here: decoding, metadata, and making texts storable in PostgreSQL. Nothing is invented: a record without a time is
rejected, and never gets the current time. All other fields go to metadata. Finding fields: `reading/`; forms of a time:
`times/`; forms of a level: `levels.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from fleexmon_pipeline.collection.reading.fields import Fields, Found
from fleexmon_pipeline.collection.reading.layers import Layer, layers_of, timed_layer, told_layer, unnamed_layers
from fleexmon_pipeline.collection.reading.level_fields import level_of, level_word
from fleexmon_pipeline.collection.reading.message_fields import (
    action_of,
    blank_message_of,
    is_of_error,
    kind_of,
    like_a_message,
    message_of,
    sentence_of,
    text_of,
    weaker_message_of,
)
from fleexmon_pipeline.collection.reading.names import MESSAGE_FIELDS, TIME_FIELDS
from fleexmon_pipeline.collection.reading.text_levels import level_in_text
from fleexmon_pipeline.collection.reading.text_times import time_in_text
from fleexmon_pipeline.collection.reading.time_fields import like_a_time, time_of
from fleexmon_pipeline.collection.reading.usual import usual
from fleexmon_pipeline.collection.times.epochs import EPOCH, RejectedError
from fleexmon_pipeline.collection.times.value import has_zone, read_time
from fleexmon_pipeline.levels import MAX_WORD_CHARACTERS

__all__ = ["EPOCH", "Line", "Origins", "RejectedError", "explain", "read", "read_time", "storable"]

READER_VERSION = 10  # raise it when the same record would become another line
MAX_MESSAGE_CHARACTERS = 1_000_000  # a longer message is cut; its length and hash are in metadata
MAX_DEPTH = 250  # of nesting; Python's own limit is 1,000 frames, and depends on the caller
OUR_DEFAULT = "default"  # the origin of a level if the record has none
OUR_TEXT = "text of the message"  # the origin of a level at the head of the message


class Line(msgspec.Struct, gc=False):
    """A LogEntry without its id. `metadata` is JSON with sorted keys, or None."""

    time: datetime
    iso: str  # the time as text, for id and table: making it costs as much as decoding the record
    level: str
    message: str
    metadata: str | None


_encoder = msgspec.json.Encoder(order="sorted", enc_hook=str)


# Values that are only found by looking at every value: NUL, halves of surrogate pairs, NaN, numbers beyond a float's.
_ODD = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\0|\xed[\xa0-\xbf]|NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{300}")


def _int(text: str) -> int | str:
    return int(text) if len(text) < 600 else text


# Unlike msgspec, json accepts lone surrogates, NaN and raw control characters, which some loggers send.
_decode = json.JSONDecoder(strict=False).decode
_decode_long = json.JSONDecoder(strict=False, parse_int=_int).decode  # numbers of thousands of digits, as text


class Origins(NamedTuple):
    """The fields that time, level and message were taken from."""

    time: str
    level: str
    message: str


def read(raw: bytes) -> Line:
    """Read one JSON record of any form. Raises only RejectedError."""
    return explain(raw)[0]


def explain(raw: bytes) -> tuple[Line, Origins]:
    """`read`, and the fields from which the parts were taken."""
    try:
        record, is_odd = _record(raw)
        return _line(record, is_odd=is_odd or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH)
    except RecursionError:
        raise RejectedError("nested too deeply") from None


def _record(raw: bytes) -> tuple[dict[str, Any], bool]:
    """The record, and whether it may contain values that PostgreSQL does not accept."""
    record, is_odd = decoded(raw)
    if isinstance(record, dict):
        return record, is_odd
    if isinstance(record, str) and (moment := time_in_text(record)) is not None:  # a list of lines of text
        return {"timestamp": moment.isoformat(), "message": record}, is_odd
    if isinstance(record, list) and not any(isinstance(value, dict) for value in record):
        raise RejectedError("a list of values without names: nothing tells its time or its message")
    raise RejectedError(f"a JSON {type(record).__name__}, not an object")


def decoded(raw: bytes) -> tuple[Any, bool]:
    """Decode with msgspec, nine times as fast as json, or with json, if msgspec refuses. A test shows that they agree.

    JSON that msgspec accepts may contain an escaped NUL, but no half of a surrogate pair, and no number beyond a
    float's.
    """
    try:
        return msgspec.json.decode(raw), b"\\u0000" in raw
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _decoded_by_json(raw), _ODD.search(raw) is not None


def _decoded_by_json(raw: bytes) -> Any:
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        try:
            return _decode(text)
        except ValueError as error:
            if isinstance(error, json.JSONDecodeError):
                raise
            return _decode_long(text)
    except ValueError as error:
        raise RejectedError(f"not JSON: {str(error)[:100]}") from None


def _line(record: dict[str, Any], *, is_odd: bool) -> tuple[Line, Origins]:
    """The line of a record. Fields without a column go to metadata, which is checked if the record `is_odd`."""
    common = usual(record)
    if common is None:
        return _searched(record, is_odd=is_odd)
    moment, level, text, time_name, level_name, message_name = common
    del record[time_name], record[message_name]
    word = record.pop(level_name) if level_name is not None else None
    origins = Origins(time_name, level_name or OUR_DEFAULT, message_name)
    metadata = _metadata([Layer("", record)]) if "metadata" in record else record
    return _finished(moment, (level, word), text, origins, metadata, is_odd=is_odd)


def _searched(record: dict[str, Any], *, is_odd: bool) -> tuple[Line, Origins]:
    """The line of a record, found by trying all candidates in all layers."""
    layers = layers_of(record)
    try:
        moment, time_origin = _take_time(layers)
    except RejectedError:
        if (timed := timed_layer(layers)) is None:
            raise
        layers.insert(0, timed)
        moment, time_origin = _take_time(layers)
    level, word, level_origin = _take_level(layers)
    said = _said(layers)
    if said is None:
        told = told_layer(layers)
        if opened := [told] if told else [] if action_of(layers[-1].fields) else unnamed_layers(layers):
            layers[:0] = opened
            if level is None:
                level, word, level_origin = _take_level(layers)
            said = _said(layers)
    text, message_origin = said or _take_message(layers, (action_of, blank_message_of, sentence_of, kind_of))
    if level is None and is_of_error(message_origin):
        level, level_origin = "error", message_origin
    is_odd = is_odd or any(layer.is_odd for layer in layers)
    origins = Origins(time_origin, level_origin, message_origin)
    return _finished(moment, (level, word), text, origins, _metadata(layers), is_odd=is_odd)


def _finished(
    moment: datetime,
    given: tuple[str | None, Any],
    text: str,
    origins: Origins,
    metadata: dict[str, Any],
    *,
    is_odd: bool,
) -> tuple[Line, Origins]:
    """The finished line. given: the record's own level and its word, if it has one."""
    level, word = given
    if level is None:
        level = level_in_text(text)
        origins = origins._replace(level=OUR_TEXT if level else OUR_DEFAULT)
        level = level or "info"
    if word is not None and word != level:
        _put_ours(metadata, "originalLevel", str(word)[:MAX_WORD_CHARACTERS])
    message = storable(text)
    if message != text:
        _put_ours(metadata, "messageJson", json.dumps(text)[:MAX_MESSAGE_CHARACTERS])  # the exact text
    if len(message) > MAX_MESSAGE_CHARACTERS:
        _put_ours(metadata, "messageLength", len(text))
        _put_ours(metadata, "messageSha256", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
        message = message[:MAX_MESSAGE_CHARACTERS]
    if is_odd:
        altered: list[str] = []
        kept = _storable_json(metadata, altered, 0)
        if altered:
            _put_ours(kept, "metadataJson", json.dumps(metadata)[:MAX_MESSAGE_CHARACTERS])
        metadata = kept
    encoded = _encoder.encode(metadata).decode() if metadata else None
    return Line(moment, moment.isoformat(), level, message, encoded), origins


def _metadata(layers: list[Layer]) -> dict[str, Any]:
    """Inner fields keep their names; an outer field of the same name gets another."""
    metadata: dict[str, Any] = {}
    for layer in layers:
        given = layer.fields.pop("metadata", None)
        for name, value in given.items() if isinstance(given, dict) else [] if given is None else [("metadata", given)]:
            _put(metadata, name, value)
        for name, value in layer.fields.items():
            _put(metadata, name, value)
    return metadata


def _taken(layer: Layer, found: Found) -> str:
    """Remove the field from its layer. Returns its name in the outermost record."""
    if found.taken:
        layer.fields.pop(found.name, None)
    return layer.path + found.name


def _take_time(layers: list[Layer]) -> tuple[datetime, str]:
    """The first usable time. In a record within a record it must have a zone: the container's may be another."""
    if layers[-1].fields.get("timeUnixNano") in (0, "0", ""):  # OpenTelemetry: not known
        del layers[-1].fields["timeUnixNano"]
    if len(layers) == 1 and (found := time_of(layers[0].fields).usable):
        return found.value, _taken(layers[0], found)
    times = [(layer, time_of(layer.fields)) for layer in layers]
    usable = [(layer, time.usable) for layer, time in times if time.usable]
    if len(usable) > 1:
        usable.sort(key=lambda found: not has_zone(found[0].fields.get(found[1].name)))
    for layer, found in [*usable, *((layer, time.doubtful) for layer, time in times if time.doubtful)]:
        return found.value, _taken(layer, found)
    for layer in layers:
        if like := like_a_time(layer.fields):
            return like.value, _taken(layer, like)
    raise next((time.error for _, time in times if time.error), None) or RejectedError(
        f"no time: none of {', '.join(TIME_FIELDS[:4])} …"
    )


def _take_level(layers: list[Layer]) -> tuple[str | None, Any, str]:
    """The level or None, its word (also if it is unknown), and its field."""
    for layer in layers:
        if answer := level_of(layer.fields):
            level, found = answer
            origin = _taken(layer, found)
            if found.value is None and (unknown := level_word(layer.fields)):  # beside OpenTelemetry's number
                _taken(layer, unknown)
                return level, unknown.value, origin
            return level, found.value, origin
    for layer in layers:
        if unknown := level_word(layer.fields):
            return None, unknown.value, _taken(layer, unknown)
    return None, None, ""


def _said(layers: list[Layer]) -> tuple[str, str] | None:
    """The record's own message, not only an action."""
    try:
        return _take_message(layers, (message_of, weaker_message_of, like_a_message))
    except RejectedError:
        return None


def _take_message(layers: list[Layer], finders: tuple[Callable[[Fields], Found | None], ...]) -> tuple[str, str]:
    for finder in finders:
        for layer in layers:
            if found := finder(layer.fields):
                return text_of(found.value), _taken(layer, found)
    raise RejectedError(f"no message: none of {', '.join(MESSAGE_FIELDS)}")


def _put(metadata: dict[str, Any], name: str, value: Any) -> None:
    while name in metadata:
        name = f"record.{name}"
    metadata[name] = value


def _put_ours(metadata: dict[str, Any], name: str, value: Any) -> None:
    """Add a field of ours. If the record has a field of that name, the record's field is renamed."""
    if name in metadata:
        _put(metadata, f"record.{name}", metadata[name])
    metadata[name] = value


def storable(text: str) -> str:
    """Text that PostgreSQL accepts: NUL as ␀, half of a surrogate pair as �."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _storable_json(value: Any, altered: list[str], depth: int) -> Any:
    """The value with storable texts. `altered` collects the original texts that were changed."""
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
