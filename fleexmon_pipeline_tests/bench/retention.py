"""A day of lines past its retention is deleted while another program inserts: how long it takes, and who waits.

Here: the day was written compact when it was over, as every night, and goes through `data_retention`'s own functions.
Its files are on the disk and no longer in memory, as those of a day of last month. Beside it a second process inserts
50 lines at a time into today, as a program that writes "LogEntry" itself does, and notes how long each insert took.

Baseline: a copy of the day's files, also beside these inserts, removed without any database. A disk may take longer
for that than PostgreSQL for everything else: ext4 mounted with `discard` waits until the disk has forgotten each block.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread

from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.retention.days import compact_days, drop_days
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.window import DAY, Window, floor
from fleexmon_pipeline_tests.bench.place import SPAWN, count, empty, place
from fleexmon_pipeline_tests.bench.stored_month import fill_day
from fleexmon_pipeline_tests.bench.table import Row, Table

KEPT_DAYS = 3
LINES_AT_ONCE = 50
QUIET_SECONDS = 5.0
_MB = 1_000_000
_PATHS = """
SELECT pg_relation_filepath(to_regclass(%(part)s)) AS path
UNION ALL SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid = to_regclass(%(part)s)
"""
_INSERT = """
INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname)
SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || substr(gen_random_uuid()::text, 14))::uuid,
  now() AT TIME ZONE 'UTC', 'info', 'request ' || n || ' answered with 200', 'beside', '127.0.0.1'
FROM generate_series(1, %s) AS n
"""


def measure(sizes: Sequence[int]) -> Table:
    return Table(
        "retention: a day of lines goes while 50 lines at a time are inserted into today",
        f"milliseconds of each insert in {2 * QUIET_SECONDS:.0f} quiet seconds, and while the day or a copy of it goes",
        [_measure(size) for size in sizes],
    )


def _measure(size: int) -> Row:
    now = datetime.now(UTC)
    old = Window.day_of(floor(now, DAY) - (KEPT_DAYS + 1) * DAY)
    with place() as url:
        empty(url)
        with connect(url) as connection:
            make_days(connection, Window(old.since, now), now=now, kept_since=old.since)
        fill_day(url, size, old)
        with connect(url) as connection:
            compact_days(connection, now=now)
        return drop(url, old, size, now)


def drop(url: str, old: Window, size: int, now: datetime) -> Row:
    """Of a database whose only compact day is `old`, with `size` lines."""
    part = f"LogEntry_{old.since:%Y%m%d}"
    with connect(url) as connection:
        connection.execute("CHECKPOINT")
        copies = _copied([_written_out(file) for file in _files_of(connection, part)])
    before = _bytes_of_past(url)
    whole: list[int] = []
    with _inserts(url) as taken, connect(url) as connection:
        time.sleep(QUIET_SECONDS)
        begun = time.time()
        with _gone_at(url, part) as gone:
            drop_days(connection, before=now - KEPT_DAYS * DAY, record=whole.append)
            dropped = time.time()
        apply_retention(connection, now=now, days=KEPT_DAYS)
        ended = time.time()
        time.sleep(QUIET_SECONDS)
        removing = time.time()
        for copy in copies:
            copy.unlink()
        removed = time.time()
    left = count(url, f"""SELECT count(*) FROM "LogEntry" WHERE timestamp < '{old.until:%Y-%m-%d}'""")
    if len(whole) != 1 or abs(whole[0] - size) > size / 50 or left:
        raise RuntimeError(f"of {size:,} lines {whole} went with their day; {left:,} are left")
    quiet = [seconds for at, seconds in taken if at < begun or ended < at < removing]
    beside = [seconds for at, seconds in taken if at + seconds >= begun and at <= dropped]
    beside_rm = [seconds for at, seconds in taken if at + seconds >= removing and at <= removed]
    return {
        "lines": size,
        "day_mb": before / _MB,
        "returned_mb": (before - _bytes_of_past(url)) / _MB,
        "gone_for_others_s": gone[0] - begun,
        "drop_s": dropped - begun,
        "rm_s": removed - removing,
        "rest_of_retention_s": ended - dropped,
        "inserts_beside": len(beside),
        "p50_quiet_ms": median(quiet) * 1000,
        "p50_beside_ms": median(beside) * 1000,
        "times": median(beside) / median(quiet),
        "times_beside_rm": median(beside_rm) / median(quiet),
        "p99_quiet_ms": quantiles(quiet, n=100)[98] * 1000,
        "longest_quiet_ms": max(quiet) * 1000,
        "longest_beside_ms": max(beside) * 1000,
    }


def _files_of(connection: Connection, part: str) -> list[Path]:
    """Of its table and indexes, in pieces of 1 GB each, as PostgreSQL keeps them."""
    rows = connection.execute(_PATHS, {"part": f'"{part}"'})
    data = Path(os.environ["FLEEXMON_HOME"]) / "postgres"
    paths = [data / str(row["path"]) for row in rows]
    return [file for path in paths for file in (path, *path.parent.glob(f"{path.name}.*"))]


def _written_out(file: Path) -> Path:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return file


def _copied(files: list[Path]) -> list[Path]:
    """On the same disk, and written out too."""
    beside = Path(os.environ["FLEEXMON_HOME"]) / "copies"
    beside.mkdir()
    return [_written_out(Path(shutil.copy(file, beside))) for file in files]


@contextmanager
def _gone_at(url: str, part: str) -> Iterator[list[float]]:
    """When others no longer see the table: until then at most they have waited for its locks."""
    at: list[float] = []
    ready, dropped = Event(), Event()

    def look() -> None:
        with connect(url) as connection:
            there = True
            while there and not dropped.is_set():
                row = connection.execute("SELECT to_regclass(%s) IS NOT NULL AS there", [f'"{part}"']).fetchone()
                there = bool(row and row["there"])
                ready.set()
                time.sleep(0.005)
            at.append(time.time())

    thread = Thread(target=look)
    thread.start()
    ready.wait()
    try:
        yield at
    finally:
        dropped.set()
        thread.join()


@contextmanager
def _inserts(url: str) -> Iterator[list[tuple[float, float]]]:
    """A process that inserts inside `with`; afterwards when each insert began, and its seconds."""
    taken: list[tuple[float, float]] = []
    ours, theirs = SPAWN.Pipe()
    inserting = SPAWN.Process(target=_insert, args=(url, theirs))
    inserting.start()
    ours.recv()  # it has inserted once
    yield taken
    ours.send(None)
    taken += ours.recv()
    inserting.join()


def _bytes_of_past(url: str) -> int:
    """Of all parts but those that grow meanwhile."""
    of_parts = "SELECT sum(pg_total_relation_size(part))::bigint FROM line_parts()"
    return count(url, f"{of_parts} WHERE day < (now() AT TIME ZONE 'UTC')::date")


def _insert(url: str, pipe: Pipe) -> None:
    """Insert until told to stop; then send when each insert began, and its seconds."""
    taken = []
    with connect(url) as connection:
        while not pipe.poll():
            at, begun = time.time(), time.perf_counter()
            connection.execute(_INSERT.encode(), [LINES_AT_ONCE])
            taken.append((at, time.perf_counter() - begun))
            if len(taken) == 1:
                pipe.send(None)
    pipe.send(taken)
