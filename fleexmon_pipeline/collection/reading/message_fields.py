"""Find the message in a record's fields: the first text that is not blank, then substitutes for it.

Also here: filling templates from fields, and unwrapping loggers' values.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from fleexmon_pipeline.collection.reading.fields import (
    MAX_ODD_NAMES,
    Fields,
    Found,
    candidates,
    lookup,
    named_last,
    named_like,
    plan_of,
)
from fleexmon_pipeline.collection.reading.names import (
    ACTIONS,
    DEEP_FIELDS,
    ERROR_FIELDS,
    ERROR_LISTS,
    ERROR_NAMES,
    KIND_FIELDS,
    LAST_LIKE_A_MESSAGE,
    LAST_LIKE_AN_ACTION,
    LIKE_A_MESSAGE,
    LIKE_AN_ACTION,
    MESSAGE_FIELDS,
    METHODS,
    PATHS,
    RECORD_KINDS,
    STACK_FIELDS,
    STATUSES,
    TEMPLATE_FIELDS,
    TIME_FIELDS,
)

_HOLE = re.compile(
    r"\{[@$]?(\w[\w.]*)(?:,-?\d{1,4})?(?::[^{}]{1,40})?\}"
)  # of Serilog and .NET: {Id}, {@Cart}, {Ms,8:0.0}
_SLOT = re.compile(r"%(?:[sdifr]|\.[0-9]f)")  # of Python's logging
_BRACES = re.compile(r"\{\}")
_SIMPLE = (str, int, float, bool)
_SENTENCE = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,}")
_COMPOUND = re.compile(r"\w[.:/ -]\w|[a-z][A-Z]")  # several words
MAX_HOLES = 100  # of a template that are filled, each with a value of so many characters at most:
MAX_FILLED_CHARACTERS = 1_000


def has_message(fields: Fields) -> bool:
    """Whether the record certainly has a message, not only a text in a field such as `title`."""
    plan = plan_of(fields)
    if any(fields[name] is not None for name in plan.sure):
        return True
    return any(isinstance(fields[name], str) for name in plan.sure_texts)


def message_of(fields: Fields) -> Found | None:
    """A text that is not blank; None if there is none."""
    plan = plan_of(fields)
    for name in plan.messages:
        value = fields[name]
        if name == "MESSAGE":
            value = _journald(value)
        if _is_usable(value):
            return Found(name, _with_arguments(value, fields) if name in ("msg", "message") else plain_value(value))
    for name in plan.texts:
        value = fields[name]
        if isinstance(value, str) and _is_usable(value) and not is_kind(name, value):
            # Docker ends each message with a newline, which belongs to its log file.
            value = value.rstrip("\r\n") if name == "log" else value
            return Found(name, rendered(value, fields) if name in TEMPLATE_FIELDS else value)
    return None


def is_kind(name: str, value: str) -> bool:
    """Whether a text is only the class of its record: `"event": "response"`."""
    return name == "event" and value in RECORD_KINDS


def _with_arguments(text: Any, fields: Fields) -> Any:
    """A text with its arguments filled in: a LogRecord of Python, `order %s of %d failed`, or an event of Logback,
    `order {} failed`."""
    values, slot = (fields["arguments"], _BRACES) if "arguments" in fields else (fields.get("args"), _SLOT)
    if not isinstance(text, str) or not isinstance(values, list) or len(values) != len(slot.findall(text, 0)):
        return plain_value(text)
    rest = iter(values)
    return slot.sub(lambda _: text_of(next(rest)), text)


def rendered(template: str, fields: Fields) -> str:
    """A template of Serilog with those values of its record that exist and are simple."""
    inner = fields.get("Properties")
    given_apart = inner if isinstance(inner, dict) else fields.get("args")
    values = {**(given_apart if isinstance(given_apart, dict) else {}), **fields}

    def value(hole: re.Match[str]) -> str:
        given = values.get(hole[1])
        text = text_of(given) if isinstance(given, _SIMPLE) else hole[0]
        return text if len(text) <= MAX_FILLED_CHARACTERS else hole[0]

    return _HOLE.sub(value, template, MAX_HOLES)


def like_a_message(fields: Fields) -> Found | None:
    """A text in a field whose name resembles a known one."""
    names = (*named_like(fields, LIKE_A_MESSAGE), *named_last(fields, LAST_LIKE_A_MESSAGE))
    texts = (Found(name, text) for name in names if _is_text(text := fields[name]) and text[0] != "{")
    return next(texts, None) or _like_a_request(fields)


def _like_a_request(fields: Fields) -> Found | None:
    """`ClientRequestMethod`, `ClientRequestURI` and `EdgeResponseStatus` of a content delivery network."""
    methods = (fields[name] for name in named_last(fields, frozenset(("method", "verb"))))
    method = next((value for value in methods if isinstance(value, str) and value.isupper()), None)
    paths = (fields[name] for name in named_last(fields, frozenset(("uri", "url", "path"))))
    path = next((value for value in paths if _is_text(value)), None)
    if not method or not path:
        return None
    statuses = (fields[name] for name in named_last(fields, frozenset(("status", "code"))))
    status = next((value for value in statuses if isinstance(value, (int, str))), "")
    return Found("request", f"{method} {path} {status}".strip(), taken=False)


def _like_an_action(fields: Fields) -> Found | None:
    names = named_last(named_like(fields, LIKE_AN_ACTION), LAST_LIKE_AN_ACTION)
    return next((Found(name, text, taken=False) for name in names if _is_text(text := _said(fields[name]))), None)


def action_of(fields: Fields) -> Found | None:
    """The action, for a record without a message."""
    return _of_action(fields) or _like_an_action(fields)


def sentence_of(fields: Fields) -> Found | None:
    """The record's only text of several words, in a field of any name."""
    texts = [
        name
        for name, value in islice(fields.items(), MAX_ODD_NAMES)
        if isinstance(value, str) and _SENTENCE.search(value)
    ]
    return Found(texts[0], fields[texts[0]]) if len(texts) == 1 and texts[0] not in TIME_FIELDS else None


