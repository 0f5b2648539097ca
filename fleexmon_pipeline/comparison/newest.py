"""Each node's newest deployment against the live node, for the check of `detected_issues`.

Here: which window, which nodes, and the limits on its cost. A comparison never stops a run: a database error becomes a
sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from fleexmon_pipeline.comparison.deployments import Deployment, newest
from fleexmon_pipeline.comparison.read import Comparison, NothingToCompareError, compare_nodes
from fleexmon_pipeline.comparison.watch import AFTER, baseline_for, compared_windows
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import DAY, Window

SHOWN_FOR = DAY
MAX_SECONDS = 10  # of one statement
MAX_COMPARED = 4  # nodes, the newest deployments first: each takes 0.1 to 0.3 s


@dataclass(frozen=True)
class Newest:
    """`comparison` is None where there is nothing to compare; `sentence` then says why."""

    sentence: str
    comparison: Comparison | None = None


def compare_newest(
    connection: Connection, *, live: str | None, now: datetime, after: timedelta = AFTER
) -> list[Newest]:
    """Compare the lines since each node's newest deployment of the last day, up to `after`, in the windows that rules
    compare.

    Never raises for a database error.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
            deployed = newest(connection, Window(now - SHOWN_FOR, now), limit=MAX_COMPARED)
            return [_compared(connection, deployment, live, now, after) for deployment in deployed]
    except psycopg.Error as error:
        why = "took too long" if isinstance(error, psycopg.errors.QueryCanceled) else type(error).__name__
        return [Newest(f"could not be compared: {why}")]


def _compared(
    connection: Connection, deployed: Deployment, live: str | None, now: datetime, after: timedelta
) -> Newest:
    what = f"{deployed.node} {deployed.version}, deployed {deployed.at:%Y-%m-%d %H:%M} UTC"
    ended = [window for window in compared_windows(deployed, after) if window.until <= now]
    if not ended:
        return Newest(f"{what}: will be compared half an hour after the deployment")
    baseline = baseline_for(connection, deployed, ended[-1], live)
    if baseline is None:
        return Newest(f"{what}: not compared: LIVE_NODE names no other known node")
    try:
        return Newest(what, compare_nodes(connection, ended[-1], baseline, deployed.node))
    except NothingToCompareError as error:
        return Newest(f"{what}: {error}")
