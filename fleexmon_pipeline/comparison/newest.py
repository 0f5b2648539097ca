"""The deployments of the last day against the live node, for the check of `detected_issues`.

Here: which window, which nodes, and the limits on its cost. A comparison never stops a run: a database error becomes a
sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from fleexmon_pipeline.comparison.deployments import Deployment, deployments
from fleexmon_pipeline.comparison.read import Comparison, NothingToCompareError, compare_nodes
from fleexmon_pipeline.comparison.watch import AFTER, baseline_for, compared_windows
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import DAY, Window

SHOWN_FOR = DAY
MAX_SECONDS = 10  # of one statement
MAX_COMPARED = 4  # deployments: each takes 0.1 to 0.3 s


@dataclass(frozen=True)
class Newest:
    """`comparison` is None where there is nothing to compare; `sentence` then says why."""

    sentence: str
    comparison: Comparison | None = None


def compare_newest(
    connection: Connection, *, live: str | None, now: datetime, after: timedelta = AFTER
) -> list[Newest]:
    """Compare the lines since each deployment of the last day, up to `after`, in the windows that rules compare. A
    later one must not hide how an earlier one did: it may have been recorded by mistake.

    Newest first. Never raises for a database error.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
            listed = deployments(connection, Window(now - SHOWN_FOR, now))
            compared = _first_of_each_node(listed)[:MAX_COMPARED]
            return [
                compare_deployment(connection, deployment, live=live, now=now, after=after)
                if deployment in compared
                else Newest(f"{_what(deployment)}: not compared: others of the last day are newer")
                for deployment in listed
            ]
    except psycopg.Error as error:
        why = "took too long" if isinstance(error, psycopg.errors.QueryCanceled) else type(error).__name__
        return [Newest(f"could not be compared: {why}")]


def _first_of_each_node(listed: Sequence[Deployment]) -> list[Deployment]:
    """The newest of each node, then the second of each: restarts of blue must not hide a deployment to green."""
    count: Counter[str] = Counter()
    places = []
    for deployment in listed:
        places.append((count[deployment.node], deployment))
        count[deployment.node] += 1
    return [deployment for _, deployment in sorted(places, key=lambda one: one[0])]


def _what(deployed: Deployment) -> str:
    return f"{deployed.node} {deployed.version}, deployed {deployed.at:%Y-%m-%d %H:%M} UTC"


def compare_deployment(
    connection: Connection, deployed: Deployment, *, live: str | None, now: datetime, after: timedelta = AFTER
) -> Newest:
    """The longest of its windows that has ended."""
    what = _what(deployed)
    ended = [window for window in compared_windows(deployed, after) if window.until <= now]
    if not ended and deployed.until:
        return Newest(f"{what}: not compared: another version came at {deployed.until:%H:%M}, within half an hour")
    if not ended:
        return Newest(f"{what}: will be compared half an hour after the deployment")
    baseline = baseline_for(connection, deployed, ended[-1], live)
    if baseline is None:
        return Newest(f"{what}: not compared: LIVE_NODE names no other known node")
    try:
        return Newest(what, compare_nodes(connection, ended[-1], baseline, deployed.node))
    except NothingToCompareError as error:
        return Newest(f"{what}: {error}")
