"""A day of lines past its retention is deleted while another program inserts: how long it takes, and who waits.

Here: the day was written compact when it was over, as every night, and goes through `data_retention`'s own functions.
Beside it a second process inserts 50 lines at a time into today, as a program that writes "LogEntry" itself does, and
notes how long each insert took.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from statistics import median, quantiles

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.retention.days import compact_days, drop_days
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.window import DAY, Window, floor
from fleexmon_pipeline_tests.bench.place import SPAWN, count, empty, place
from fleexmon_pipeline_tests.bench.stored_month import fill_day
from fleexmon_pipeline_tests.bench.table import Row, Table

KEPT_DAYS = 3
LINES_AT_ONCE = 50
BEFORE_SECONDS = 5.0
_MB = 1_000_000
_INSERT = """
INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname)
SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || substr(gen_random_uuid()::text, 14))::uuid,
  now() AT TIME ZONE 'UTC', 'info', 'request ' || n || ' answered with 200', 'beside', '127.0.0.1'
FROM generate_series(1, %s) AS n
"""


def measure(sizes: Sequence[int]) -> Table:
    return Table(
        "retention: a day of lines goes while 50 lines at a time are inserted into today",
        f"inserts: milliseconds each, {BEFORE_SECONDS:.0f} s before and while it goes",
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
        before = _bytes_of_past(url)
        ours, theirs = SPAWN.Pipe()
        inserting = SPAWN.Process(target=_insert, args=(url, theirs))
        inserting.start()
        ours.recv()  # it has inserted once
        time.sleep(BEFORE_SECONDS)
        with connect(url) as connection:
            whole: list[int] = []
            begun = time.time()
            drop_days(connection, before=now - KEPT_DAYS * DAY, record=whole.append)
            dropped = time.time()
            apply_retention(connection, now=now, days=KEPT_DAYS)
            ended = time.time()
        ours.send(None)
        taken: list[tuple[float, float]] = ours.recv()
        inserting.join()
        left = count(url, f"""SELECT count(*) FROM "LogEntry" WHERE timestamp < '{old.until:%Y-%m-%d}'""")
        if len(whole) != 1 or abs(whole[0] - size) > size / 50 or left:
            raise RuntimeError(f"of {size:,} lines {whole} went with their day; {left:,} are left")
        quiet = [seconds for at, seconds in taken if at < begun]
        beside = [seconds for at, seconds in taken if at + seconds >= begun and at <= dropped]
        return {
            "lines": size,
            "day_mb": before / _MB,
            "drop_s": dropped - begun,
            "rest_of_retention_s": ended - dropped,
            "returned_mb": (before - _bytes_of_past(url)) / _MB,
            "inserts_beside": len(beside),
            "p50_before_ms": median(quiet) * 1000,
            "p50_beside_ms": median(beside) * 1000,
            "times": median(beside) / median(quiet),
            "p99_before_ms": quantiles(quiet, n=100)[98] * 1000,
            "longest_before_ms": max(quiet) * 1000,
            "longest_beside_ms": max(beside) * 1000,
        }


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
