"""Search lines by window, node, levels or text; newest first.

Here: reading the table and archived days as one. In the table a text is searched in a limited number of lines, since an
index on messages would more than halve the speed of collection (decision 0034). Archived days are searched whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg.rows import class_row

from fleexmon_pipeline.archive.days import ArchivedDay, archived_days, one_snapshot
from fleexmon_pipeline.archive.read import ColdQuery, ColdReader, reader_for
from fleexmon_pipeline.archive.storage import ArchiveError
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.lookup.cold_lines import newest_of, parts_of
from fleexmon_pipeline.lookup.lines import MAX_SHOWN_CHARS, LineQuery, LogLine, Position, log_line
from fleexmon_pipeline.redaction.redact import redact

SQL = statements("lines")
MAX_SCANNED = 75_000  # lines that one search reads: 100 ms on an idle machine
SCANNED_AT_ONCE = 15_000  # small, so that a search on a busy machine can stop after MAX_SEARCH_SECONDS
MAX_SEARCH_SECONDS = 0.08
MAX_COLD_SECONDS = 1.0  # then a search opens no further archived day


@dataclass(frozen=True)
class FoundLines:
    """Newest first. `older`: where the next page starts, if older lines match; `since`: how far back was searched, if
    it stopped after `searched` lines; both None: the query's whole window was searched. `unread`: the problem of the
    archive, if that stopped it."""

    lines: list[LogLine]
    older: Position | None
    since: datetime | None
    searched: int = 0
    unread: str | None = None


def newest_first(connection: Connection, query: LineQuery) -> Iterator[LogLine]:
    """In chunks, for callers that filter further and do not know how many rows they need. Raises ArchiveError at a
    day whose archive cannot be read."""
    with one_snapshot(connection), ExitStack() as stack:
        days = archived_days(connection, query.since, query.until)
        reader: ColdReader | None = None
        for part in parts_of(query.since, query.until, days):
            part_query = replace(query, since=part.since, until=part.until)
            if part.day is None:
                yield from _in_chunks(connection, part_query)
                continue
            reader = reader or stack.enter_context(reader_for(days))
            cold = map(log_line, reader.newest_first(part.day, cold_query(part_query, part.day)))
            yield from newest_of(_in_chunks(connection, part_query), cold)


def _in_chunks(connection: Connection, query: LineQuery) -> Iterator[LogLine]:
    with connection.cursor("log_lines", row_factory=class_row(LogLine)) as cursor:
        cursor.itersize = 2_000
        cursor.execute(SQL["lines"], query.params())
        yield from cursor


def search(connection: Connection, query: LineQuery, *, limit: int) -> FoundLines:
    """The newest `limit` lines. Of the table about MAX_SCANNED lines are read, in parts of SCANNED_AT_ONCE, the last of
    which starts before MAX_SEARCH_SECONDS are over; archived days until MAX_COLD_SECONDS. `query.until` must be set.

    A text is searched in redacted messages, so that a search does not reveal whether a secret contains it.
    """
    if query.until is None:
        raise ValueError("a search needs an end")
    with one_snapshot(connection), ExitStack() as stack:
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
        part_query, left = replace(query, since=part.since, until=part.until), limit - len(lines)
        if part.day is None:
            page = _search_table(connection, part_query, left)
            lines, searched = lines + page.lines, searched + page.searched
            if page.older or page.since is not None:
                return replace(page, lines=lines, searched=searched)
            continue
        if reader and time.monotonic() - began > MAX_COLD_SECONDS:
            return FoundLines(lines, None, part.until, searched)
        try:
            reader = reader or stack.enter_context(reader_for(days))
            cold = reader.newest(part.day, cold_query(part_query, part.day), width=MAX_SHOWN_CHARS, limit=left + 1)
        except ArchiveError as error:
            return FoundLines(lines, None, part.until, searched, str(error))
        both = list(newest_of(_newest(connection, part_query, None, left + 1), map(log_line, cold)))
        searched += part.day.lines
        lines += seen_in(query.text, both[:left])
        if len(both) > left:
            return FoundLines(lines, _position(both[left - 1]), None, searched)
    return FoundLines(lines, None, None, searched)


def cold_query(query: LineQuery, day: ArchivedDay) -> ColdQuery:
    before = (query.before.at, query.before.id) if query.before else None
    texts = query.any_of if query.text is None else [query.text]
    return ColdQuery(query.since, query.until or day.window.until, query.node, query.levels, texts, before=before)


def _search_table(connection: Connection, query: LineQuery, limit: int) -> FoundLines:
    if query.is_of_all:
        lines = _newest(connection, query, None, limit + 1)
        return FoundLines(lines[:limit], next_position(lines, limit), None)
    lines, searched, part, began = [], 0, query, time.monotonic()
    while True:
        at_once = min(SCANNED_AT_ONCE, MAX_SCANNED - searched)
        since = _reach(connection, part, at_once)
        lines += _newest(connection, part, since, limit + 1 - len(lines))
        searched += at_once
        is_late = searched >= MAX_SCANNED or time.monotonic() - began > MAX_SEARCH_SECONDS
        if since is None or len(lines) > limit or is_late:
            return FoundLines(seen_in(query.text, lines[:limit]), next_position(lines, limit), since, searched)
        part = replace(part, until=since, before=None)


def _newest(connection: Connection, query: LineQuery, since: datetime | None, limit: int) -> list[LogLine]:
    params = {**query.params(), "since": since or query.since, "width": MAX_SHOWN_CHARS, "limit": limit}
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["lines"], params).fetchall()


def _reach(connection: Connection, query: LineQuery, lines: int) -> datetime | None:
    """The start of the newest `lines` lines before the end; None if the query's window has fewer."""
    end = query.before.at + timedelta(microseconds=1) if query.before else query.until
    row = connection.execute(SQL["reach"], {"until": end, "lines": lines}).fetchone()
    return row["timestamp"] if row and row["timestamp"] > query.since else None


def _position(line: LogLine) -> Position:
    return Position(line.timestamp, line.id)


def next_position(lines: Sequence[LogLine], limit: int) -> Position | None:
    return Position(lines[limit - 1].timestamp, lines[limit - 1].id) if len(lines) > limit else None


def seen_in(text: str | None, lines: list[LogLine]) -> list[LogLine]:
    """Without lines in which only a secret contains the text. In a long message the match may lie behind the cut."""
    if text is None:
        return lines
    wanted = text.lower()
    return [line for line in lines if len(line.message) >= MAX_SHOWN_CHARS or wanted in redact(line.message).lower()]
