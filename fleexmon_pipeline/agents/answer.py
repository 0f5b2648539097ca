"""An answer: facts, the part of a list that fits, and a cursor for the rest of the list.

Here: size and cursor, the same for all tools. A cursor is the position where a list continues. It is always checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fleexmon_pipeline.agents.marked import Marks, tokens_of
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.wording import iso_text

MAX_TOKENS = 4_000
_ROOM_FOR_CURSOR = 200  # and for the names of omitted facts
_ROOM_FOR_ENTRIES = 500
MAX_CURSOR = 400  # characters


class AskError(FleexmonError, ValueError):
    """A call that cannot be answered. The text says why, and what to do."""


@dataclass(frozen=True)
class Entry:
    """An entry of a list. `after`: the position directly after it."""

    shown: Mapping[str, Any]
    after: Sequence[Any]


@dataclass(frozen=True)
class Answer:
    """`facts`: the most important first, since the last ones are omitted if there is no room. `name`: of the list;
    `more`: the position after its last entry, if it continues."""

    facts: Mapping[str, Any]
    name: str = ""
    entries: Sequence[Entry] = ()
    more: Sequence[Any] | None = None


@dataclass(frozen=True)
class Rendered:
    text: str
    tokens: int
    entries: int


def render(answer: Answer, marks: Marks, tool: str, arguments: Mapping[str, Any]) -> Rendered:
    """One JSON document of at most MAX_TOKENS. It has at least one entry, if the list has any."""
    document: dict[str, Any] = {"note": marks.meaning}
    room = MAX_TOKENS - _ROOM_FOR_CURSOR - tokens_of(_text(document))
    left_out = []
    for name, value in answer.facts.items():
        cost = tokens_of(_text({name: value}))
        if cost + (_ROOM_FOR_ENTRIES if answer.entries else 0) > room:
            left_out.append(name)
            continue
        document[name] = value
        room -= cost
    if left_out:
        document["left_out_for_size"] = left_out
    shown: list[Mapping[str, Any]] = []
    position = answer.more
    for index, entry in enumerate(answer.entries):
        room -= tokens_of(_text(entry.shown)) + 1
        if room < 0 and shown:
            position = answer.entries[index - 1].after
            break
        shown.append(entry.shown)
    if answer.name:
        document[answer.name] = shown
    if position is not None:
        document["next_cursor"] = encoded(tool, arguments, position)
    text = _text(document)
    return Rendered(text, tokens_of(text), len(shown))


def encoded(tool: str, arguments: Mapping[str, Any], position: Sequence[Any]) -> str:
    content = msgspec.json.encode([_digest(tool, arguments), position], enc_hook=_plain)
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(tool: str, arguments: Mapping[str, Any], cursor: str) -> list[Any]:
    """The position in a cursor of this tool with these arguments. Raises AskError."""
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, position = msgspec.json.decode(content, type=tuple[str, list[Any]])
    except (binascii.Error, ValueError, msgspec.DecodeError):  # ValueError: not ASCII
        raise AskError("cursor: it does not come from an answer. Leave it out to begin at the start.") from None
    if digest != _digest(tool, arguments):
        raise AskError("cursor: it belongs to other arguments. Repeat those of the earlier call, or leave it out.")
    return position


def _digest(tool: str, arguments: Mapping[str, Any]) -> str:
    same = {name: value for name, value in arguments.items() if name != "cursor" and value is not None}
    return hashlib.sha256(msgspec.json.encode([tool, sorted(same.items())], enc_hook=_plain)).hexdigest()[:8]


def _text(document: object) -> str:
    return msgspec.json.encode(document, enc_hook=_plain).decode("utf-8", "replace")


def _plain(value: object) -> str:
    return iso_text(value) if isinstance(value, datetime) else str(value)


def when(moment: datetime) -> str:
    """To the second: most facts are slots."""
    return iso_text(moment, "seconds")
