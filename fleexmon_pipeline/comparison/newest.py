"""Each node's newest deployment against the live node: what the check of `detected_issues` shows.

Here: which window, which nodes, and what it may cost. A comparison never stops a run: whatever the database says to it
becomes a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from fleexmon_pipeline.comparison.deployments import Deployment, newest
from fleexmon_pipeline.comparison.read import Comparison, NothingToCompareError, compare_nodes
from fleexmon_pipeline.comparison.watch import AFTER, baseline_for, stretches
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import DAY, Window

TOLD_FOR = DAY  # a deployment is no news longer
MAX_SECONDS = 10  # of one statement
MAX_COMPARED = 4  # nodes, the newest deployments first: each takes 0.1 to 0.3 s


@dataclass(frozen=True)
class Newest:
    """`comparison` is None where there is nothing to compare; `told` then says why."""

    told: str
    comparison: Comparison | None = None


def compare_newest(
    connection: Connection, *, live: str | None, now: datetime, after: timedelta = AFTER
) -> list[Newest]:
    """Compare what came since each node's newest deployment of the last day, `after` at most, in the stretches that
    rules compare.

    Never raises for what the database says.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
            found = newest(connection, Window(now - TOLD_FOR, now), most=MAX_COMPARED)
            return [_compared(connection, each, live, now, after) for each in found]
    except psycopg.Error as error:
        told = "took too long" if isinstance(error, psycopg.errors.QueryCanceled) else type(error).__name__
        return [Newest(f"could not be compared: {told}")]


def _compared(connection: Connection, found: Deployment, live: str | None, now: datetime, after: timedelta) -> Newest:
    what = f"{found.node} {found.version}, deployed {found.at:%Y-%m-%d %H:%M} UTC"
    ended = [each for each in stretches(found, after) if each.until <= now]
    if not ended:
        return Newest(f"{what}: compared when half an hour has passed")
    baseline = baseline_for(connection, found, ended[-1], live)
    if baseline is None:
        return Newest(f"{what}: not compared, as LIVE_NODE names no other node that is known")
    try:
        return Newest(what, compare_nodes(connection, ended[-1], baseline, found.node))
    except NothingToCompareError as error:
        return Newest(f"{what}: {error}")
