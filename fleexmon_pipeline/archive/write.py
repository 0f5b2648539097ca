"""Write one day's lines from the table into a Parquet file, and check that the file holds them.

Here: staging, writing, comparing. Nothing is deleted here, and no row of "ArchivedDay" written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fleexmon_pipeline.archive.days import SQL, ArchivedDay, Hour, readable
from fleexmon_pipeline.archive.engine import Engine, engine
from fleexmon_pipeline.archive.files import FILES, hours_of
from fleexmon_pipeline.archive.storage import ArchiveError, Storage, beside, checksum
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import Window

MIN_LINE_BYTES = 2_000_000  # of a line that is staged; DuckDB's default limit
ROW_GROUP = 122_880  # DuckDB's default: a reader skips or unpacks a whole row group
LEVEL = 9  # of zstd: a line of the demo needs 28 bytes, 30 with 3; 15 takes five times longer and saves one byte
SECONDS = 3_600.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class WrittenDay:
    """A stored file whose contents were compared. `added`: lines that the previous file did not have."""

    file: str
    lines: int
    added: int
    bytes: int
    sha256: str
    hours: list[Hour]


def write_day(
    connection: Connection,
    storage: Storage,
    day: Window,
    earlier: ArchivedDay | None,
    progress: Progress = lambda _: None,
) -> WrittenDay | None:
    """Store a file with the day's analyzed lines and those of the previous file; None if no line is new.

    Raises ArchiveError; then no file was stored that a row names.
    """
    name = f"{day.since:%Y-%m-%d}"
    with engine(storage, on_disk=True) as session:
        session.run(name, FILES["make_staged"])
        session.run(name, FILES["make_line_hash"])
        lines = added = _stage(connection, session, day, progress)
        if not lines:
            return None
        if earlier:
            file = {"file": readable(earlier, storage)}
            session.run(name, FILES["make_earlier"], file, seconds=SECONDS)
            ((added,),) = session.rows(name, FILES["new_lines"], seconds=SECONDS)
            if not added:
                return None
            session.run(name, FILES["merge_earlier"], file, seconds=SECONDS)
        return _written(session, storage, day, added, progress)


def _stage(connection: Connection, session: Engine, day: Window, progress: Progress) -> int:
    """Stage the day's lines from one snapshot. Returns how many."""
    staged = 0
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for hour in day.hours():
            staged += _stage_hour(connection, session, hour)
            progress(f"{staged:,} lines read")
        row = connection.execute(SQL["count_lines"], {"since": day.since, "until": day.until}).fetchone()
    if row is None or row["lines"] != staged:
        raise ArchiveError(
            f"{day.since:%Y-%m-%d}: {staged:,} lines were read of {row and row['lines']:,}. Run it again."
        )
    return staged


def _stage_hour(connection: Connection, session: Engine, hour: Window) -> int:
    """Through a file: DuckDB reads 5 million lines of a file in seconds, and takes a minute for single rows."""
    local = session.folder / "hour.csv"
    lines, longest = 0, MIN_LINE_BYTES
    with connection.cursor() as cursor, local.open("wb") as file:
        query = SQL["copy_table_lines"] % SQL["table_lines"]
        with cursor.copy(query, {"since": hour.since, "until": hour.until}) as copy:
            for row in copy:
                file.write(row)
                lines += 1
                longest = max(longest, len(row))
    if lines:
        params = {"file": str(local), "longest": longest, "buffer": longest * 2}
        session.run(f"{hour.since:%Y-%m-%d}", FILES["stage"], params, seconds=SECONDS)
    local.unlink()
    return lines


def _written(session: Engine, storage: Storage, day: Window, added: int, progress: Progress) -> WrittenDay:
    from fleexmon_pipeline.archive import text_filter  # noqa: PLC0415  numpy, which few commands need

    name = f"{day.since:%Y-%m-%d}"
    local = session.folder / "day.parquet"
    session.run(name, _copy(FILES["written"], local, day.since), seconds=SECONDS)
    wanted = hours_of(session.rows(name, FILES["hours_of_staged"], seconds=SECONDS))
    hours = hours_of(session.rows(name, FILES["hours_of_file"], {"file": str(local)}, seconds=SECONDS))
    if wanted != hours:
        raise ArchiveError(f"{name}: the written file does not hold the lines of the table. Nothing is deleted.")
    sha256 = _sha256(local)
    file = f"{day.since:%Y/%m}/{name}.{sha256[:16]}.parquet"
    progress(f"{sum(hour.lines for hour in hours):,} lines written, storing {local.stat().st_size:,} bytes")
    storage.put(local, file)
    if checksum(storage, file) != sha256:
        raise ArchiveError(f"{name}: {storage.place} returned other bytes than were written. Nothing is deleted.")
    texts = session.folder / "day.texts"
    text_filter.write(session, name, local, sha256, texts)
    storage.put(texts, beside(file))
    return WrittenDay(file, sum(hour.lines for hour in hours), added, local.stat().st_size, sha256, hours)


def _copy(select: str, path: Path, day: datetime) -> str:
    """COPY accepts no parameters for its options; both values come from this program."""
    target = str(path).replace("'", "''")
    return (
        f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {LEVEL}, "
        f"ROW_GROUP_SIZE {ROW_GROUP}, KV_METADATA {{fleexmon_archive: '1', day: '{day:%Y-%m-%d}'}})"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
