"""Open records within records: what a container runtime, a shipper or a logger wrapped around the application's record.

Here: which fields are opened. A layer that is the application's whole record comes before what surrounds it; a bag of
fields comes after it. Each of time, level and message is then looked for layer by layer: `fields.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fleexmon_pipeline.collection.reading.fields import MESSAGE_FIELDS, has_message, level_of, time_of

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
_MAYBE_RECORDS = ("message", "msg", "MESSAGE", "event", "body", "line", "text", "_raw", "textPayload", "log_message")
# Hold fields that belong to the record around them: Rust's tracing, logstash, Azure.
_BAGS = ("fields", "@fields", "data", "attributes", "properties", "Properties", "context", "extra", "details", "params")
# The node API: its message is what it is, and its level is never looked for in it.
_COMMON_FORM = frozenset({"timestamp", "level", "message", "metadata"})

_RANKS = {name: n for n, name in enumerate((*_RECORDS, *_MAYBE_RECORDS))}
_STARTS = ("{", " ", "\n", "\t")
_TEXTS = (*MESSAGE_FIELDS, "Message", "short_message", "@message", "@m", "log")

_decode = json.JSONDecoder(strict=False).decode


@dataclass(slots=True)
class Layer:
    """`path`: the field of the outermost record in which these fields are, with a dot, or ""."""

    path: str
    fields: dict[str, Any]


def layers_of(record: dict[str, Any]) -> list[Layer]:
    """The layers in the order in which they are searched. Opened fields are taken out of the layers around them."""
    layers = [Layer("", record)]
    if 3 <= len(record) <= 4 and record.keys() <= _COMMON_FORM:
        return layers
    while len(layers) < MAX_LAYERS and (inner := _inner(layers[0])):
        layers.insert(0, inner)
    outermost = layers[-1]
    for name in outermost.fields.keys() & _BAGS:
        bag = outermost.fields.get(name)
        if isinstance(bag, dict) and (name == "@fields" or any(text in bag for text in _TEXTS)):
            del outermost.fields[name]
            layers.append(Layer(f"{outermost.path}{name}.", bag))
    return layers


def is_record(fields: dict[str, Any]) -> bool:
    """Whether a JSON object that was found as text is a log record."""
    return has_message(fields) or len(layers_of(dict(fields))) > 1


def _inner(layer: Layer) -> Layer | None:
    openable = layer.fields.keys() & _RANKS.keys()
    for name in sorted(openable, key=_RANKS.__getitem__) if len(openable) > 1 else openable:
        value = layer.fields[name]
        if isinstance(value, str):
            inner = object_in(value) if value[:1] in _STARTS else None
        else:
            inner = value if isinstance(value, dict) else None
        if inner and (_has_text(inner) if name in _RECORDS else _has_text_and_more(inner)):
            del layer.fields[name]
            return Layer(f"{layer.path}{name}.", inner)
    return None


def _has_text(inner: dict[str, Any]) -> bool:
    """An object of ECS or OpenTelemetry that is named `log` or `body` has none."""
    return any(name in inner for name in _TEXTS) or _has_text_and_more(inner)


def _has_text_and_more(inner: dict[str, Any]) -> bool:
    return has_message(inner) and (level_of(inner) is not None or time_of(inner).usable is not None)


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is."""
    stripped = text.strip()
    if not stripped.startswith("{") or not stripped.endswith("}") or len(text) > MAX_INNER_CHARACTERS:
        return None
    try:
        inner = _decode(stripped)
    except (ValueError, RecursionError):
        return None
    return inner if isinstance(inner, dict) else None
