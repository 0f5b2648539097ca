"""Dagster's own event log grows with every tick, for ever: what of it may go.

Not with `instance.delete_run`: it does 33 runs a second and makes their partitions unmaterialised. Kept are the runs
themselves and the newest materialisation and check of each asset and partition; what goes are the steps' log lines.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.database.statements import statements

KEPT = timedelta(days=14)
BATCH = 10_000  # rows a transaction: the daemon writes into the same table


def prune_run_history(*, now: datetime, kept: timedelta = KEPT) -> int:
    """Delete events older than `kept`; returns how many. 0 where Dagster keeps its history elsewhere."""
    sql = statements("run_history")
    total = 0
    with psycopg.connect(make_conninfo(**dagster_conninfo()), autocommit=True) as connection:
        found = connection.execute(sql["has_events"]).fetchone()
        if not (found and found[0]):
            return 0
        while True:
            gone = connection.execute(
                sql["prune"], {"before": (now - kept).replace(tzinfo=None), "batch": BATCH}
            ).rowcount
            total += gone
            if gone < BATCH:
                return total
