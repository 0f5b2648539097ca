"""Log lines: a search, and one line with its neighbours.

Here: answers for agents. Queries: `lookup/lines.py`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from fleexmon_pipeline.agents.answer import Answer, AskError, Entry, when
from fleexmon_pipeline.agents.arguments import (
    Arguments,
    Id,
    Name,
    NodeName,
    Paged,
    Since,
    Text,
    ToolCall,
    Until,
    behind,
)
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
from fleexmon_pipeline.lookup.search import FoundLines, search
from fleexmon_pipeline.lookup.traces import search_trace
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


def searched(call: ToolCall, arguments: SearchLogs) -> Answer:
    """Newest first."""
    if arguments.pattern and arguments.trace:
        raise AskError("pattern, trace: give only one of them.")
    query = _query(call, arguments)
    if arguments.pattern:
        return _of_pattern(call, query, arguments.pattern)
    everything = "all that is stored" if arguments.since is None else "all of that time"
    if arguments.trace:
        result = search_trace(call.connection, arguments.trace, query, limit=PAGE)
        lines = [line for line in result.lines if line.timestamp >= query.since]
        more = behind(result.older) if result.older and len(lines) == len(result.lines) else None
        if result.since is not None and result.since > query.since:
            everything = _searched_to(result)
            more = None if result.unread else [result.since.isoformat(), None]
        return Answer({"searched": everything}, "lines", _entries(call, lines), more)
    result = search(call.connection, query, limit=PAGE)
    more = behind(result.older) if result.older else None
    if result.since is not None and more is None:
        more = None if result.unread else [result.since.isoformat(), None]
        everything = _searched_to(result)
    return Answer({"searched": everything}, "lines", _entries(call, result.lines), more)


def _searched_to(found: FoundLines) -> str:
    reached = f"{counted(found.searched, 'line')}, back to {when(found.since)}" if found.since else "a part"
    return (
        f"{reached}; earlier lines cannot be read: {found.unread}"
        if found.unread
        else f"{reached}; next_cursor searches on"
    )


def _query(call: ToolCall, arguments: SearchLogs) -> LineQuery:
    place = call.place()
    until = call.time("until", arguments.until) if arguments.until else call.now + DAY  # a node's clock may be ahead
    since = call.time("since", arguments.since) if arguments.since else EPOCH
    if since >= until:
        raise AskError("since: it is not before `until`.")
    before = None
    if place is not None:
        until, line = place
        before = Position(until, line) if line else None
    return LineQuery(
        since=since,
        until=until + timedelta(microseconds=1) if before else until,
        node=call.node(arguments.node),
        levels=at_least(arguments.level) if arguments.level else None,
        text=arguments.text,
        before=before,
    )


def _of_pattern(call: ToolCall, query: LineQuery, name: str) -> Answer:
    """The samples that are kept of each slot: of a frequent pattern only a few."""
    pattern = one_pattern(call.connection, name)
    slots = slots_of_pattern(call.connection, members(call.connection, pattern.id), query, limit=MAX_PATTERN_SLOTS)
    lines = lines_of_ids(call.connection, [line for slot in slots for line in slot.samples])
    lines = [line for line in lines if line.timestamp >= query.since and _is_behind(query.before, line)]
    goes_on = len(slots) == MAX_PATTERN_SLOTS and slots[-1].slot > query.since
    facts = {
        "pattern": pattern.id,
        "template": call.marks.line(pattern.template, 100),
        "searched": f"samples of {counted(sum(slot.count for slot in slots), 'line')}: at most a few of each 5 minutes",
    }
    return Answer(facts, "lines", _entries(call, lines), [slots[-1].slot.isoformat(), None] if goes_on else None)


def _is_behind(place: Position | None, line: LogLine) -> bool:
    return place is None or (line.timestamp, line.id) < (place.at, place.id)


def one(call: ToolCall, arguments: ShowLine) -> Answer:
    """With its record, its pattern, and the lines of its node directly before and after it."""
    line = one_stored_line(call.connection, _whole_id(arguments.id))
    pattern = pattern_of(call.connection, line.message)
    record = "" if line.metadata is None else json.dumps(line.metadata, ensure_ascii=False)
    near = neighbours(call.connection, [line.id]).get(line.id, [])
    facts = {
        "line": str(line.id),
        "at": iso_text(line.timestamp),
        "node": call.marks.name(line.node),
        "level": call.marks.name(line.level),
        "message": call.marks.block(line.message, 800),
        "record": call.marks.line(record, 300),
        "pattern": pattern.id if pattern else None,
    }
    return Answer(facts, "neighbours", _entries(call, near))


def _whole_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise AskError("id: it is not an id of 32 hex digits. Answers with lines give their ids.") from None


def _shown(call: ToolCall, line: LogLine) -> dict[str, Any]:
    return {
        "line": str(line.id), "at": iso_text(line.timestamp), "node": call.marks.name(line.node),
        "level": call.marks.name(line.level), "message": call.marks.line(line.message, 120),
    }  # fmt: skip


def _entries(call: ToolCall, lines: Sequence[LogLine]) -> list[Entry]:
    return [Entry(_shown(call, line), behind(Position(line.timestamp, line.id))) for line in lines]
