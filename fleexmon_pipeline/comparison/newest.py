"""Each node's newest deployment against the live node: what the check of `detected_issues` shows.

Here: which window, which nodes, and what it may cost. A comparison never stops a run: whatever the database says to it
becomes a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from fleexmon_pipeline.comparison.deployments import Deployment, newest, notice
from fleexmon_pipeline.comparison.read import (
    COLOURS,
    Comparison,
    NothingToCompareError,
    compare_nodes,
    known_nodes,
    live_node,
)
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor

AFTER = timedelta(hours=2)
TOLD_FOR = DAY  # a deployment is no news longer
MOST_SECONDS = 10  # of one statement
MOST_COMPARED = 4  # nodes, the newest deployments first: each takes 0.1 to 0.3 s


@dataclass(frozen=True)
class Newest:
    """`comparison` is None where there is nothing to compare; `told` then says why."""

    told: str
    comparison: Comparison | None = None


def compare_newest(connection: Connection, window: Window, *, live: str | None, now: datetime) -> list[Newest]:
    """Notice what the window's lines announce, then compare the first two hours of each node's newest deployment.

    Never raises for what the database says.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'".encode())
            for hour in window.hours():
                if now - hour.until <= TOLD_FOR:
                    notice(connection, hour)
            found = newest(connection, Window(now - TOLD_FOR, now), most=MOST_COMPARED)
            return [_compared(connection, each, live, now) for each in found]
    except psycopg.Error as error:
        told = "took too long" if isinstance(error, psycopg.errors.QueryCanceled) else type(error).__name__
        return [Newest(f"could not be compared: {told}")]


def _compared(connection: Connection, found: Deployment, live: str | None, now: datetime) -> Newest:
    begin = floor(found.at, SLOT)
    window = Window(begin, begin + AFTER).ended(now)
    what = f"{found.node} {found.version}, deployed {found.at:%Y-%m-%d %H:%M} UTC"
    if window.length < HOUR:
        return Newest(f"{what}: compared when an hour has passed")
    known = known_nodes(connection)
    baseline = live_node(connection, window, known, live)
    if baseline == found.node:  # it is live already: the other colour was, before
        baseline = next((each for each in COLOURS if each != found.node and each in known), None)
    if baseline is None or baseline not in known or (live is None and found.node not in COLOURS):
        return Newest(f"{what}: not compared, as LIVE_NODE names no other node that is known")
    try:
        return Newest(what, compare_nodes(connection, window, baseline, found.node))
    except NothingToCompareError as error:
        return Newest(f"{what}: {error}")
