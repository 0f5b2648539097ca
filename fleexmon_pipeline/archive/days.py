"""Read which days are archived, and in which file: the rows of "ArchivedDay".

Here: reading them. Who writes them: `retention/cold_days.py`. Without a row there is no archive for a reader, and
nothing but this one question is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.pq import TransactionStatus

from fleexmon_pipeline.archive.storage import ArchiveError, Storage, configured_storage
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import DAY, HOUR, Window

SQL = statements("archive")


class Hour(msgspec.Struct, frozen=True):
    """`at`: the hour of the day; `hash`: of the sorted hashes of its lines."""

    at: int
    lines: int
    hash: str


@dataclass(frozen=True)
class ArchivedDay:
    """`stale`: earlier files of the day that are still to be deleted."""

    day: datetime
    state: str
    file: str
    stale: list[str]
    lines: int
    bytes: int
    sha256: str
    hours: list[Hour]
    written_at: datetime

    @property
    def window(self) -> Window:
        return Window(self.day, self.day + DAY)

    def busy_hours(self) -> list[Window]:
        """Hours that have lines, ascending."""
        return [Window(self.day + hour.at * HOUR, self.day + (hour.at + 1) * HOUR) for hour in self.hours]


def archived_days(connection: Connection, since: datetime | None, until: datetime | None) -> list[ArchivedDay]:
    """Days that overlap this time and have lines that are only in their file; newest first."""
    return [_day(row) for row in connection.execute(SQL["days"], {"since": since, "until": until})]


@contextmanager
def one_snapshot(connection: Connection) -> Iterator[None]:
    """Read the table and the archive in one snapshot, so that a day that is moved meanwhile is not missed."""
    if connection.info.transaction_status != TransactionStatus.IDLE:
        yield
        return
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def all_days(connection: Connection) -> list[ArchivedDay]:
    """Newest first, including restored and expiring ones."""
    return [_day(row) for row in connection.execute(SQL["all_days"])]


def one_day(connection: Connection, day: datetime) -> ArchivedDay | None:
    row = connection.execute(SQL["one_day"], {"day": day}).fetchone()
    return _day(row) if row else None


def readable(day: ArchivedDay, storage: Storage) -> str:
    """The URL by which DuckDB reads the day's file. Raises ArchiveError if it is missing or has another size."""
    name = f"{day.day:%Y-%m-%d}"
    try:
        size = storage.size(day.file)
    except ArchiveError as error:
        raise ArchiveError(f"the lines of {name} are archived: {error}") from None
    if size is None:
        raise ArchiveError(
            f"the lines of {name} are archived, and their file {day.file} is not in {storage.place}. "
            "Bring it back, or set FLEEXMON_ARCHIVE to where it is."
        )
    if size != day.bytes:
        raise ArchiveError(
            f"the lines of {name} are archived, and their file {day.file} in {storage.place} has {size:,} bytes "
            f"instead of {day.bytes:,}. Bring back a whole copy."
        )
    return storage.url(day.file)


def storage_for(day: ArchivedDay) -> Storage:
    """Raises ArchiveError that names the day."""
    try:
        return configured_storage()
    except ArchiveError as error:
        raise ArchiveError(f"the lines of {day.day:%Y-%m-%d} are archived: {error}") from None


def _day(row: Mapping[str, Any]) -> ArchivedDay:
    return ArchivedDay(**{**row, "hours": msgspec.convert(row["hours"], list[Hour])})
