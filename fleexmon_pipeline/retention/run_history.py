"""Prune Dagster's own history, which otherwise grows with every tick: events, and runs that nothing is shown of.

Not with `instance.delete_run`: it manages 33 runs a second and marks their partitions as not materialized. The newest
materialization and check of each asset and of each partition that the UI lists stay, and their runs; the steps' log
lines are deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import DAY, floor

MAX_AGE = timedelta(days=14)
BATCH_ROWS = 10_000  # per transaction: the daemon writes to the same table
BATCH_RUNS = 500  # with some ten events each by then


class Pruned(NamedTuple):
    events: int
    runs: int


def prune_run_history(*, now: datetime, kept: timedelta, max_age: timedelta = MAX_AGE) -> Pruned:
    """Delete what is older than `max_age`; returns how much. Nothing where Dagster keeps its history elsewhere.

    kept: how long lines are kept. The UI lists no older hour (`assets/listing.py`); 24 runs a day would stay for ever.
    """
    sql = statements("run_history")
    before = (now - max_age).replace(tzinfo=None)
    first_hour = f"{floor(now - kept, DAY):%Y-%m-%d-%H:%M}"  # as keys of partitions are written
    with psycopg.connect(make_conninfo(**dagster_conninfo()), autocommit=True) as connection:
        row = connection.execute(sql["has_events"]).fetchone()
        if not (row and row[0]):
            return Pruned(0, 0)
        events = runs = 0
        deleted = BATCH_ROWS
        while deleted == BATCH_ROWS:
            deleted = connection.execute(sql["prune"], {"before": before, "batch": BATCH_ROWS}).rowcount
            events += deleted
        last: int | None = 0
        while last is not None:
            page = {"before": before, "after": last, "batch": BATCH_RUNS, "first_hour": first_hour}
            last, of_page, events_of_page = connection.execute(sql["delete_runs"], page).fetchone() or (None, 0, 0)
            runs += of_page
            events += events_of_page
        return Pruned(events, runs)
