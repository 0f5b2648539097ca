"""Open records within records: the wrappers of container runtimes, shippers and loggers around an application's record.

Here: which fields are opened. An application's complete record is searched before the record around it; a bag of fields
is searched after it. Time, level and message are then searched layer by layer: `fields.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from fleexmon_pipeline.collection.reading.fields import MAX_ODD_NAMES
from fleexmon_pipeline.collection.reading.level_fields import level_of
from fleexmon_pipeline.collection.reading.message_fields import (
    has_message,
    message_of,
    plain_value,
    weaker_message_of,
)
from fleexmon_pipeline.collection.reading.names import MESSAGE_FIELDS
from fleexmon_pipeline.collection.reading.plans import by_names
from fleexmon_pipeline.collection.reading.time_fields import like_a_time, time_of

MAX_LAYERS = 5
MAX_KIND_CHARACTERS = 40
MAX_VALUES = 50  # of an event of Windows that are shown
_NAMES_OF_XML = frozenset(("#attributes", "@name", "name", "@qualifiers"))  # of an element, beside its `#text`
MAX_INNER_CHARACTERS = 32_000_000  # of a record that is text; as long as any record may be

# Contain the whole record of the application, as an object or as JSON text: Docker and fluent-bit, Google Cloud,
# loguru, AWS.
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
# The same, if it contains a level or a time: an application may also log an object, or JSON text, as its message.
_MAYBE_RECORDS = (
    "message",
    "msg",
    "MESSAGE",
    "event",
    "body",
    "Body",
    "line",
    "text",
    "_raw",
    "textPayload",
    "log_message",
    "short_message",
    "logmsg",
    "log_line",
    "logLine",
)
# OpenTelemetry's body, if an object was logged instead of a text: it does not need its own level.
_BODIES = ("body", "Body")
_OF_OTEL = frozenset(
    """severityNumber severityText severity_number severity_text SeverityNumber SeverityText timeUnixNano time_unix_nano
    observedTimeUnixNano""".split()  # noqa: SIM905
)
# Contain fields that belong to the record around them: Rust's tracing, logstash, Azure.
_BAGS = ("fields", "@fields", "data", "attributes", "properties", "Properties", "context", "extra", "details", "params")
# The node API: its message is used as it is, and never searched for a level.
_COMMON_FORM = frozenset({"timestamp", "level", "message", "metadata"})

_STARTS = ("{", " ", "\n", "\t", "@")
_CEE = "@cee:"  # rsyslog's mark of JSON in a line
_CRI = re.compile(r"\d{4}-\d\d-\d\dT\S{1,40} std(?:out|err) [FP] (?=\{)")  # what container runtimes put before it
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
    """Fields of one layer. path: their field in the outermost record, with a dot, or ""."""

    path: str
    fields: dict[str, Any]
    is_odd: bool = False  # whether it was text that only json reads, as it may hold what PostgreSQL does not take


def layers_of(record: dict[str, Any], path: str = "") -> list[Layer]:
    """The layers in the order in which they are searched. Opened fields are removed from the layers around them."""
    outermost = Layer(path, record)
    layers = [outermost]
    if 3 <= len(record) <= 4 and record.keys() <= _COMMON_FORM:
        return layers
    while len(layers) < MAX_LAYERS and (inner := _inner(layers[0])):
        layers.insert(0, inner)
    for layer in (layers[0], outermost) if len(layers) > 1 else (outermost,):
        for name, bag in _bags(layer.fields):
            del layer.fields[name]
            layers.insert(layers.index(layer) + 1, Layer(f"{layer.path}{name}.", bag))
    return layers


def _bags(fields: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    bags = [(name, fields.get(name)) for name in _openings(fields).bags]
    return [
        (name, bag)
        for name, bag in bags
        if isinstance(bag, dict) and (name == "@fields" or any(text in bag for text in _TEXTS))
    ]


def may_be_record(value: Any) -> bool:
    """Whether a value may be a record, so that decoding it is worthwhile."""
    return isinstance(value, dict) or (isinstance(value, str) and _may_begin_record(value))


def _may_begin_record(text: str) -> bool:
    return text[:1] in _STARTS or (text[:2] == "20" and text.rstrip()[-1:] == "}")


def unnamed_layers(layers: list[Layer]) -> list[Layer]:
    """The layers with a record in a field that no list names, if no other layer has a message."""
    for layer in layers:
        for name, value in islice(layer.fields.items(), MAX_ODD_NAMES):
            inner, is_odd = opened(value) if isinstance(value, str) else (value, False)
            if isinstance(inner, dict) and not _says(inner):  # Application Insights: data.baseData
                path, inner = next(
                    ((f"{name}.{deep}", value) for deep, value in inner.items() if _says(value)), ("", None)
                )
                if inner is not None:
                    return layers_of(dict(inner), f"{layer.path}{path}.")
            if isinstance(inner, dict):
                del layer.fields[name]
                opened_layers = layers_of(inner, f"{layer.path}{name}.")
                opened_layers[-1].is_odd |= is_odd
                return opened_layers
    return []


def _says(inner: Any) -> bool:
    return isinstance(inner, dict) and bool(has_message(inner) or message_of(inner) or _bags(inner))


def told_layer(layers: list[Layer]) -> Layer | None:
    """The record that another field names: Suricata's `{"event_type": "engine", "engine": {"message": …}}`."""
    for layer in layers:
        for value in islice(layer.fields.values(), MAX_ODD_NAMES):
            inner = layer.fields.get(value) if isinstance(value, str) and len(value) <= MAX_KIND_CHARACTERS else None
            if isinstance(inner, dict) and has_message(inner):
                del layer.fields[value]
                return Layer(f"{layer.path}{value}.", inner)
    return None


