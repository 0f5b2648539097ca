"""Open records within records: what a container runtime, a shipper or a logger wrapped around the application's record.

Here: which fields are opened. A layer that is the application's whole record comes before what surrounds it; a bag of
fields comes after it. Each of time, level and message is then looked for layer by layer: `fields.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from fleexmon_pipeline.collection.reading.fields import MAX_ODD_NAMES, MESSAGE_FIELDS, has_message, level_of, time_of
from fleexmon_pipeline.collection.reading.plans import by_names

MAX_LAYERS = 5
MAX_INNER_CHARACTERS = 32_000_000  # of a record that is text; as long as any record may be

# Hold the whole record of the application, as an object or as JSON text: Docker and fluent-bit, Google Cloud, loguru,
# AWS.
_RECORDS = (
    "log",
    "jsonPayload",
    "json_payload",
    "record",
    "logEvent",
    "log_event",
    "log_processed",
    "payload",
    "structured",
)
# The same, where there is a level or a time in it, too: an application may log an object, or JSON text, as its message.
_MAYBE_RECORDS = (
    "message",
    "msg",
    "MESSAGE",
    "event",
    "body",
    "line",
    "text",
    "_raw",
    "textPayload",
    "log_message",
    "short_message",
)
# Hold fields that belong to the record around them: Rust's tracing, logstash, Azure.
_BAGS = ("fields", "@fields", "data", "attributes", "properties", "Properties", "context", "extra", "details", "params")
# The node API: its message is what it is, and its level is never looked for in it.
_COMMON_FORM = frozenset({"timestamp", "level", "message", "metadata"})

_STARTS = ("{", " ", "\n", "\t", "@")
_CEE = "@cee:"  # rsyslog's mark of JSON in a line
_TEXTS = (*MESSAGE_FIELDS, "Message", "short_message", "@message", "@m", "log")


class _Openings(NamedTuple):
    """Names of fields that may be opened, in the order in which they are tried."""

    records: tuple[str, ...]
    bags: tuple[str, ...]

    @classmethod
    def among(cls, names: tuple[str, ...]) -> _Openings:
        there = set(names)
        return cls(
            tuple(name for name in (*_RECORDS, *_MAYBE_RECORDS) if name in there),
            tuple(name for name in _BAGS if name in there),
        )


RECORDS, BAGS = frozenset((*_RECORDS, *_MAYBE_RECORDS)), frozenset(_BAGS)
_openings = by_names(_Openings.among)
_decode = json.JSONDecoder(strict=False).decode


@dataclass(slots=True)
class Layer:
    """`path`: the field of the outermost record in which these fields are, with a dot, or ""."""

    path: str
    fields: dict[str, Any]
    is_odd: bool = False  # whether it was text that only json reads, as it may hold what PostgreSQL does not take


def layers_of(record: dict[str, Any]) -> list[Layer]:
    """The layers in the order in which they are searched. Opened fields are taken out of the layers around them."""
    outermost = Layer("", record)
    layers = [outermost]
    if 3 <= len(record) <= 4 and record.keys() <= _COMMON_FORM:
        return layers
    while len(layers) < MAX_LAYERS and (inner := _inner(layers[0])):
        layers.insert(0, inner)
    for name in _openings(outermost.fields).bags:
        bag = outermost.fields.get(name)
        if isinstance(bag, dict) and (name == "@fields" or any(text in bag for text in _TEXTS)):
            del outermost.fields[name]
            layers.append(Layer(f"{outermost.path}{name}.", bag))
    return layers


def may_be_record(value: Any) -> bool:
    """Whether a field that may be opened has to be tried."""
    return isinstance(value, dict) or (isinstance(value, str) and value[:1] in _STARTS)


def unnamed_layer(layers: list[Layer]) -> Layer | None:
    """A record in a field that no list here names, for one that has no message otherwise."""
    for layer in layers:
        for name, value in islice(layer.fields.items(), MAX_ODD_NAMES):
            inner, is_odd = opened(value) if isinstance(value, str) else (value, False)
            if isinstance(inner, dict) and has_message(inner):
                del layer.fields[name]
                return Layer(f"{layer.path}{name}.", inner, is_odd)
    return None


def is_record(fields: dict[str, Any]) -> bool:
    """Whether a JSON object that was found as text is a log record."""
    return has_message(fields) or len(layers_of(dict(fields))) > 1


def _inner(layer: Layer) -> Layer | None:
    for name in _openings(layer.fields).records:
        value = layer.fields[name]
        is_odd = False
        if isinstance(value, str):
            if value[:1] not in _STARTS:
                continue
            inner, is_odd = opened(value)
        else:
            inner = value if isinstance(value, dict) else None
        if inner and (_has_text(inner) if name in _RECORDS else _has_text_and_more(inner)):
            del layer.fields[name]
            return Layer(f"{layer.path}{name}.", inner, is_odd)
    return None


def _has_text(inner: dict[str, Any]) -> bool:
    """An object of ECS or OpenTelemetry that is named `log` or `body` has none."""
    return any(name in inner for name in _TEXTS) or _has_text_and_more(inner)


def _has_text_and_more(inner: dict[str, Any]) -> bool:
    return has_message(inner) and (level_of(inner) is not None or time_of(inner).usable is not None)


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is."""
    return opened(text)[0]


def opened(text: str) -> tuple[dict[str, Any] | None, bool]:
    """The same, and whether only json reads it: msgspec refuses what PostgreSQL does not take either, but for NUL."""
    stripped = text.strip().removeprefix(_CEE).lstrip()
    if not stripped.startswith("{") or not stripped.endswith("}") or len(text) > MAX_INNER_CHARACTERS:
        return None, False
    is_odd = False
    try:
        inner = msgspec.json.decode(stripped)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        is_odd = True
        try:
            inner = _decode(stripped)
        except (ValueError, RecursionError):
            return None, False
    return (inner, is_odd) if isinstance(inner, dict) else (None, False)
