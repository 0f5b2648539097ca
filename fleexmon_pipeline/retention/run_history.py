"""Prune Dagster's own event log, which otherwise grows with every tick.

Not with `instance.delete_run`: it manages 33 runs a second and marks their partitions as not materialized. The runs and
the newest materialization and check of each asset and partition stay; the steps' log lines are deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.database.statements import statements

MAX_AGE = timedelta(days=14)
BATCH_ROWS = 10_000  # per transaction: the daemon writes to the same table


def prune_run_history(*, now: datetime, max_age: timedelta = MAX_AGE) -> int:
    """Delete events older than `max_age`; returns how many. 0 where Dagster keeps its history elsewhere."""
    sql = statements("run_history")
    total = 0
    with psycopg.connect(make_conninfo(**dagster_conninfo()), autocommit=True) as connection:
        row = connection.execute(sql["has_events"]).fetchone()
        if not (row and row[0]):
            return 0
        while True:
            deleted = connection.execute(
                sql["prune"], {"before": (now - max_age).replace(tzinfo=None), "batch": BATCH_ROWS}
            ).rowcount
            total += deleted
            if deleted < BATCH_ROWS:
                return total