def timed_layer(layers: list[Layer]) -> Layer | None:
    """A layer with a time, for a record without one: `_source` of Elasticsearch's answers, `data` of an event."""
    if event := _event_of_windows(layers[-1]):
        return event
    for layer in layers:
        for name, value in islice(layer.fields.items(), MAX_ODD_NAMES):
            inner, is_odd = opened(value) if isinstance(value, str) else (value, False)
            if isinstance(inner, dict) and (
                time_of(inner).usable or ((message_of(inner) or weaker_message_of(inner)) and like_a_time(inner))
            ):
                del layer.fields[name]
                return Layer(f"{layer.path}{name}.", inner, is_odd)
    return None


def _event_of_windows(layer: Layer) -> Layer | None:
    """An event as its XML says it, turned into JSON: `{"Event": {"System": {…}, "EventData": {…}}}`.

    Its message is in a file of the machine that wrote it, so the values stand for it, behind program and number.
    """
    event = layer.fields.get("Event")
    system = event.get("System") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(system, dict):
        return None
    fields = {name: next(_leaves(value), None) for name, value in system.items()}
    rendered = event.get("RenderingInfo")
    data = [text for name in ("EventData", "UserData") for text in islice(_leaves(event.get(name)), MAX_VALUES)]
    text = f"{fields.get('Provider') or 'event'} {fields.get('EventID') or ''}".rstrip()
    said = rendered.get("Message") if isinstance(rendered, dict) else None
    fields |= {"TimeCreated": fields.get("TimeCreated"), "message": said or f"{text}: {', '.join(map(str, data))}"}
    del layer.fields["Event"]
    return Layer(f"{layer.path}Event.", {"EventData": event.get("EventData"), **fields})


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    """Texts and numbers of an XML element as JSON, without names and addresses of what it is of."""
    if isinstance(value, dict) and depth < MAX_LAYERS:
        for name, inner in (
            sorted(value.items(), key=lambda item: item[0] != "#text") if "#text" in value else value.items()
        ):
            if name.lower() not in _NAMES_OF_XML or "#text" not in value:
                yield from () if name.lower() in ("xmlns", "@xmlns") else _leaves(inner, depth + 1)
    elif isinstance(value, list) and depth < MAX_LAYERS:
        for inner in value:
            yield from _leaves(inner, depth + 1)
    elif isinstance(value, (str, int, float)) and value != "":
        yield value


def is_record(fields: dict[str, Any]) -> bool:
    """Whether a JSON object that was found as text is a log record."""
    return has_message(fields) or len(layers_of(dict(fields))) > 1


def _inner(layer: Layer) -> Layer | None:
    for name in _openings(layer.fields).records:
        value = layer.fields[name]
        is_odd = False
        if isinstance(value, str):
            if not _may_begin_record(value):
                continue
            inner, is_odd = opened(value)
        else:
            inner = plain_value(value) if isinstance(value, dict) else None
        is_logged = name in _RECORDS or (name in _BODIES and not _OF_OTEL.isdisjoint(layer.fields))
        if isinstance(inner, dict) and inner and (_has_text(inner) if is_logged else _has_text_and_more(inner)):
            del layer.fields[name]
            return Layer(f"{layer.path}{name}.", inner, is_odd)
    return None


def _has_text(inner: dict[str, Any]) -> bool:
    """Whether an inner object has a message. Objects of ECS and OpenTelemetry named `log` or `body` have none."""
    return any(name in inner for name in _TEXTS) or _has_text_and_more(inner)


def _has_text_and_more(inner: dict[str, Any]) -> bool:
    if not has_message(inner) and not _bags(inner):
        return False
    return level_of(inner) is not None or time_of(inner).usable is not None


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; None if it is not one."""
    return opened(text)[0]


def opened(text: str) -> tuple[dict[str, Any] | None, bool]:
    """The same, and whether only json reads it: msgspec refuses what PostgreSQL does not take either, but for NUL."""
    stripped = text.strip().removeprefix(_CEE).lstrip()
    if stripped[:2] == "20" and (head := _CRI.match(stripped)):
        stripped = stripped[head.end() :]
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
