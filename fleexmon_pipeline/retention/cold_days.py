"""A cold day leaves the table for the archive, comes back, and is deleted at the end of its retention.

Here: the order of steps, so that a crash between any two of them loses no line and shows none twice:

    archive   store a file → read it back and compare → record it in "ArchivedDay" → remove the lines that it holds
    restore   put lines back, hour by hour → compare → record that they are back
    expire    put evidence of open issues back → record that the day is over → delete its files → delete its row

Between the steps lines are in both places, and readers take the table's. Files: `archive/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from fleexmon_pipeline.archive.days import SQL as DAYS
from fleexmon_pipeline.archive.days import ArchivedDay, one_day
from fleexmon_pipeline.archive.files import DayFile, open_day
from fleexmon_pipeline.archive.storage import ArchiveError, Storage, beside
from fleexmon_pipeline.archive.write import WrittenDay, write_day
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import MAX_ATTEMPTS, note_problem
from fleexmon_pipeline.database.line_days import SQL as LINE_DAYS
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import DAY, Window, floor
from fleexmon_pipeline.wording import counted

SQL = statements("retention")
NO_LINES = (0, hashlib.md5(b"", usedforsecurity=False).hexdigest())
MAX_IDS = 10_000  # lines of an hour whose hashes are queried by id
Progress = Callable[[str], None]


@dataclass
class Removed:
    """Lines of a day that were removed from the table, and those that stay, by reason."""

    removed: int = 0
    unanalyzed: int = 0
    evidence: int = 0
    others: int = 0  # stored or changed since the file was written, or locked: the next run takes them

    def add(self, counts: dict[str, Any] | None) -> None:
        for name, count in (counts or {}).items():
            setattr(self, name, getattr(self, name) + count)

    def sentence(self) -> str:
        kept = [
            f"{counted(count, 'line')} {why}"
            for count, why in (
                (self.unanalyzed, "not analyzed yet"),
                (self.evidence, "evidence of open issues"),
                (self.others, "new or locked"),
            )
            if count
        ]
        stay = f"; still there: {', '.join(kept)}" if kept else ""
        return f"removed {counted(self.removed, 'line')} from the table{stay}"


@dataclass
class ArchivedAccount:
    """`written` None: the day's file already had all lines."""

    day: datetime
    archived: ArchivedDay | None
    written: WrittenDay | None
    removed: Removed = field(default_factory=Removed)

    def sentence(self) -> str:
        if self.archived is None:
            return f"{self.day:%Y-%m-%d}: nothing to archive; {self.removed.sentence()}"
        size = self.archived.bytes / max(self.archived.lines, 1)
        what = (
            f"archived {counted(self.written.added, 'line')} in {self.written.file}"
            if self.written
            else "nothing new to archive"
        )
        return (
            f"{self.day:%Y-%m-%d}: {what}; the archive holds {counted(self.archived.lines, 'line')}, "
            f"{size:.1f} bytes each; {self.removed.sentence()}"
        )


@dataclass
class Restored:
    """`added`: lines put back; `there`: lines that the table already had. `differing` of these have other contents
    there, which stay."""

    lines: int = 0
    added: int = 0
    differing: int = 0

    @property
    def there(self) -> int:
        return self.lines - self.added


@contextmanager
def _alone(connection: Connection, day: datetime) -> Iterator[None]:
    """Hold the lock of a day: if one run put lines back while another removes them, they could be lost.
    Raises ArchiveError if another run holds it."""
    held = connection.execute(DAYS["lock_day"], {"day": day}).fetchone()
    if not (held and held["locked"]):
        raise ArchiveError(f"{day:%Y-%m-%d} is being moved by another run. Wait until it is done.")
    try:
        yield
    finally:
        connection.execute(DAYS["unlock_day"], {"day": day})


def is_cold(day: Window, *, now: datetime, hot_days: int) -> bool:
    return day.until <= now - timedelta(days=hot_days)


def waiting_days(connection: Connection, *, now: datetime, hot_days: int, days: int, limit: int) -> list[datetime]:
    """Cold days with lines that can be archived, oldest first. `days`: how long lines are kept."""
    until = floor(now - timedelta(days=hot_days), DAY)
    bounds = {"since": floor(now - timedelta(days=days), DAY), "until": until, "limit": limit}
    return [row["day"] for row in connection.execute(DAYS["waiting_days"], bounds)]


def archive_day(
    connection: Connection,
    storage: Storage,
    day: Window,
    *,
    now: datetime,
    run: str | None = None,
    progress: Progress = lambda _: None,
) -> ArchivedAccount:
    """Move the analyzed lines of a day into its file. Raises ArchiveError; even then the file has every line that was
    removed from the table."""
    with _alone(connection, day.since):
        return _archive(connection, storage, day, now=now, run=run, progress=progress)


