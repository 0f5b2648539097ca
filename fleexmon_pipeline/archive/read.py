"""Search lines of archived days: newest first, by text, by id, around a line.

Here: one query of one day's file. `lookup/`, `issues/read.py` and `detection/` join its results with the table's.
A file that is missing, incomplete or unreachable raises ArchiveError: it is never read as a day without lines.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from fleexmon_pipeline.archive.days import ArchivedDay, archived_days, readable, storage_for
from fleexmon_pipeline.archive.engine import Engine, engine
from fleexmon_pipeline.archive.files import FILES
from fleexmon_pipeline.archive.storage import Storage
from fleexmon_pipeline.database.connection import Connection, far_away, within_years
from fleexmon_pipeline.window import EPOCH, HOUR, Window, floor

MAX_SECONDS = 60.0  # of one query of one day
EXPORT_SECONDS = 3_600.0  # of an hour of lines: reading waits for the writer
MAX_IDS_SECONDS = 10.0  # of a search in all days, for ids that do not contain their time
MAX_CHARS = 10_000_000
FIRST_AT_ONCE, MAX_AT_ONCE = 2_000, 200_000  # lines of one query
MAX_EXPRESSION = 20_000  # characters; a longer one is left to the caller
MIN_PIECE = 3  # characters of the part of a text that is searched first
_LETTERS = re.compile("[A-Za-z]+")
_TIMED = (7, 8)  # versions of UUIDs that begin with their time


@dataclass(frozen=True)
class ColdLine:
    """A line of a file; `message` may be cut, `characters` is its whole length."""

    id: uuid.UUID
    timestamp: datetime
    node: str
    hostname: str
    level: str
    message: str
    metadata: Any
    characters: int = 0
    stored_at: datetime | None = None


@dataclass(frozen=True)
class ColdQuery:
    """Which lines of a day. `texts`: the message contains one of them, ignoring the case of ASCII letters;
    `in_metadata`: the record's JSON contains it; `before`: time and id of the last line of the previous page."""

    since: datetime
    until: datetime
    node: str | None = None
    levels: Sequence[str] | None = None
    texts: Sequence[str] = ()
    in_metadata: str | None = None
    before: tuple[datetime, uuid.UUID] | None = None


