"""Stored lines by their ids, with their neighbours; and the parameters of a query for lines.

Here: reading the table and archived days. Searching: `search.py`; counting: `line_counts.py`; showing:
`commands/logs.py` and `web/pages/logs.py`.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import class_row

from fleexmon_pipeline.archive.days import archived_days, one_snapshot
from fleexmon_pipeline.archive.read import ColdLine, lines_of, reader_for
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import like_escaped, statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.levels import LEVELS, Level
from fleexmon_pipeline.window import HOUR

SQL = statements("lines")
MAX_SHOWN_CHARS = 2_000  # of a message in a list
MAX_CHARS = 20_000  # of a message on a page of its own
CONTEXT_LINES = 5


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
    """The position of a line in the order of time and id."""

    at: datetime
    id: uuid.UUID


@dataclass(frozen=True)
class LineQuery:
    """Which lines. `levels` None: all; `text`: the message contains it; `any_of`: it contains one of them."""

    since: datetime
    until: datetime | None
    node: str | None = None
    levels: Sequence[Level] | None = None
    text: str | None = None
    before: Position | None = None
    any_of: Sequence[str] = ()

    @property
    def is_of_all(self) -> bool:
        """Whether every line matches, so that no more than the wanted number need to be read."""
        return self.node is None and self.levels is None and self.text is None and not self.any_of

    def params(self) -> dict[str, Any]:
        return {
            "since": self.since, "until": self.until, "node": self.node,
            "levels": None if self.levels is None else list(self.levels),
            "like": None if self.text is None else _anywhere(self.text),
            "likes": [_anywhere(text) for text in self.any_of] or None,
            "before_at": self.before.at if self.before else None, "before_id": self.before.id if self.before else None,
            "width": None, "limit": None,
        }  # fmt: skip


class StoredLine(msgspec.Struct, frozen=True):
    """A line with all its columns; `characters`: length of the whole message, which may be cut here."""

    id: uuid.UUID
    timestamp: datetime
    node: str
    hostname: str
    level: str
    message: str
    characters: int
    metadata: Any
    stored_at: datetime | None


def _anywhere(text: str) -> str:
    return f"%{like_escaped(text)}%"


def at_least(level: Level) -> list[Level]:
    """This level and all worse ones."""
    return list(LEVELS[LEVELS.index(level) :])


def log_line(line: ColdLine) -> LogLine:
    return LogLine(line.id, line.timestamp, line.node, line.hostname, line.level, line.message, line.metadata)


def lines_of_ids(connection: Connection, ids: Sequence[uuid.UUID]) -> list[LogLine]:
    """Newest first; ids of deleted lines are left out. Raises ArchiveError."""
    with one_snapshot(connection):
        with connection.cursor(row_factory=class_row(LogLine)) as cursor:
            lines = cursor.execute(SQL["of_ids"], {"ids": list(ids), "width": MAX_SHOWN_CHARS}).fetchall()
        missing = set(ids) - {line.id for line in lines}
        lines += map(log_line, lines_of(connection, sorted(missing), width=MAX_SHOWN_CHARS))
    return sorted(lines, key=lambda line: (line.timestamp, line.id), reverse=True)


def one_stored_line(connection: Connection, line: uuid.UUID) -> StoredLine:
    """Raises UnknownLineError, and ArchiveError if it may be in an archive that cannot be read."""
    with one_snapshot(connection):
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
    """The lines of the same node directly before and after each line, oldest first. Raises ArchiveError."""
    near: defaultdict[uuid.UUID, dict[uuid.UUID, LogLine]] = defaultdict(dict)
    with one_snapshot(connection):
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
            cold = {line.id: log_line(line) for line in reader.of_ids(day, sorted(of_ids), width=MAX_SHOWN_CHARS)}
            yield from ((of, cold[near]) for of, near in pairs if near in cold)


def _around(anchor: LogLine, around: Iterable[LogLine], lines: int) -> list[LogLine]:
    """Only the `lines` directly before and after."""
    ordered = sorted(around, key=lambda line: (line.timestamp, line.id))
    place = bisect_left([(line.timestamp, line.id) for line in ordered], (anchor.timestamp, anchor.id))
    return ordered[max(place - lines, 0) : place + lines]
