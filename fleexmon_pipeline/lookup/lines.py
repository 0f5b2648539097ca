"""Stored lines: those of a window, of a text, of a pattern or of a trace; one with its neighbours.

Here: reading. A text is looked for in a bounded number of lines, since an index on messages would cost collection more
than half of its speed (decision 0034). How a terminal shows lines: `commands/logs.py`; a browser: `web/pages/logs.py`.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.rows import class_row

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import like_escaped, statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.levels import LEVELS, Level, read_level
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import EPOCH, Window

SQL = statements("lines")
MAX_SCANNED = 75_000  # lines that one search reads: 100 ms where nothing else runs
SCANNED_AT_ONCE = 15_000  # so that a search on a busy machine ends after MAX_SEARCH_SECONDS, having read less
MAX_SEARCH_SECONDS = 0.08
MAX_SHOWN_CHARS = 2_000  # of a message in a list
MAX_CHARS = 20_000  # of a message on a page of its own
CONTEXT_LINES = 5
HALF_HOUR = timedelta(minutes=30)


class UnknownLineError(FleexmonError, ValueError):
    """No line has this id."""


@dataclass(frozen=True)
class LogLine:
    id: uuid.UUID
    timestamp: datetime
    node: str
    hostname: str
    level: str
    message: str
    metadata: Any


@dataclass(frozen=True)
class Position:
    """A line by its place in time; lines of one time are in the order of their ids."""

    at: datetime
    id: uuid.UUID


@dataclass(frozen=True)
class LineQuery:
    """Which lines. `levels` None: all; `text`: a part of the message."""

    since: datetime
    until: datetime | None
    node: str | None = None
    levels: Sequence[Level] | None = None
    text: str | None = None
    before: Position | None = None

    @property
    def is_of_all(self) -> bool:
        """Whether every line matches, so that no more are read than are wanted."""
        return self.node is None and self.levels is None and self.text is None

    def params(self) -> dict[str, Any]:
        return {
            "since": self.since, "until": self.until, "node": self.node,
            "levels": None if self.levels is None else list(self.levels),
            "like": None if self.text is None else f"%{like_escaped(self.text)}%",
            "before_at": self.before.at if self.before else None, "before_id": self.before.id if self.before else None,
            "width": None, "limit": None,
        }  # fmt: skip


@dataclass(frozen=True)
class FoundLines:
    """Newest first. `older`: where the search goes on, if older lines match; `since`: how far back was searched, if it
    ended after `searched` lines; both None: all of the query's time was searched."""

    lines: list[LogLine]
    older: Position | None
    since: datetime | None
    searched: int = 0


class StoredLine(msgspec.Struct, frozen=True):
    """A line with all that is stored of it; `characters`: of its message, which may be cut."""

    id: uuid.UUID
    timestamp: datetime
    node: str
    hostname: str
    level: str
    message: str
    characters: int
    metadata: Any
    stored_at: datetime | None


def at_least(level: Level) -> list[Level]:
    """This level and the worse ones."""
    return list(LEVELS[LEVELS.index(level) :])


def newest_first(connection: Connection, query: LineQuery) -> Iterator[LogLine]:
    """In chunks, for readers that filter further and cannot tell how many rows they need."""
    with connection.transaction(), connection.cursor("log_lines", row_factory=class_row(LogLine)) as cursor:
        cursor.itersize = 2_000
        cursor.execute(SQL["lines"], query.params())
        yield from cursor


def search(connection: Connection, query: LineQuery, *, limit: int) -> FoundLines:
    """The newest `limit` lines, of at most about MAX_SCANNED, and for no longer than MAX_SEARCH_SECONDS and one more
    part of SCANNED_AT_ONCE. `query.until` must be set.

    A text is looked for in what people see: whether a secret holds it stays unknown.
    """
    if query.until is None:
        raise ValueError("a search needs an end")
    if query.is_of_all:
        lines = _newest(connection, query, None, limit + 1)
        return FoundLines(lines[:limit], _next(lines, limit), None)
    lines, searched, part, began = [], 0, query, time.monotonic()
    while True:
        at_once = min(SCANNED_AT_ONCE, MAX_SCANNED - searched)
        since = _reach(connection, part, at_once)
        lines += _newest(connection, part, since, limit + 1 - len(lines))
        searched += at_once
        is_late = searched >= MAX_SCANNED or time.monotonic() - began > MAX_SEARCH_SECONDS
        if since is None or len(lines) > limit or is_late:
            return FoundLines(_seen_in(query.text, lines[:limit]), _next(lines, limit), since, searched)
        part = replace(part, until=since, before=None)


def _newest(connection: Connection, query: LineQuery, since: datetime | None, limit: int) -> list[LogLine]:
    params = {**query.params(), "since": since or query.since, "width": MAX_SHOWN_CHARS, "limit": limit}
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["lines"], params).fetchall()


def _reach(connection: Connection, query: LineQuery, lines: int) -> datetime | None:
    """From when on so many lines are stored before the end; None where fewer are in the query's time."""
    end = query.before.at + timedelta(microseconds=1) if query.before else query.until
    row = connection.execute(SQL["reach"], {"until": end, "lines": lines}).fetchone()
    return row["timestamp"] if row and row["timestamp"] > query.since else None