class ColdReader:
    """Files of one storage, read in one session of DuckDB."""

    def __init__(self, session: Engine, storage: Storage) -> None:
        self._session = session
        self._storage = storage
        self._urls: dict[str, str] = {}
        self._rows_with: dict[tuple[str, str], list[range] | None] = {}

    def newest(self, day: ArchivedDay, query: ColdQuery, *, width: int, limit: int) -> list[ColdLine]:
        params = {
            "since": _naive(max(query.since, day.window.since)), "until": _naive(min(query.until, day.window.until)),
            "node": query.node, "levels": None if query.levels is None else list(query.levels),
            "in_metadata": query.in_metadata, "before_at": _naive(query.before[0]) if query.before else None,
            "before_id": str(query.before[1]) if query.before else None, "width": width, "limit": limit,
        }  # fmt: skip
        lines: dict[uuid.UUID, ColdLine] = {}
        for text in query.texts or (None,):
            of_text = {**params, "text": text, "piece": _without_letters(text)}
            for first, last in self._parts(day, text):
                rows = self._rows(day, "newest", {**of_text, "first": first, "last": last})
                lines |= {line.id: line for line in map(_line, rows)}
        return sorted(lines.values(), key=lambda line: (line.timestamp, line.id), reverse=True)[:limit]

    def _parts(self, day: ArchivedDay, text: str | None) -> list[tuple[int | None, int | None]]:
        """First and last row of each part of the file that may contain the text; None, None: the whole file."""
        if text is None:
            return [(None, None)]
        from fleexmon_pipeline.archive.text_filter import rows_with  # noqa: PLC0415  numpy, where a text is looked for

        if (day.file, text) not in self._rows_with:
            self._rows_with[day.file, text] = rows_with(self._storage, day.file, day.sha256, text)
        ranges = self._rows_with[day.file, text]
        return [(None, None)] if ranges is None else [(rows.start, rows.stop) for rows in ranges]

    def newest_first(self, day: ArchivedDay, query: ColdQuery) -> Iterator[ColdLine]:
        """All lines. The first query reads FIRST_AT_ONCE, each next one ten times more, up to MAX_AT_ONCE: most
        callers need few. A text is searched in the whole day at once, since it may be rare."""
        hours = [day.window] if query.texts else day.busy_hours()
        for hour in reversed(hours):
            part = replace(query, since=max(query.since, hour.since), until=min(query.until, hour.until))
            at_once = FIRST_AT_ONCE
            while part.since < part.until:
                lines = self.newest(day, part, width=MAX_CHARS, limit=at_once)
                yield from lines
                if len(lines) < at_once:
                    break
                part = replace(part, before=(lines[-1].timestamp, lines[-1].id))
                at_once = min(at_once * 10, MAX_AT_ONCE)

    def of_ids(
        self, day: ArchivedDay, ids: Sequence[uuid.UUID], *, width: int, seconds: float = MAX_SECONDS
    ) -> list[ColdLine]:
        params = {"ids": [str(id_) for id_ in ids], "width": width}
        return [_line(row) for row in self._rows(day, "of_ids", params, seconds=seconds)]

    def near(
        self, day: ArchivedDay, anchors: Sequence[tuple[uuid.UUID, datetime, str]], *, lines: int
    ) -> list[tuple[uuid.UUID, uuid.UUID]]:
        """Pairs of an anchor (id, time, node) and a line within an hour of it: at least `lines` before and after it."""
        self._session.run(f"{day.day:%Y-%m-%d}", FILES["make_anchors"].replace("CREATE", "CREATE OR REPLACE", 1))
        self._session.append("anchors", [(str(id_), _naive(at), node) for id_, at, node in anchors])
        times = [at for _, at, _ in anchors]
        bounds = {"since": _naive(min(times) - HOUR), "until": _naive(max(times) + HOUR), "lines": lines}
        return [(of, near) for of, near in self._rows(day, "near", bounds)]

    def texts(self, day: ArchivedDay, window: Window, expression: str | None) -> list[ColdLine]:
        """Oldest first: those that match `expression` (RE2), and perhaps more."""
        if expression is not None and len(expression) > MAX_EXPRESSION:
            expression = None
        bounds = {"since": _naive(window.since), "until": _naive(window.until), "expression": expression}
        return [
            ColdLine(id_, _aware(at), node, "", level, message, None)
            for id_, at, node, level, message in self._rows(day, "texts", bounds)
        ]

    def in_trouble(self, day: ArchivedDay, window: Window, limit: int) -> list[ColdLine]:
        bounds = {"since": _naive(window.since), "until": _naive(window.until), "limit": limit}
        return [
            ColdLine(id_, _aware(at), node, "", level, message, None)
            for id_, at, node, level, message in self._rows(day, "in_trouble", bounds)
        ]

    def exported(self, day: ArchivedDay, window: Window, node: str | None) -> Iterator[tuple[Any, ...]]:
        """Rows as `transfer/` writes them, as text, in order of time and id."""
        for hour in day.busy_hours():
            part = {"since": max(hour.since, window.since), "until": min(hour.until, window.until)}
            if part["since"] < part["until"]:
                bounds = {name: _naive(moment) for name, moment in part.items()}
                yield from self._rows(day, "exported", {**bounds, "node": node}, seconds=EXPORT_SECONDS)

    def counts(self, day: ArchivedDay, window: Window, besides: Sequence[uuid.UUID]) -> dict[tuple[datetime, str], int]:
        """Lines by slot and node, without those with ids `besides`."""
        bounds = {"since": _naive(window.since), "until": _naive(window.until), "ids": [str(id_) for id_ in besides]}
        return {(_aware(slot), node): lines for slot, node, lines in self._rows(day, "counts", bounds)}

    def lines_of_slot(self, day: ArchivedDay, slot: Window, longest: int) -> Iterator[tuple[Any, ...]]:
        """Rows like those of the statement of that name in `patterns.sql`, with the record instead of its request."""
        bounds = {"since": _naive(slot.since), "until": _naive(slot.until), "longest": longest}
        return self._rows(day, "lines_of_slot", bounds)

    def _rows(
        self, day: ArchivedDay, statement: str, params: Mapping[str, Any], *, seconds: float = MAX_SECONDS
    ) -> Iterator[tuple[Any, ...]]:
        url = self._urls.get(day.file)
        if url is None:
            url = self._urls[day.file] = readable(day, self._storage)
        about = f"the archive of {day.day:%Y-%m-%d}"
        return self._session.rows(about, FILES[statement], {"file": url, **params}, seconds=seconds)


@contextmanager
def reader_for(days: Sequence[ArchivedDay]) -> Iterator[ColdReader]:
    """For at least one day, all of one archive. Raises ArchiveError that names the newest of them."""
    storage = storage_for(days[0])
    with engine(storage) as session:
        yield ColdReader(session, storage)


def tells_its_day(id_: uuid.UUID) -> bool:
    """Whether an id begins with its time, like the ids of this program: their order is that of their lines."""
    return id_.version in _TIMED


