"""Search the lines of a trace or a request, newest first, in the table and in archived days.

Here: in which parts, and when the search ends. Each day of the table has an index of traces, as large as its lines are
many. So days are searched from the newest on, and those long before a trace are not searched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
from psycopg.rows import class_row

from fleexmon_pipeline.archive.days import ArchivedDay, archived_days, one_snapshot
from fleexmon_pipeline.archive.read import ColdReader, reader_for
from fleexmon_pipeline.archive.storage import ArchiveError
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.lookup.cold_lines import Part, parts_of
from fleexmon_pipeline.lookup.lines import MAX_SHOWN_CHARS, LineQuery, LogLine, log_line
from fleexmon_pipeline.lookup.search import FoundLines, cold_query, next_position, seen_in
from fleexmon_pipeline.window import DAY, Window, ceil, floor

SQL = statements("lines")
ARCHIVE = statements("archive")
MAX_TRACE_SECONDS = 1.0  # then a search begins no further part
FAR = 400 * DAY  # from the end of the search; an id with a time further away is taken for a random one
CANDIDATES_AT_ONCE = 1_000  # lines of a file whose record may contain a trace
CARRIERS_AT_ONCE = 1_000  # lines of a trace that are read at once if all are wanted
WHOLE = 10_000_000  # characters; no message has more


def newest_of_trace(connection: Connection, trace: str, query: LineQuery) -> Iterator[LogLine]:
    """Every line of the query's window with this id of a trace or a request, uncut.
    Raises ArchiveError where it comes to a day whose archive cannot be read."""
    while True:
        found = search_trace(connection, trace, query, limit=CARRIERS_AT_ONCE, width=WHOLE)
        for line in found.lines:
            if line.timestamp < query.since:
                return
            yield line
        if found.unread is not None:
            raise ArchiveError(found.unread)
        if found.older is not None:
            query = replace(query, until=found.older.at + timedelta(microseconds=1), before=found.older)
        elif found.since is not None:
            query = replace(query, until=found.since, before=None)
        else:
            return


def search_trace(
    connection: Connection, trace: str, query: LineQuery, *, limit: int, width: int = MAX_SHOWN_CHARS
) -> FoundLines:
    """The newest `limit` stored lines with this id of a trace or a request. `width`: characters of a message.

    The search ends early, with `since`, if it found lines and then none for a day, and after MAX_TRACE_SECONDS; whoever
    wants all goes on from there, as `newest_of_trace` does.
    """
    lines: list[LogLine] = []
    since, unread, began = None, None, time.monotonic()
    with one_snapshot(connection), _by_index(connection), ExitStack() as stack:
        archived = archived_days(connection, query.since, query.until)
        near = _near(query.until or datetime.now(UTC))
        reader: ColdReader | None = None
        for place, part in enumerate(_parts(query, archived, near)):
            newer = [line for line in lines if part.until is None or line.timestamp >= part.until]
            if place and (len(newer) > limit or time.monotonic() - began > MAX_TRACE_SECONDS):
                since = part.until
                break
            outside = near if place == 0 else None
            lines += _stored(connection, trace, query, part, outside, width=width, limit=limit + 1)
            if part.day is not None:
                try:
                    reader = reader or stack.enter_context(reader_for(archived))
                    cold = list(islice(_carriers(connection, reader, part.day, trace, query, width), limit + 1))
                except ArchiveError as error:
                    since, unread = part.until, str(error)
                    break
                stored = {line.id for line in lines}
                lines += [line for line in cold if line.id not in stored]
            reached = [line.timestamp for line in lines if line.timestamp >= part.since]
            if reached and part.since > query.since and min(reached) - part.since >= DAY:
                since = part.since
                break
    lines.sort(key=lambda line: (line.timestamp, line.id), reverse=True)
    if since is not None:
        lines = [line for line in lines if line.timestamp >= since]
    older = next_position(lines, limit)
    return FoundLines(seen_in(query.text, lines[:limit]), older, None if older else since, unread=unread)


@contextmanager
def _by_index(connection: Connection) -> Iterator[None]:
    with connection.transaction():
        for name in ("index_scans", "one_process"):
            connection.execute(SQL[name])
        yield
        for name in ("any_scans", "several_processes"):
            connection.execute(SQL[name])


def _near(end: datetime) -> Window:
    """Ids of our lines begin with a time in this window. One random id in 4,000 seems to, and is taken at its word."""
    return Window(floor(end, DAY) - FAR, floor(end, DAY) + FAR)


def _parts(query: LineQuery, archived: Sequence[ArchivedDay], near: Window) -> Iterator[Part]:
    """Newest first. Of the table, each has twice as many days as the one before; the last has all that is older."""
    newest = near.until - FAR + DAY
    for part in parts_of(query.since, query.until, archived):
        until, days = part.until, 1
        while part.day is None:
            since = floor((until or newest) - timedelta(microseconds=1), DAY) - (days - 1) * DAY
            if since <= max(part.since, near.since):
                break
            yield Part(since, until, None)
            until, days = since, 2 * days
        yield Part(part.since, until, part.day)


def _stored(
    connection: Connection, trace: str, query: LineQuery, part: Part, outside: Window | None, *, width: int, limit: int
) -> list[LogLine]:
    """Lines of the table with ids of this part. `outside`: also those whose ids begin with no time in this window.

    Whole days: for a quarter of a day PostgreSQL prefers the index of ids, and then reads all lines of that quarter.
    """
    since, until = floor(part.since, DAY), ceil(part.until, DAY) if part.until else None
    params = {
        **query.params(), "trace": trace, "limit": limit, "part_since": since, "part_until": until,
        "low": outside and outside.since, "high": outside and outside.until,
    }  # fmt: skip
    ids = [row["id"] for row in connection.execute(SQL["of_trace"], params)]
    if not ids:
        return []
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["of_ids"], {"ids": ids, "width": width}).fetchall()


def _carriers(
    connection: Connection, reader: ColdReader, day: ArchivedDay, trace: str, query: LineQuery, width: int
) -> Iterator[LogLine]:
    """Newest first. Lines whose record contains the id are read, and PostgreSQL decides whether it is the id of a trace
    or a request."""
    part = max(re.findall(r"[A-Za-z0-9_.:-]+", trace), key=len, default="")  # JSON escapes none of these
    part_query = replace(cold_query(query, day), in_metadata=part or None)
    while True:
        cold = reader.newest(day, part_query, width=width, limit=CANDIDATES_AT_ONCE)
        records = [msgspec.json.encode(line.metadata).decode() for line in cold]
        rows = connection.execute(ARCHIVE["carriers"], {"metadata": records, "trace": trace})
        yield from (log_line(cold[row["place"] - 1]) for row in rows)
        if len(cold) < CANDIDATES_AT_ONCE:
            return
        part_query = replace(part_query, before=(cold[-1].timestamp, cold[-1].id))