def kind_of(fields: Fields) -> Found | None:
    """The name of what happened: `platform.report`, `EC2 Instance State-change`; `metric` names none."""
    for name in ("event", *KIND_FIELDS):
        value = fields.get(name)
        if isinstance(value, str) and (is_kind(name, value) or _COMPOUND.search(value)):
            return Found(name, value, taken=False)
    return None


def is_of_error(origin: str) -> bool:
    """Whether a message was taken from a field that tells of an error, by its path in the record."""
    first, last = origin.partition(".")[0], origin.rpartition(".")[2]
    return {first, last} & ERROR_NAMES != frozenset()


def weaker_message_of(fields: Fields) -> Found | None:
    """A substitute for a message. It also stays in its field, unless the name differs only in case."""
    for name in ERROR_FIELDS:  # an error logged by itself; it stays in metadata with its stack
        if _is_usable(text := _of_error(fields.get(name))):
            return Found(name, plain_value(text), taken=False)
    for name in ERROR_LISTS:
        if isinstance(fields.get(name), list) and _is_usable(text := _of_error(fields[name])):
            return Found(name, plain_value(text), taken=False)
    if found := _in_any_case(fields):
        return found
    for name in DEEP_FIELDS:
        if _is_usable(text := lookup(fields, name)):
            return Found(name, text, taken=False)
    for name in STACK_FIELDS:
        if text := _first_line(fields.get(name)):
            return Found(name, text, taken=False)
    return _of_arguments(fields) or _of_request(fields) or _of_inner_request(fields)


def _of_arguments(fields: Fields) -> Found | None:
    """log4js, consola: the arguments of the call."""
    for name in ("data", "args"):
        values = fields.get(name)
        if isinstance(values, list) and values and (isinstance(values[0], str) or "categoryName" in fields):
            return Found(name, " ".join(text_of(item) for item in values), taken=False)
    return None


