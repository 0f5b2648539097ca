"""Log lines: a search, and one line between its neighbours.

Here: what an agent is shown. How lines are found: `lookup/lines.py`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from fleexmon_pipeline.agents.answer import Answer, AskError, Entry, when
from fleexmon_pipeline.agents.asked import Arguments, Id, Look, Name, NodeName, Paged, Since, Text, Until, behind
from fleexmon_pipeline.lookup.line_counts import slots_of_pattern
from fleexmon_pipeline.lookup.lines import (
    LineQuery,
    LogLine,
    Position,
    at_least,
    lines_of_ids,
    neighbours,
    one_stored_line,
)
from fleexmon_pipeline.lookup.patterns import members, one_pattern, pattern_of
from fleexmon_pipeline.lookup.search import FoundLines, search, search_trace
from fleexmon_pipeline.window import DAY, EPOCH
from fleexmon_pipeline.wording import counted, iso_text

PAGE = 60
MAX_PATTERN_SLOTS = 30


class SearchLogs(Paged):
    text: Text | None = None
    node: NodeName | None = None
    level: Annotated[
        Literal["debug", "info", "warn", "error", "fatal"] | None, Field(description="This level and worse ones.")
    ] = None
    pattern: Annotated[Name | None, Field(description="Lines of the pattern with this id (samples of it).")] = None
    trace: Annotated[Name | None, Field(description="Lines that carry this trace id or request id.")] = None
    since: Since | None = None
    until: Until | None = None


class ShowLine(Arguments):
    id: Annotated[Id, Field(description="The whole id of a line.")]


def searched(look: Look, asked: SearchLogs) -> Answer:
    """Newest first."""
    if asked.pattern and asked.trace:
        raise AskError("pattern, trace: give one of them.")
    query = _query(look, asked)
    if asked.pattern:
        return _of_pattern(look, query, asked.pattern)
    everything = "all that is stored" if asked.since is None else "all of that time"
    if asked.trace:
        result = search_trace(look.connection, asked.trace, query, limit=PAGE)
        lines = [line for line in result.lines if line.timestamp >= query.since]
        more = behind(result.older) if result.older and len(lines) == len(result.lines) else None
        if result.since is not None and result.since > query.since:
            everything = _searched_to(result)
            more = None if result.unread else [result.since.isoformat(), None]
        return Answer({"searched": everything}, "lines", _entries(look, lines), more)
    result = search(look.connection, query, limit=PAGE)
    more = behind(result.older) if result.older else None
    if result.since is not None and more is None:
        more = None if result.unread else [result.since.isoformat(), None]
        everything = _searched_to(result)
    return Answer({"searched": everything}, "lines", _entries(look, result.lines), more)


def _searched_to(found: FoundLines) -> str:
    reached = f"{counted(found.searched, 'line')}, back to {when(found.since)}" if found.since else "a part"
    return (
        f"{reached}; earlier lines cannot be read: {found.unread}"
        if found.unread
        else f"{reached}; next_cursor searches on"
    )


def _query(look: Look, asked: SearchLogs) -> LineQuery:
    place = look.place()
    until = look.time("until", asked.until) if asked.until else look.now + DAY  # a node's clock may be ahead
    since = look.time("since", asked.since) if asked.since else EPOCH
    if since >= until:
        raise AskError("since: it is not before until.")
    before = None
    if place is not None:
        until, line = place
        before = Position(until, line) if line else None
    return LineQuery(
        since=since,
        until=until + timedelta(microseconds=1) if before else until,
        node=look.node(asked.node),
        levels=at_least(asked.level) if asked.level else None,
        text=asked.text,
        before=before,
    )


def _of_pattern(look: Look, query: LineQuery, name: str) -> Answer:
    """The samples that are kept of each slot: of a common pattern a few."""
    pattern = one_pattern(look.connection, name)
    slots = slots_of_pattern(look.connection, members(look.connection, pattern.id), query, limit=MAX_PATTERN_SLOTS)
    lines = lines_of_ids(look.connection, [line for slot in slots for line in slot.samples])
    lines = [line for line in lines if line.timestamp >= query.since and _is_behind(query.before, line)]
    goes_on = len(slots) == MAX_PATTERN_SLOTS and slots[-1].slot > query.since
    facts = {
        "pattern": pattern.id,
        "template": look.marks.line(pattern.template, 100),
        "searched": f"samples of {counted(sum(slot.count for slot in slots), 'line')}: at most a few of each 5 minutes",
    }
    return Answer(facts, "lines", _entries(look, lines), [slots[-1].slot.isoformat(), None] if goes_on else None)


def _is_behind(place: Position | None, line: LogLine) -> bool:
    return place is None or (line.timestamp, line.id) < (place.at, place.id)


def one(look: Look, asked: ShowLine) -> Answer:
    """With its record, its pattern, and the lines of its node right before and after it."""
    line = one_stored_line(look.connection, _whole_id(asked.id))
    pattern = pattern_of(look.connection, line.message)
    record = "" if line.metadata is None else json.dumps(line.metadata, ensure_ascii=False)
    near = neighbours(look.connection, [line.id]).get(line.id, [])
    facts = {
        "line": str(line.id),
        "at": iso_text(line.timestamp),
        "node": look.marks.name(line.node),
        "level": look.marks.name(line.level),
        "message": look.marks.block(line.message, 800),
        "record": look.marks.line(record, 300),
        "pattern": pattern.id if pattern else None,
    }
    return Answer(facts, "neighbours", _entries(look, near))


def _whole_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise AskError("id: it is not an id of 32 hex digits. Answers with lines give their ids.") from None


def _shown(look: Look, line: LogLine) -> dict[str, Any]:
    return {
        "line": str(line.id), "at": iso_text(line.timestamp), "node": look.marks.name(line.node),
        "level": look.marks.name(line.level), "message": look.marks.line(line.message, 120),
    }  # fmt: skip


def _entries(look: Look, lines: Sequence[LogLine]) -> list[Entry]:
    return [Entry(_shown(look, line), behind(Position(line.timestamp, line.id))) for line in lines]
