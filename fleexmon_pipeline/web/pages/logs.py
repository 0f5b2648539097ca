"""Log lines: a search with a histogram, and one line with its record and its neighbours.

The data: `lookup/lines.py`, `lookup/search.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.levels import LEVELS, Level, read_level
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, PatternSlot, coverage_halves, histogram, slots_of_pattern
from fleexmon_pipeline.lookup.lines import (
    LineQuery,
    LogLine,
    Position,
    UnknownLineError,
    at_least,
    lines_of_ids,
    neighbours,
    one_stored_line,
)
from fleexmon_pipeline.lookup.patterns import (
    StoredPattern,
    UnknownPatternError,
    members,
    one_pattern,
    pattern_of,
    patterns_with_text,
)
from fleexmon_pipeline.lookup.search import FoundLines, search
from fleexmon_pipeline.lookup.traces import search_trace
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.web.pages.charts import Bar, timeline
from fleexmon_pipeline.web.pages.page import Page, fitted, presentable
from fleexmon_pipeline.web.pages.page_request import BadRequestError, NotFoundError, PageRequest
from fleexmon_pipeline.window import DAY, EPOCH, Window, ceil
from fleexmon_pipeline.wording import counted

PAGE_LENGTH = 100
MAX_PATTERNS = 6  # whose template contains the searched text
MAX_PATTERN_SLOTS = 40
LINES_AROUND = 12
MAX_SHOWN = 25_000  # bytes of a message and of its record
TRACE_KEYS = ("trace_id", "traceId", "trace.id")
REQUEST_KEYS = ("request_id", "requestId", "correlation_id", "correlationId")
_BAR_OF_LEVEL = {"fatal": "error", "error": "error", "warn": "warn"}


@dataclass(frozen=True)
class Found:
    """Lines, the parameters for older ones, and a sentence about the searched range."""

    lines: list[LogLine]
    summary: str
    older: Mapping[str, object] | None = None


def listed(connection: Connection, page_request: PageRequest) -> Page:
    """Newest first. Parameters: q, node, level, pattern, trace; at: lines before then; id: of the last line shown."""
    at, after = page_request.moment("at"), page_request.id("id")
    if after is not None and at is None:
        raise BadRequestError("id: needs at, the time of that line.")
    until = at or page_request.now + DAY  # a node's clock may be ahead
    level = page_request.choice("level", LEVELS)
    query = LineQuery(
        since=EPOCH,
        until=until + timedelta(microseconds=1) if after else until,
        node=page_request.text("node"),
        levels=at_least(cast(Level, level)) if level else None,
        text=page_request.text("q"),
        before=Position(until, after) if after else None,
    )
    trace = page_request.text("trace")
    pattern = _pattern(connection, page_request)
    ids = members(connection, pattern.id) if pattern else None
    if ids is not None:
        result = _of_pattern(connection, query, ids)
    elif trace:
        result = _of_trace(connection, query, trace)
    else:
        result = _searched(connection, query)
    day_until = ceil(min(until, page_request.now), HALF_HOUR)
    day = Window(day_until - DAY, day_until)
    return Page(
        "logs",
        "Logs",
        "line",
        {
            "lines": result.lines,
            "summary": result.summary,
            "older": result.older,
            "chart": timeline(
                _bars(connection, page_request, day, query, ids), HALF_HOUR, "Lines by half hour and level"
            ),
            "day": day,
            "pattern": pattern,
            "similar": [] if not query.text or ids else patterns_with_text(connection, query.text, limit=MAX_PATTERNS),
            "q": query.text,
            "node": query.node,
            "level": level,
            "trace": trace,
            "at": page_request.text("at"),
            "nodes": sorted({*known_nodes(connection), *([query.node] if query.node else [])}),
            "levels": LEVELS,
        },
    )


def one(connection: Connection, page_request: PageRequest) -> Page:
    try:
        line = one_stored_line(connection, page_request.own_id())
    except UnknownLineError as error:
        raise NotFoundError(str(error)) from None
    near = neighbours(connection, [line.id], LINES_AROUND).get(line.id, [])
    itself = LogLine(line.id, line.timestamp, line.node, line.hostname, line.level, line.message[:600], None)
    around = sorted([*near, itself], key=lambda near: (near.timestamp, near.id))
    record = json.dumps(line.metadata, indent=2, ensure_ascii=False) if line.metadata is not None else ""
    message = fitted(presentable(line.message), MAX_SHOWN)
    return Page(
        "line",
        f"{line.node}: {redact(line.message)[:60]}",
        "line",
        {
            "line": line,
            "around": around,
            "message": message,
            "is_cut": line.characters > len(line.message) or message.endswith("…"),
            "record": fitted(presentable(record), MAX_SHOWN),
            "pattern": pattern_of(connection, line.message),
            "trace": _first(line.metadata, TRACE_KEYS),
            "request": _first(line.metadata, REQUEST_KEYS),
        },
    )


def _pattern(connection: Connection, page_request: PageRequest) -> StoredPattern | None:
    name = page_request.text("pattern")
    try:
        return one_pattern(connection, name) if name else None
    except UnknownPatternError as error:
        raise NotFoundError(str(error)) from None


def _searched(connection: Connection, query: LineQuery) -> Found:
    result = search(connection, query, limit=PAGE_LENGTH)
    if result.unread:
        return Found(result.lines, _unread(result), None)
    if result.older:
        return Found(result.lines, f"The newest {counted(len(result.lines), 'line')}.", _after(result.older))
    what = counted(len(result.lines), "line") if result.lines else "No line matches"
    if result.since is None:
        return Found(result.lines, f"{what}. All stored lines were searched.")
    searched = f"{counted(result.searched, 'line')} since {result.since:%Y-%m-%d %H:%M} UTC were searched"
    return Found(result.lines, f"{what}. {searched}.", {"at": result.since.isoformat(), "id": None})


def _of_trace(connection: Connection, query: LineQuery, trace: str) -> Found:
    result = search_trace(connection, trace, query, limit=PAGE_LENGTH)
    if result.unread:
        return Found(result.lines, _unread(result), None)
    what = counted(len(result.lines), "line") if result.lines else "No line"
    newest = "The newest " if result.older else ""
    summary = f"{newest}{what} with this trace or request"
    if result.since is not None:
        since = {"at": result.since.isoformat(), "id": None}
        return Found(result.lines, f"{summary} since {result.since:%Y-%m-%d %H:%M} UTC.", since)
    return Found(result.lines, f"{summary}.", _after(result.older) if result.older else None)


def _unread(found: FoundLines) -> str:
    """The summary if older lines cannot be read: it must not look as if there were none."""
    since = f"Searched back to {found.since:%Y-%m-%d %H:%M} UTC. " if found.since else ""
    what = counted(len(found.lines), "line") if found.lines else "No line matches so far"
    return f"{what}. {since}Earlier lines cannot be read: {found.unread}"


def _of_pattern(connection: Connection, query: LineQuery, ids: list[str]) -> Found:
    """Stored samples of a pattern; for a common pattern, a few of every slot."""
    slots = slots_of_pattern(connection, ids, query, limit=MAX_PATTERN_SLOTS)
    lines = lines_of_ids(connection, [line for slot in slots for line in slot.samples])[:PAGE_LENGTH]
    if query.text is not None:
        lines = [line for line in lines if query.text.lower() in redact(line.message).lower()]
    older = {"at": slots[-1].slot.isoformat(), "id": None} if len(slots) == MAX_PATTERN_SLOTS else None
    return Found(lines, _pattern_summary(slots, len(lines)), older)


def _pattern_summary(slots: list[PatternSlot], shown: int) -> str:
    if not slots:
        return "No line of this pattern is counted before that time."
    total = sum(slot.count for slot in slots)
    text = f"{counted(total, 'line')} of this pattern since {slots[-1].slot:%Y-%m-%d %H:%M} UTC"
    return f"{text}; {shown} of them were kept as samples and are shown." if shown < total else f"{text}."


def _after(line: Position) -> Mapping[str, object]:
    return {"at": line.at.isoformat(), "id": line.id}


def _bars(
    connection: Connection, page_request: PageRequest, day: Window, query: LineQuery, patterns: list[str] | None
) -> list[Bar]:
    counts = histogram(connection, day, query, patterns)
    covered = coverage_halves(connection, day)
    nodes = [query.node] if query.node else list(covered)
    bars = []
    for half in range(DAY // HALF_HOUR):
        start = day.since + half * HALF_HOUR
        is_covered = any(covered.get(node, {}).get(half, "missing") != "missing" for node in nodes)
        parts = {"error": 0, "warn": 0, "lines": 0}
        for level, lines in counts.get(half, {}).items():
            parts[_BAR_OF_LEVEL.get(read_level(level), "lines")] += lines
        href = page_request.same("line", at=(start + HALF_HOUR).isoformat(), id=None)
        bars.append(Bar(start, parts if is_covered or any(parts.values()) else None, href))
    return bars


def _first(metadata: Any, keys: tuple[str, ...]) -> str | None:
    if not isinstance(metadata, dict):
        return None
    return next((str(metadata[key]) for key in keys if isinstance(metadata.get(key), str | int)), None)