def _of_action(fields: Fields) -> Found | None:
    texts = (Found(name, text, taken=False) for name in ACTIONS if _is_text(text := _said(lookup(fields, name))))
    return next(texts, None)


def _said(value: Any) -> Any:
    """Azure: `{"value": "Microsoft.Sql/write", "localizedValue": …}`."""
    return value.get("value", value.get("name")) if isinstance(value, dict) else value


def _in_any_case(fields: Fields) -> Found | None:
    texts = candidates(fields, plan_of(fields).texts_in_any_case, (str,))
    return next((Found(name, value) for name, value in texts if _is_text(value) and not is_kind(name, value)), None)


def blank_message_of(fields: Fields) -> Found | None:
    """An empty message, for a record without any text."""
    for name in MESSAGE_FIELDS:
        if fields.get(name) is not None:
            return Found(name, plain_value(fields[name]))
    return Found("log", "") if isinstance(fields.get("log"), str) else None  # an empty line of a container


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and _is_usable(value)


def _is_usable(value: Any) -> bool:
    return value is not None and (not isinstance(value, str) or not value.isspace()) and value != ""


def _of_request(fields: Fields) -> Found | None:
    """`GET /cart 200`: access logs and request logs of web frameworks have no message."""
    request = fields.get("request")
    if not isinstance(request, str) or " " not in request:
        method = next((value for name in METHODS if isinstance(value := lookup(fields, name), str)), None)
        path = next((value for name in PATHS if isinstance(value := lookup(fields, name), str)), None)
        if path and not path.startswith("/") and path == fields.get("resource"):  # of a cloud, not of a request
            return None
        if not method or not path:
            return None
        request = f"{method} {path}"
    status = next((value for name in STATUSES if isinstance(value := lookup(fields, name), (int, str))), "")
    return Found("request", f"{request} {status}".strip(), taken=False)


def _of_inner_request(fields: Fields) -> Found | None:
    """The request of an event: Cloudflare's `{"event": {"request": {"method": …, "url": …}}}`."""
    inner = (value for value in islice(fields.values(), MAX_ODD_NAMES) if isinstance(value, dict))
    return next((request for value in inner if (request := _of_request(value))), None)


def _of_error(error: Any) -> Any:
    """The message of an error such as `{"type": "TypeError", "message": …, "stack": …}`; None if it has none."""
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        if isinstance(values := error.get("values"), list) and values:  # Sentry
            return _of_error(values)
        texts = (error.get(name) for name in ("message", "msg", "reason", "value", "title", "description"))
        stacks = (_first_line(error.get(name)) for name in STACK_FIELDS)
        kinds = (error.get(name) for name in ("type", "name", "code"))
        return next((text for text in (*texts, *stacks, *kinds) if text is not None), None)
    return error or None


def _first_line(stack: Any) -> str | None:
    return stack.strip().partition("\n")[0] or None if isinstance(stack, str) else None


def _journald(value: Any) -> Any:
    """journald's value as text. Values that are not UTF-8 are arrays of bytes."""
    if isinstance(value, list) and value and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    return value


def plain_value(value: Any) -> Any:
    """OTLP's `{"stringValue": "x"}` as `"x"`; other values unchanged."""
    if isinstance(value, dict) and value.keys() == {"Type", "Value"}:  # of OpenTelemetry's exporter in Go
        return value["Value"]
    if not isinstance(value, dict) or len(value) != 1:
        return value
    [(kind, inner)] = value.items()
    values = inner.get("values") if isinstance(inner, dict) else None
    if kind == "arrayValue" and isinstance(values, list):
        return [plain_value(item) for item in values]
    if kind == "kvlistValue" and isinstance(values, list) and all(isinstance(item, dict) for item in values):
        return {str(item.get("key")): plain_value(item.get("value")) for item in values}
    return inner if kind in ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue") else value