def _archive(
    connection: Connection, storage: Storage, day: Window, *, now: datetime, run: str | None, progress: Progress
) -> ArchivedAccount:
    earlier = one_day(connection, day.since)
    if earlier and earlier.state == "expired":
        raise ArchiveError(f"{day.since:%Y-%m-%d} is past LOG_RETENTION_DAYS, and its files are being deleted.")
    written = write_day(connection, storage, day, earlier, progress)
    if written:
        _record(connection, day, written, earlier, now=now, run=run)
    elif earlier and earlier.state == "restored":
        connection.execute(DAYS["set_state"], {"state": "archived", "day": day.since, "file": earlier.file})
    archived = one_day(connection, day.since)
    account = ArchivedAccount(day.since, archived, written)
    if archived:
        with open_day(storage, archived) as file:
            account.removed = remove_day(connection, file, progress)
    else:
        account.removed = would_remove(connection, day)
    return account


def remove_day(connection: Connection, file: DayFile, progress: Progress = lambda _: None) -> Removed:
    """Remove the lines that the file holds, in exactly this content, from the table. Nothing else removes them.

    If the table has the same lines in each hour, the day's partition is dropped, after moving lines that must stay to
    the partition for the past. Otherwise lines are deleted one by one, each hour in a transaction.
    """
    total = Removed(removed=_drop_equal_part(connection, file))
    progress(f"{total.removed:,} lines removed from the table")
    for hour in file.day.window.hours():
        bounds = {"since": hour.since, "until": hour.until}
        ids = [row["id"] for row in connection.execute(DAYS["ids_of_hour"], {**bounds, "limit": MAX_IDS + 1})]
        if not ids:
            continue
        with connection.transaction():
            connection.execute(statements("patterns")["lock_hour"], {"hour": hour.since})  # it may be being counted
            connection.execute(DAYS["make_archived"])
            with connection.cursor() as cursor, cursor.copy(DAYS["copy_archived"]) as copy:
                for row in file.hashes(hour, ids if len(ids) <= MAX_IDS else None):
                    copy.write_row(row)
            total.add(connection.execute(SQL["remove_archived"], bounds).fetchone())
        progress(f"{total.removed:,} lines removed from the table")
    if not total.others:
        _drop_part(connection, file.day.day)
    return total


def _drop_equal_part(connection: Connection, file: DayFile) -> int:
    """How many lines were removed. None if the partition is not only this day's, or some hour has other lines than the
    file: late ones, changed ones, or because the file also has those of an earlier run."""
    try:
        with connection.transaction():
            if not _lock_part(connection, file.day.day):
                return 0
            strangers = connection.execute(SQL["strangers"], {"day": file.day.day}).fetchone()
            if strangers and strangers["there"]:
                return 0
            connection.execute(b"SET LOCAL work_mem = '64MB'")  # an hour's hashes are sorted
            archived_hours = {hour.at: (hour.lines, hour.hash) for hour in file.day.hours}
            for hour in file.day.window.hours():
                connection.execute(statements("patterns")["lock_hour"], {"hour": hour.since})  # it may be being counted
                row = connection.execute(DAYS["hour_of_table"], {"since": hour.since, "until": hour.until}).fetchone()
                if row is None or (row["lines"], row["hash"]) != archived_hours.get(hour.since.hour, NO_LINES):
                    return 0
            return _drop(connection, file.day.day)
    except psycopg.Error as error:
        note_problem(connection, "drop", error, f"lines of {file.name} are removed one by one")
        return 0


def _lock_part(connection: Connection, day: datetime) -> bool:
    """From now on, writers of this day wait. False if the partition is not only this day's, or not the first."""
    part = connection.execute(SQL["part_of_day"], {"day": day}).fetchone()
    if part is None:
        return False
    connection.execute(b"SET LOCAL lock_timeout = '5s'")
    # The name is PostgreSQL's own, quoted by it.
    connection.execute(f"LOCK TABLE {part['part']} IN SHARE MODE".encode())
    return True


def _drop(connection: Connection, day: datetime) -> int:
    where = {"day": day.date(), "before": day + DAY, "attempts": MAX_ATTEMPTS}
    row = connection.execute(LINE_DAYS["drop_day"], where).fetchone()
    return (row["lines"] if row else None) or 0


def _drop_part(connection: Connection, day: datetime) -> None:
    """Free the space of a day whose lines were removed; lines that stay are moved to the partition for the past. A
    partition that is in use keeps its space until retention drops it."""
    try:
        with connection.transaction():
            if not _lock_part(connection, day):
                return
            holds = connection.execute(SQL["holds_others"], {"day": day}).fetchone()
            if holds and not holds["holds"]:
                _drop(connection, day)
    except psycopg.Error as error:
        note_problem(connection, "drop", error, f"the space of {day:%Y-%m-%d} comes back with its retention")


def would_remove(connection: Connection, day: Window) -> Removed:
    """Lines that archiving the day would remove, and lines that would stay."""
    total = Removed()
    total.add(connection.execute(SQL["would_remove"], {"since": day.since, "until": day.until}).fetchone())
    return total


