"""Read a whole day's file: its hours and their hashes, and its lines as they are restored into the table.

Here: reading that keeps every value as it is. What people and rules look for: `read.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any
from uuid import UUID

from fleexmon_pipeline.archive.days import ArchivedDay, Hour, readable
from fleexmon_pipeline.archive.engine import Engine, engine
from fleexmon_pipeline.archive.storage import ArchiveError, Storage, checksum
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import Window

FILES = {name: sql.decode() for name, sql in statements("archive_files").items()}
SECONDS = 3_600.0


def hours_of(rows: Iterable[Sequence[Any]]) -> list[Hour]:
    return [Hour(at.hour, lines, digest) for at, lines, digest in rows]


class DayFile:
    """A day's file, opened. Errors name the day."""

    def __init__(self, session: Engine, day: ArchivedDay, url: str) -> None:
        self._session = session
        self._url = url
        self.day = day
        self.name = f"{day.day:%Y-%m-%d}"
        session.run(self.name, FILES["make_line_hash"])

    def hours(self) -> list[Hour]:
        return hours_of(self._rows("hours_of_file"))

    def hashes(self, hour: Window, ids: Sequence[UUID] | None = None) -> Iterator[tuple[str, str]]:
        """Id and hash of each line of the hour, or of those with these ids."""
        wanted = None if ids is None else [str(id_) for id_ in ids]
        rows = self._rows("hashes_of_hour", since=_naive(hour.since), until=_naive(hour.until), ids=wanted)
        return ((id_, digest) for id_, digest in rows)

    def whole_lines(self, window: Window, ids: Sequence[UUID] | None = None) -> Iterator[tuple[Any, ...]]:
        """In the order of the statement `copy_restored`."""
        wanted = None if ids is None else [str(id_) for id_ in ids]
        return self._rows("whole_lines", since=_naive(window.since), until=_naive(window.until), ids=wanted)

    def _rows(self, statement: str, **params: Any) -> Iterator[tuple[Any, ...]]:
        about = f"the archive of {self.name}"
        return self._session.rows(about, FILES[statement], {"file": self._url, **params}, seconds=SECONDS)


@contextmanager
def open_day(storage: Storage, day: ArchivedDay) -> Iterator[DayFile]:
    """Raises ArchiveError if the file is missing or has another size."""
    with engine(storage) as session:
        yield DayFile(session, day, readable(day, storage))


def problem_of(storage: Storage, day: ArchivedDay) -> str | None:
    """What is wrong with the day's file. All bytes and lines are read and compared with the checksums."""
    from fleexmon_pipeline.archive import text_filter  # noqa: PLC0415  numpy, which few commands need

    try:
        with open_day(storage, day) as file:
            if checksum(storage, day.file) != day.sha256:
                return f"{day.file} in {storage.place} has changed since it was written: its checksum differs."
            if file.hours() != day.hours:
                return f"{day.file} in {storage.place} does not hold the lines that were written."
        return text_filter.problem_of(storage, day.file, day.sha256)
    except ArchiveError as error:
        return str(error)


def _naive(moment: Any) -> Any:
    """DuckDB's TIMESTAMP has no zone, as the table's has none."""
    return moment.astimezone(UTC).replace(tzinfo=None)
