"""The body of a node's answer becomes records, each as raw JSON, so that a bad one does not lose its neighbours.

Taken: an array, `{"logs": [...]}`, one JSON object a line. A body that breaks off gives what came before the break.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import msgspec


class NotAnAnswerError(ValueError):
    """The body holds no records at all: HTML, prose, another API's JSON. The text says what was there instead."""


@dataclass
class Records:
    raws: list[bytes | msgspec.Raw] = field(default_factory=list)
    broken: str | None = None  # why there may have been more


class _Wrapped(msgspec.Struct):
    logs: list[msgspec.Raw]


_array = msgspec.json.Decoder(list[msgspec.Raw])
_wrapped = msgspec.json.Decoder(_Wrapped)
_SPACE = re.compile(r"[\s,]*")
_START_OF_LOGS = re.compile(r'\s*\{\s*"logs"\s*:\s*\[')


def split(body: bytes) -> Records:
    """Raises NotAnAnswerError."""
    start = body[:1_000].lstrip()
    if not start:
        raise NotAnAnswerError("an empty body")
    if start[:1] == b"[":
        try:
            return Records(list(_array.decode(body)))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _salvage(body, "[")
    if start[:1] != b"{":
        raise NotAnAnswerError(f"not JSON: {clip(body)}")
    try:
        return Records(list(_wrapped.decode(body).logs))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    if _START_OF_LOGS.match(start.decode("utf-8", "replace")):
        return _salvage(body, "[")
    return _lines(body)


def _lines(body: bytes) -> Records:
    """One object a line; a last line without its end is a break, another bad line a record that will be rejected."""
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) == 1 or not _is_object(lines[0]):
        try:
            whole = json.loads(body)
        except ValueError:
            raise NotAnAnswerError(f"not JSON: {clip(body)}") from None
        if "logs" in whole:
            raise NotAnAnswerError(f'its "logs" is a JSON {type(whole["logs"]).__name__}, not an array')
        if not any(name in whole for name in ("timestamp", "time", "ts", "@timestamp", "message", "msg")):
            raise NotAnAnswerError(f'an object without "logs": {clip(body)}')
        return Records([body])
    broken = None
    if not _is_object(lines[-1]):
        lines.pop()
        broken = "the answer breaks off in a record"
    return Records(list(lines), broken)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _salvage(body: bytes, opening: str) -> Records:
    """Record by record until the text stops making sense."""
    text = body.decode("utf-8", "surrogateescape")
    position = text.index(opening) + 1
    decode = json.JSONDecoder().raw_decode
    found = Records()
    while True:
        space = _SPACE.match(text, position)
        position = space.end() if space else position
        if text[position : position + 1] == "]":
            return found
        try:
            _, end = decode(text, position)
        except (ValueError, RecursionError):
            found.broken = f"the answer breaks off after {len(found.raws):,} records"
            return found
        found.raws.append(text[position:end].encode("utf-8", "surrogateescape"))
        position = end


def clip(body: bytes) -> str:
    """The beginning of a body, for a person; its markup and line breaks flattened."""
    return " ".join(body[:400].decode("utf-8", "replace").split())[:120]