def restore_day(
    connection: Connection,
    storage: Storage,
    day: ArchivedDay,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> Restored:
    """Put a day's lines back into the table, as they were. The file stays; only a person's command archives the day
    again. Raises ArchiveError; hours that were put back before it stay in the table."""
    total = Restored()
    with _alone(connection, day.day), open_day(storage, one_day(connection, day.day) or day) as file:
        day = file.day  # the current one: another run may have written a new file
        for hour, hour_of_file in zip(day.busy_hours(), day.hours, strict=True):
            _put_back(connection, file.whole_lines(hour), total, hour_of_file.hash, dry_run=dry_run)
            progress(f"{total.lines:,} of {day.lines:,} lines")
        if not dry_run:
            connection.execute(DAYS["set_state"], {"state": "restored", "day": day.day, "file": day.file})
    return total


def expire_days(connection: Connection, storage: Callable[[], Storage], *, before: datetime) -> tuple[int, list[str]]:
    """Delete archived days that ended before. Returns the number of lines, and problems. Evidence of open issues is put
    back into the table first."""
    lines, problems = 0, []
    for row in connection.execute(DAYS["expired"], {"before": before}).fetchall():
        day = one_day(connection, row["day"])
        if day is None:
            continue
        try:
            with _alone(connection, day.day):
                problems += _expire(connection, storage(), one_day(connection, day.day) or day)
        except ArchiveError as error:
            problems.append(f"{day.day:%Y-%m-%d} is past its retention and still archived: {error}")
            continue
        lines += day.lines
    return lines, problems


def delete_stale_files(connection: Connection, storage: Storage, days: Iterable[ArchivedDay]) -> int:
    """Delete files of days that have a newer file. The run that wrote the newer one must not: a file may be in use."""
    deleted = 0
    for day in days:
        for name in day.stale:
            _delete(storage, name)
            deleted += 1
        if day.stale:
            connection.execute(DAYS["without_stale"], {"day": day.day, "names": day.stale})
    return deleted


def _record(
    connection: Connection,
    day: Window,
    written: WrittenDay,
    earlier: ArchivedDay | None,
    *,
    now: datetime,
    run: str | None,
) -> None:
    row = {
        "day": day.since, "file": written.file, "lines": written.lines, "bytes": written.bytes,
        "sha256": written.sha256, "hours": Jsonb([vars_of(hour) for hour in written.hours]), "now": now, "run": run,
        "before": earlier.file if earlier else None,
    }  # fmt: skip
    if connection.execute(DAYS["record"], row).rowcount != 1:
        raise ArchiveError(f"{day.since:%Y-%m-%d} was archived by another run in the meantime. Run it again.")


def vars_of(hour: Any) -> dict[str, Any]:
    return {"at": hour.at, "lines": hour.lines, "hash": hour.hash}


def _put_back(
    connection: Connection, rows: Iterable[Sequence[Any]], total: Restored, hash_: str | None, *, dry_run: bool
) -> None:
    """`hash_`: of all these lines; None: unknown, since they are only some of an hour's."""
    with connection.transaction():
        connection.execute(DAYS["make_restored"])
        lines = 0
        with connection.cursor() as cursor, cursor.copy(DAYS["copy_restored"]) as copy:
            for row in rows:
                copy.write_row(row)
                lines += 1
        counts = connection.execute(DAYS["restore"], {"dry_run": dry_run}).fetchone()
        if counts is None or hash_ not in (None, counts["hash"]):
            raise ArchiveError("lines of the archive differ from those that were written. Nothing was changed.")
    total.lines += lines
    total.added += counts["added"]
    total.differing += counts["differing"]


def _expire(connection: Connection, storage: Storage, day: ArchivedDay) -> list[str]:
    problems = []
    if day.state != "expired":
        if day.state == "archived":
            problems = _rescue_evidence(connection, storage, day)
        connection.execute(DAYS["set_state"], {"state": "expired", "day": day.day, "file": day.file})
    for name in (*day.stale, day.file):
        _delete(storage, name)
    connection.execute(DAYS["forget"], {"day": day.day})
    return problems


def _delete(storage: Storage, name: str) -> None:
    """A day's file and its filters."""
    storage.delete(beside(name))
    storage.delete(name)


def _rescue_evidence(connection: Connection, storage: Storage, day: ArchivedDay) -> list[str]:
    """Returns problems. Evidence of a missing file is lost; raises ArchiveError if the store cannot be reached, since
    it may have the file tomorrow."""
    ids: list[UUID] = [row["id"] for row in connection.execute(DAYS["open_evidence"]) if row["id"] is not None]
    name = f"{day.day:%Y-%m-%d}"
    size = storage.size(day.file)
    if size is None:
        return [f"{name}: its file {day.file} was missing when its retention ended"]
    if not ids:
        return []
    try:
        with open_day(storage, day) as file:
            _put_back(connection, file.whole_lines(day.window, ids), Restored(), None, dry_run=False)
    except ArchiveError as error:
        return [f"{name}: evidence of open issues could not be kept: {error}"]
    return []