def lines_of(connection: Connection, ids: Sequence[uuid.UUID], *, width: int) -> list[ColdLine]:
    """Archived lines with these ids, in any order.

    An id of this program contains its day, so only that file is opened. For other ids all days are searched. Raises
    ArchiveError after MAX_IDS_SECONDS.
    """
    days = archived_days(connection, None, None) if ids else []
    if not days:
        return []
    by_day = {day.day: day for day in days}
    of_day: dict[datetime, list[uuid.UUID]] = {}
    others: list[uuid.UUID] = []
    for id_ in ids:
        if tells_its_day(id_):
            of_day.setdefault(floor(_time_of(id_), timedelta(days=1)), []).append(id_)
        else:
            others.append(id_)
    wanted = [(by_day[day], own) for day, own in of_day.items() if day in by_day]
    lines: list[ColdLine] = []
    if not wanted and not others:
        return lines
    with reader_for(days) as reader:
        for day, own in wanted:
            lines += reader.of_ids(day, own, width=width)
        for day in days if others else ():
            lines += reader.of_ids(day, others, width=width, seconds=MAX_IDS_SECONDS)
            if len({line.id for line in lines} & set(others)) == len(set(others)):
                break
    return lines


def messages_of(connection: Connection, ids: Collection[uuid.UUID], *, width: int, window: Window) -> list[ColdLine]:
    """Archived lines of the window with these ids, for callers who can do without missing lines."""
    days = archived_days(connection, window.since, window.until) if ids else []
    if not days:
        return []
    with reader_for(days) as reader:
        return [line for day in days for line in reader.of_ids(day, list(ids), width=width)]


def lines_in_trouble(connection: Connection, window: Window, limit: int) -> list[ColdLine]:
    """The first archived lines of a window that are not informational, in order of time."""
    days = archived_days(connection, window.since, window.until)
    if not days:
        return []
    with reader_for(days) as reader:
        return [line for day in reversed(days) for line in reader.in_trouble(day, window, limit)][:limit]


@contextmanager
def cold_texts(connection: Connection, window: Window, expression: str | None) -> Iterator[ColdTexts | None]:
    """None if no day of the window is archived."""
    days = archived_days(connection, window.since, window.until)
    if not days:
        yield None
        return
    with ExitStack() as stack:
        yield ColdTexts(stack.enter_context(reader_for(days)), days, expression)


class ColdTexts:
    """Lines of slots, read an hour at a time."""

    def __init__(self, reader: ColdReader, days: Sequence[ArchivedDay], expression: str | None) -> None:
        self._reader = reader
        self._days = {day.day: day for day in days}
        self._expression = expression
        self._hour: Window | None = None
        self._lines: list[ColdLine] = []

    def of(self, slot: Window) -> list[ColdLine]:
        """Oldest first."""
        day = self._days.get(floor(slot.since, timedelta(days=1)))
        if day is None:
            return []
        hour = Window.hour_of(slot.since)
        if hour != self._hour:
            self._lines = self._reader.texts(day, hour, self._expression)
            self._hour = hour
        return [line for line in self._lines if slot.since <= line.timestamp < slot.until]


@contextmanager
def cold_slots(connection: Connection, window: Window) -> Iterator[ColdSlots | None]:
    """None if no day of the window is archived."""
    days = archived_days(connection, window.since, window.until)
    if not days:
        yield None
        return
    with reader_for(days) as reader:
        yield ColdSlots(reader, days)


class ColdSlots:
    """Archived lines, for counting."""

    def __init__(self, reader: ColdReader, days: Sequence[ArchivedDay]) -> None:
        self._reader = reader
        self._days = days

    def counts(self, window: Window, *, besides: Sequence[uuid.UUID]) -> dict[tuple[datetime, str], int]:
        """Lines by slot and node, without those with ids `besides`."""
        counts: dict[tuple[datetime, str], int] = {}
        for day in self._days:
            counts |= self._reader.counts(day, window, besides)
        return counts

    def lines(self, slot: Window, longest: int) -> Iterator[tuple[Any, ...]]:
        """Id, microseconds since 1970, level, node, message and record (JSON); newest first."""
        for day in self._days:
            if day.window.since <= slot.since < day.window.until:
                yield from self._reader.lines_of_slot(day, slot, longest)


def _line(row: Sequence[Any]) -> ColdLine:
    id_, at, node, hostname, level, message, metadata, *rest = row
    record = None if metadata is None else msgspec.json.decode(metadata)
    characters, created, created_text = rest or (0, None, None)
    stored_at = within_years(created) if created else far_away(created_text.encode()) if created_text else None
    return ColdLine(id_, _aware(at), node, hostname, level, message, record, characters, stored_at)


def _without_letters(text: str | None) -> str | None:
    """The longest part of a text without ASCII letters, whose case would matter; None if it is too short."""
    piece = max(_LETTERS.split(text), key=len) if text else ""
    return piece if len(piece) >= MIN_PIECE else None


def _time_of(id_: uuid.UUID) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=id_.int >> 80)
    except OverflowError:
        return EPOCH


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _naive(moment: datetime) -> datetime:
    """DuckDB's TIMESTAMP has no zone, as the table's has none."""
    return moment.astimezone(UTC).replace(tzinfo=None)
