"""The arguments of a call: checked, and read as times, windows and positions.

Here: one call. Its answer: `answer.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fleexmon_pipeline.agents.answer import MAX_CURSOR, AskError
from fleexmon_pipeline.agents.marked import Marks
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.lookup.lines import Position
from fleexmon_pipeline.window import Window, read_time
from fleexmon_pipeline.wording import duration, one_line

MAX_TEXT = 200  # characters
MAX_OFFSET = 1_000_000


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text


def _limited(most: int, meaning: str) -> Any:
    return Field(min_length=1, max_length=most, description=meaning)


_Checked = AfterValidator(_printable)
TIMES = "15m, 2h, 3d (ago), or a UTC time such as 2026-11-20T10:00"
Text = Annotated[str, _limited(MAX_TEXT, "Part of the text, in any case."), _Checked]
NodeName = Annotated[str, _limited(100, "A node's name; coverage lists them."), _Checked]
Since = Annotated[str, _limited(40, f"Begin: {TIMES}."), _Checked]
Until = Annotated[str, _limited(40, f"End, now if left out: {TIMES}."), _Checked]
Id = Annotated[str, _limited(40, "An id, as answers give it, or its unique beginning."), _Checked]
Name = Annotated[str, _limited(100, "A name, as answers give it."), _Checked]


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Paged(Arguments):
    cursor: Annotated[str, _limited(MAX_CURSOR, "next_cursor of the last answer, to go on.")] | None = None


def checked(kind: type[Arguments], given: Mapping[str, Any]) -> Arguments:
    """Raises AskError, which names each wrong argument without its value."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        reasons = []
        for wrong in error.errors(include_url=False, include_context=False, include_input=True)[:5]:
            name = one_line(".".join(map(str, wrong["loc"])), most=60)
            length = f" (it has {len(wrong['input']):,})" if wrong["type"] == "string_too_long" else ""
            reasons.append(f"{name}: {wrong['msg'].removeprefix('Value error, ')}{length}.")
        raise AskError(" ".join(reasons) + f" Arguments: {', '.join(kind.model_fields) or 'none'}.") from None


@dataclass(frozen=True)
class ToolCall:
    """What a tool needs to answer a call. `position`: where the list continues, from a cursor."""

    connection: Connection
    now: datetime
    environment: Mapping[str, str]
    position: list[Any] | None = None
    marks: Marks = field(default_factory=Marks)

    def time(self, name: str, text: str) -> datetime:
        try:
            return read_time(text, now=self.now)
        except ValueError:
            raise AskError(f'{name}: "{one_line(text, most=40)}" is not a time. Examples: {TIMES}.') from None

    def window(self, since: str | None, until: str | None, *, default: timedelta, most: timedelta) -> Window:
        end = self.time("until", until) if until else self.now
        begin = self.time("since", since) if since else end - default
        if begin >= end:
            raise AskError(f"since: {begin:%Y-%m-%d %H:%M} UTC is not before `until`, {end:%Y-%m-%d %H:%M} UTC.")
        if end - begin > most:
            raise AskError(f"since: at most {duration(most)} can be read at once; this is {duration(end - begin)}.")
        return Window(begin, end)

    def node(self, name: str | None, argument: str = "node") -> str | None:
        """Raises AskError for an unknown node; None stays None."""
        if name is not None and name not in (node_names := known_nodes(self.connection)):
            raise AskError(
                f'{argument}: "{one_line(name, most=60)}" is not a node. '
                f"Known nodes: {', '.join(node_names) or 'none yet'}."
            )
        return name

    def offset(self) -> int:
        match self.position:
            case None:
                return 0
            case [int(offset)] if 0 <= offset <= MAX_OFFSET:
                return offset
        raise AskError("cursor: it is not one of this list. Leave it out to begin at the start.")

    def place(self) -> tuple[datetime, uuid.UUID | None] | None:
        """A time, and the last line of that time that was shown."""
        if self.position is None:
            return None
        try:
            moment, line = self.position
            return datetime.fromisoformat(moment).astimezone(UTC), None if line is None else uuid.UUID(line)
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise AskError("cursor: it is not one of this list. Leave it out to begin at the start.") from None


def behind(line: Position) -> list[Any]:
    return [line.at.isoformat(), str(line.id)]
