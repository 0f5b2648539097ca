"""Stored lines: those of a window, of a text, of a pattern or of a trace; one with its neighbours.

Here: reading, of the table and of archived days. A text is looked for in a bounded number of the table's lines, since
an index on messages would cost collection more than half of its speed (decision 0034), and in whole archived days. How
a terminal shows lines: `commands/logs.py`; a browser: `web/pages/logs.py`.
"""

from __future__ import annotations

import re
import time
import uuid
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.rows import class_row

from fleexmon_pipeline.archive.days import ArchivedDay, archived_days, one_moment
from fleexmon_pipeline.archive.read import Asked, ColdLine, ColdReader, lines_of, reader_for
from fleexmon_pipeline.archive.storage import ArchiveError
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import like_escaped, statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.levels import LEVELS, Level, read_level
from fleexmon_pipeline.lookup.cold_lines import newest_of, parts_of
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import EPOCH, HOUR, Window

SQL = statements("lines")
ARCHIVE = statements("archive")
MAX_SCANNED = 75_000  # lines that one search reads: 100 ms where nothing else runs
SCANNED_AT_ONCE = 15_000  # so that a search on a busy machine ends after MAX_SEARCH_SECONDS, having read less
MAX_SEARCH_SECONDS = 0.08
MAX_COLD_SECONDS = 1.0  # after which a search opens no other archived day
CANDIDATES_AT_ONCE = 1_000  # lines of a file whose record may hold a trace
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
    ended after `searched` lines; both None: all of the query's time was searched. `unread`: why it ended, if that was
    an archive that cannot be read."""

    lines: list[LogLine]
    older: Position | None
    since: datetime | None
    searched: int = 0
    unread: str | None = None


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
    """In chunks, for readers that filter further and cannot tell how many rows they need. Raises ArchiveError where it
    comes to a day whose archive cannot be read."""
    with one_moment(connection), ExitStack() as stack:
        days = archived_days(connection, query.since, query.until)
        reader: ColdReader | None = None
        for part in parts_of(query.since, query.until, days):
            asked = replace(query, since=part.since, until=part.until)
            if part.day is None:
                yield from _in_chunks(connection, asked)
                continue
            reader = reader or stack.enter_context(reader_for(days))
            cold = map(_log_line, reader.newest_first(part.day, _asked(asked, part.day)))
            yield from newest_of(_in_chunks(connection, asked), cold)


def _in_chunks(connection: Connection, query: LineQuery) -> Iterator[LogLine]:
    with connection.cursor("log_lines", row_factory=class_row(LogLine)) as cursor:
        cursor.itersize = 2_000
        cursor.execute(SQL["lines"], query.params())
        yield from cursor


def search(connection: Connection, query: LineQuery, *, limit: int) -> FoundLines:
    """The newest `limit` lines: of the table, of at most about MAX_SCANNED, and for no longer than MAX_SEARCH_SECONDS
    and one more part of SCANNED_AT_ONCE; of archived days until MAX_COLD_SECONDS are over. `query.until` must be set.

    A text is looked for in what people see: whether a secret holds it stays unknown.
    """
    if query.until is None:
        raise ValueError("a search needs an end")
    with one_moment(connection), ExitStack() as stack:
        days = archived_days(connection, query.since, query.until)
        if not days:
            return _search_table(connection, query, limit)
        return _search_both(connection, query, days, limit, stack)


def _search_both(
    connection: Connection, query: LineQuery, days: Sequence[ArchivedDay], limit: int, stack: ExitStack
) -> FoundLines:
    lines: list[LogLine] = []
    searched, reader, began = 0, None, time.monotonic()
    for part in parts_of(query.since, query.until, days):
        if len(lines) >= limit:
            return FoundLines(lines, _position(lines[-1]), None, searched)
        asked, left = replace(query, since=part.since, until=part.until), limit - len(lines)
        if part.day is None:
            found = _search_table(connection, asked, left)
            lines, searched = lines + found.lines, searched + found.searched
            if found.older or found.since is not None:
                return replace(found, lines=lines, searched=searched)
            continue
        if reader and time.monotonic() - began > MAX_COLD_SECONDS:
            return FoundLines(lines, None, part.until, searched)
        try:
            reader = reader or stack.enter_context(reader_for(days))
            cold = reader.newest(part.day, _asked(asked, part.day), width=MAX_SHOWN_CHARS, limit=left + 1)
        except ArchiveError as error:
            return FoundLines(lines, None, part.until, searched, str(error))
        both = list(newest_of(_newest(connection, asked, None, left + 1), map(_log_line, cold)))
        searched += part.day.lines
        lines += _seen_in(query.text, both[:left])
        if len(both) > left:
            return FoundLines(lines, _position(both[left - 1]), None, searched)
    return FoundLines(lines, None, None, searched)


def _asked(query: LineQuery, day: ArchivedDay) -> Asked:
    before = (query.before.at, query.before.id) if query.before else None
    return Asked(query.since, query.until or day.window.until, query.node, query.levels, query.text, before=before)


def _log_line(line: ColdLine) -> LogLine:
    return LogLine(line.id, line.timestamp, line.node, line.hostname, line.level, line.message, line.metadata)


def _search_table(connection: Connection, query: LineQuery, limit: int) -> FoundLines:
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
    """The newest `limit` lines that carry this id of a trace or a request, of all that are stored; of archived days
    until MAX_COLD_SECONDS are over."""
    params = {**query.params(), "trace": trace, "width": MAX_SHOWN_CHARS, "limit": limit + 1}
    with one_moment(connection), ExitStack() as stack:
        days = archived_days(connection, query.since, query.until)
        with connection.transaction(), connection.cursor(row_factory=class_row(LogLine)) as cursor:
            cursor.execute(SQL["index_scans"])
            lines = cursor.execute(SQL["of_trace"], params).fetchall()
            cursor.execute(SQL["any_scans"])
        since, unread, began = None, None, time.monotonic()
        reader: ColdReader | None = None
        for day in days:
            if len([line for line in lines if line.timestamp >= day.window.until]) > limit:
                break
            if reader and time.monotonic() - began > MAX_COLD_SECONDS:
                since = day.window.until
                break
            try:
                reader = reader or stack.enter_context(reader_for(days))
                cold = _carriers(connection, reader, day, trace, query, limit + 1)
            except ArchiveError as error:
                since, unread = day.window.until, str(error)
                break
            known = {line.id for line in lines}
            lines += [line for line in cold if line.id not in known]
    lines.sort(key=lambda line: (line.timestamp, line.id), reverse=True)
    if since is not None:
        lines = [line for line in lines if line.timestamp >= since]
    older = _next(lines, limit)
    return FoundLines(_seen_in(query.text, lines[:limit]), older, None if older else since, unread=unread)


def _carriers(
    connection: Connection, reader: ColdReader, day: ArchivedDay, trace: str, query: LineQuery, limit: int
) -> list[LogLine]:
    """Lines whose record holds the id are read, and PostgreSQL decides whether it is that of a trace or a request."""
    part = max(re.findall(r"[A-Za-z0-9_.:-]+", trace), key=len, default="")  # what JSON writes as it is
    lines: list[LogLine] = []
    asked = replace(_asked(query, day), in_metadata=part or None)
    while len(lines) < limit:
        cold = reader.newest(day, asked, width=MAX_SHOWN_CHARS, limit=CANDIDATES_AT_ONCE)
        records = [msgspec.json.encode(line.metadata).decode() for line in cold]
        rows = connection.execute(ARCHIVE["carriers"], {"metadata": records, "trace": trace})
        lines += [_log_line(cold[row["place"] - 1]) for row in rows]
        if len(cold) < CANDIDATES_AT_ONCE:
            break
        asked = replace(asked, before=(cold[-1].timestamp, cold[-1].id))
    return lines


def _position(line: LogLine) -> Position:
    return Position(line.timestamp, line.id)


def _next(lines: Sequence[LogLine], limit: int) -> Position | None:
    return Position(lines[limit - 1].timestamp, lines[limit - 1].id) if len(lines) > limit else None


def _seen_in(text: str | None, lines: list[LogLine]) -> list[LogLine]:
    """Without lines in which only a secret has the text. What matched may be behind what is read of a long message."""
    if text is None:
        return lines
    wanted = text.lower()
    return [line for line in lines if len(line.message) >= MAX_SHOWN_CHARS or wanted in redact(line.message).lower()]


def lines_of_ids(connection: Connection, ids: Sequence[uuid.UUID]) -> list[LogLine]:
    """Newest first; ids of deleted lines are left out. Raises ArchiveError."""
    with one_moment(connection):
        with connection.cursor(row_factory=class_row(LogLine)) as cursor:
            lines = cursor.execute(SQL["of_ids"], {"ids": list(ids), "width": MAX_SHOWN_CHARS}).fetchall()
        missing = set(ids) - {line.id for line in lines}
        lines += map(_log_line, lines_of(connection, sorted(missing), width=MAX_SHOWN_CHARS))
    return sorted(lines, key=lambda line: (line.timestamp, line.id), reverse=True)


def one_stored_line(connection: Connection, line: uuid.UUID) -> StoredLine:
    """Raises UnknownLineError, and ArchiveError where it may be in an archive that cannot be read."""
    with one_moment(connection):
        row = connection.execute(SQL["one"], {"id": line, "width": MAX_CHARS}).fetchone()
        if row is not None:
            return msgspec.convert(row, StoredLine)
        cold = lines_of(connection, [line], width=MAX_CHARS)
    if not cold:
        raise UnknownLineError(
            f"line {line}: not found. Lines are deleted after LOG_RETENTION_DAYS; `fleexmon logs --json` shows ids."
        )
    return StoredLine(**vars(cold[0]))


def neighbours(
    connection: Connection, ids: Sequence[uuid.UUID], lines: int = CONTEXT_LINES
) -> dict[uuid.UUID, list[LogLine]]:
    """The lines of the same node right before and after each, oldest first, without the line itself. Raises
    ArchiveError."""
    near: defaultdict[uuid.UUID, dict[uuid.UUID, LogLine]] = defaultdict(dict)
    with one_moment(connection):
        anchors = {line.id: line for line in lines_of_ids(connection, ids)}
        params = {
            "ids": list(anchors), "times": [line.timestamp for line in anchors.values()],
            "nodes": [line.node for line in anchors.values()], "width": MAX_SHOWN_CHARS, "lines": lines,
        }  # fmt: skip
        for row in connection.execute(SQL["neighbours"], params):
            of = row.pop("of")
            near[of][row["id"]] = LogLine(**row)
        for of, line in _cold_neighbours(connection, list(anchors.values()), lines):
            near[of].setdefault(line.id, line)
    return {of: _around(anchors[of], around.values(), lines) for of, around in near.items()}


def _cold_neighbours(
    connection: Connection, anchors: Sequence[LogLine], lines: int
) -> Iterator[tuple[uuid.UUID, LogLine]]:
    if not anchors:
        return
    times = [line.timestamp for line in anchors]
    days = archived_days(connection, min(times) - HOUR, max(times) + HOUR)
    if not days:
        return
    with reader_for(days) as reader:
        for day in days:
            close = [line for line in anchors if day.day - HOUR <= line.timestamp < day.window.until + HOUR]
            if not close:
                continue
            pairs = reader.near(day, [(line.id, line.timestamp, line.node) for line in close], lines=lines)
            of_ids = {near for _, near in pairs}
            cold = {line.id: _log_line(line) for line in reader.of_ids(day, sorted(of_ids), width=MAX_SHOWN_CHARS)}
            yield from ((of, cold[near]) for of, near in pairs if near in cold)


def _around(anchor: LogLine, around: Iterable[LogLine], lines: int) -> list[LogLine]:
    """The `lines` right before and after, of more."""
    ordered = sorted(around, key=lambda line: (line.timestamp, line.id))
    place = bisect_left([(line.timestamp, line.id) for line in ordered], (anchor.timestamp, anchor.id))
    return ordered[max(place - lines, 0) : place + lines]


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
