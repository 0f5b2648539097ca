"""Search the lines of a trace or a request, newest first, in the table and in archived days.

Here: in which parts, and when the search ends. Each day of the table has an index of traces, as large as its lines are
many. Searching all of them took 1.65 times as long in 5M lines as in 0.1M. So days are searched from the newest on, and
those long before a trace are not searched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, islice

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
from fleexmon_pipeline.window import DAY, floor

SQL = statements("lines")
ARCHIVE = statements("archive")
MAX_TRACE_SECONDS = 1.0  # then a search begins no further part
CANDIDATES_AT_ONCE = 1_000  # lines of a file whose record may contain a trace
CARRIERS_AT_ONCE = 1_000  # lines of a trace that are read at once if all are wanted
WHOLE = 10_000_000  # characters; no message has more


@dataclass(frozen=True)
class _Days:
    """The days that have a part of the table: from `low`, before `high`. `newest`: the time of their newest line."""

    low: datetime
    high: datetime
    newest: datetime


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

    The search ends early, with `since`, at a whole day without such a line after days with some, and after
    MAX_TRACE_SECONDS; whoever wants all goes on from there, as `newest_of_trace` does.
    """
    lines: list[LogLine] = []
    since, unread, began = None, None, time.monotonic()
    with one_snapshot(connection), ExitStack() as stack:
        archived = archived_days(connection, query.since, query.until)
        days = _days(connection)
        reader: ColdReader | None = None
        for place, part in enumerate(_parts(query, archived, days)):
            newer = [line for line in lines if part.until is None or line.timestamp >= part.until]
            if place and (len(newer) > limit or time.monotonic() - began > MAX_TRACE_SECONDS):
                since = part.until
                break
            lines += _stored(connection, trace, query, part, days, is_first=place == 0, width=width, limit=limit + 1)
            if part.day is not None:
                try:
                    reader = reader or stack.enter_context(reader_for(archived))
                    cold = list(islice(_carriers(connection, reader, part.day, trace, query, width), limit + 1))
                except ArchiveError as error:
                    since, unread = part.until, str(error)
                    break
                stored = {line.id for line in lines}
                lines += [line for line in cold if line.id not in stored]
            is_quiet = not any(part.since <= line.timestamp < (part.until or line.timestamp) for line in lines)
            if newer and is_quiet and part.since > query.since:
                since = part.since
                break
    lines.sort(key=lambda line: (line.timestamp, line.id), reverse=True)
    if since is not None:
        lines = [line for line in lines if line.timestamp >= since]
    older = next_position(lines, limit)
    return FoundLines(seen_in(query.text, lines[:limit]), older, None if older else since, unread=unread)


def _days(connection: Connection) -> _Days | None:
    """None: the table has no parts, or they have no line."""
    row = connection.execute(SQL["days_of_parts"]).fetchone()
    return _Days(**row) if row and None not in row.values() else None


def _parts(query: LineQuery, archived: Sequence[ArchivedDay], days: _Days | None) -> Iterator[Part]:
    """Newest first. Of the table, more and more days at once, so that a month takes eight searches; the last part has
    all that is older."""
    for part in parts_of(query.since, query.until, archived):
        if part.day is not None or days is None:
            yield part
            continue
        until, end = part.until, floor(days.newest, DAY) + DAY
        for place in count():
            end = end if until is None else min(until, end)
            since = floor(end - timedelta(microseconds=1), DAY) - (2 ** (place // 2) - 1) * DAY
            since = part.since if since <= max(days.low, part.since) else since
            yield Part(since, until, None)
            if since == part.since:
                break
            until = since


def _stored(
    connection: Connection, trace: str, query: LineQuery, part: Part, days: _Days | None,
    *, is_first: bool, width: int, limit: int,
) -> list[LogLine]:  # fmt: skip
    """Lines of the table. Those with random ids, or ids of no day, are read with the first part, of whatever time."""
    if days is None and not is_first:
        return []
    params = {
        **query.params(), "trace": trace, "width": width, "limit": limit, "outside": is_first,
        "low": days and days.low, "high": days and days.high,
        "part_since": max(part.since, days.low) if days else part.since, "part_until": part.until,
    }  # fmt: skip
    with _by_index(connection), connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(SQL["of_trace"], params).fetchall()


@contextmanager
def _by_index(connection: Connection) -> Iterator[None]:
    with connection.transaction():
        connection.execute(SQL["index_scans"])
        yield
        connection.execute(SQL["any_scans"])


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