def search_trace(connection: Connection, trace: str, query: LineQuery, *, limit: int) -> FoundLines:
    """The newest `limit` lines that carry this id of a trace or a request, of all that are stored."""
    params = {**query.params(), "trace": trace, "width": MAX_SHOWN_CHARS, "limit": limit + 1}
    with connection.transaction(), connection.cursor(row_factory=class_row(LogLine)) as cursor:
        cursor.execute(SQL["index_scans"])
        lines = cursor.execute(SQL["of_trace"], params).fetchall()
    return FoundLines(_seen_in(query.text, lines[:limit]), _next(lines, limit), None)


def _next(lines: Sequence[LogLine], limit: int) -> Position | None:
    return Position(lines[limit - 1].timestamp, lines[limit - 1].id) if len(lines) > limit else None


def _seen_in(text: str | None, lines: list[LogLine]) -> list[LogLine]:
    """Without lines in which only a secret has the text. What matched may be behind what is read of a long message."""
    if text is None:
        return lines
    wanted = text.lower()
    return [line for line in lines if len(line.message) >= MAX_SHOWN_CHARS or wanted in redact(line.message).lower()]


def lines_of_ids(connection: Connection, ids: Sequence[uuid.UUID]) -> list[LogLine]:
    """Newest first; ids of deleted lines are left out."""
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["of_ids"], {"ids": list(ids), "width": MAX_SHOWN_CHARS}).fetchall()


def one_stored_line(connection: Connection, line: uuid.UUID) -> StoredLine:
    """Raises UnknownLineError."""
    row = connection.execute(SQL["one"], {"id": line, "width": MAX_CHARS}).fetchone()
    if row is None:
        raise UnknownLineError(
            f"line {line}: not found. Lines are deleted after LOG_RETENTION_DAYS; `fleexmon logs --json` shows ids."
        )
    return msgspec.convert(row, StoredLine)


def neighbours(
    connection: Connection, ids: Sequence[uuid.UUID], lines: int = CONTEXT_LINES
) -> dict[uuid.UUID, list[LogLine]]:
    """The lines of the same node right before and after each, oldest first, without the line itself."""
    params = {"ids": list(ids), "width": MAX_SHOWN_CHARS, "lines": lines}
    near: defaultdict[uuid.UUID, list[LogLine]] = defaultdict(list)
    for row in connection.execute(SQL["neighbours"], params):
        near[row.pop("of")].append(LogLine(**row))
    return near


@dataclass(frozen=True)
class PatternSlot:
    """Lines of a pattern in one slot of a node; `samples` are at most a few of them."""

    slot: datetime
    node: str
    level: str
    count: int
    samples: list[uuid.UUID]


def slots_of_pattern(
    connection: Connection, patterns: Sequence[str], query: LineQuery, *, limit: int
) -> list[PatternSlot]:
    """The newest slots in which these stored patterns had lines."""
    params = {**query.params(), "patterns": list(patterns), "limit": limit}
    return [PatternSlot(**row) for row in connection.execute(SQL["samples_of_pattern"], params)]


def histogram(
    connection: Connection, window: Window, query: LineQuery, patterns: Sequence[str] | None = None
) -> dict[int, dict[str, int]]:
    """Lines by half hour of the window and level as stored. The text of a query does not count."""
    params = {**query.params(), "since": window.since, "until": window.until}
    halves: defaultdict[int, dict[str, int]] = defaultdict(dict)
    params["patterns"] = None if patterns is None else list(patterns)
    for row in connection.execute(SQL["histogram"], params):
        halves[row["half"]][row["level"]] = row["lines"]
    return halves


def levels_by_time(connection: Connection, window: Window, step: timedelta) -> Iterator[tuple[int, str, int]]:
    """Lines of every node from counts: the number of the step in the window, the level as stored, how many."""
    bounds = {"since": window.since, "until": window.until, "seconds": int(step.total_seconds())}
    for row in connection.execute(SQL["levels_by_time"], bounds):
        yield row["step"], row["level"], row["lines"]


def coverage_halves(connection: Connection, window: Window) -> dict[str, dict[int, str]]:
    """By node and half hour of the window: complete, empty, partial or missing, going by the worst slot."""
    halves: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for row in connection.execute(SQL["heard_halves"], {"since": window.since, "until": window.until}):
        halves[row["node"]][row["half"]] = row["worst"]
    return halves


def trouble_halves(connection: Connection, window: Window, nodes: Sequence[str]) -> list[tuple[int, int] | None]:
    """Errors and warnings of these nodes, or of all, in each half hour of the window; None where no node responded."""
    known = coverage_halves(connection, window)
    nodes = nodes or list(known)
    counts = [histogram(connection, window, LineQuery(EPOCH, window.until, node)) for node in nodes]
    halves: list[tuple[int, int] | None] = []
    for half in range(window.length // HALF_HOUR):
        errors = warnings = 0
        for level, lines in (item for found in counts for item in found.get(half, {}).items()):
            errors += lines if read_level(level) in ("error", "fatal") else 0
            warnings += lines if read_level(level) == "warn" else 0
        heard = any(known.get(node, {}).get(half, "missing") != "missing" for node in nodes)
        halves.append((errors, warnings) if heard or errors or warnings else None)
    return halves
