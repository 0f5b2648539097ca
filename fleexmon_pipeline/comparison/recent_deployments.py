"""Compare the deployments of the last day with the live node, for the check of `detected_issues`.

Here: which window, which nodes, and the limits on the cost. A database error becomes a sentence, so that a comparison
never stops a run.
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
class DeploymentResult:
    """`comparison` is None if there was nothing to compare; `sentence` then says why."""

    sentence: str
    comparison: Comparison | None = None


def compare_recent_deployments(
    connection: Connection, *, live: str | None, now: datetime, after: timedelta = AFTER
) -> list[DeploymentResult]:
    """Compare the lines since each deployment of the last day, up to `after`, in the windows that rules compare.

    All of them, as a later deployment may have been recorded by mistake and must not hide the earlier one. Newest
    first. Never raises for a database error.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
            listed = deployments(connection, Window(now - SHOWN_FOR, now))
            compared = _newest_of_each_node_first(listed)[:MAX_COMPARED]
            return [
                compare_deployment(connection, deployment, live=live, now=now, after=after)
                if deployment in compared
                else DeploymentResult(f"{_title(deployment)}: not compared: others of the last day are newer")
                for deployment in listed
            ]
    except psycopg.Error as error:
        reason = "took too long" if isinstance(error, psycopg.errors.QueryCanceled) else type(error).__name__
        return [DeploymentResult(f"could not be compared: {reason}")]


def _newest_of_each_node_first(listed: Sequence[Deployment]) -> list[Deployment]:
    """The newest of each node, then the second of each: restarts of blue must not hide a deployment to green."""
    count_by_node: Counter[str] = Counter()
    ranked = []
    for deployment in listed:
        ranked.append((count_by_node[deployment.node], deployment))
        count_by_node[deployment.node] += 1
    return [deployment for _, deployment in sorted(ranked, key=lambda ranked_deployment: ranked_deployment[0])]


def _title(deployed: Deployment) -> str:
    return f"{deployed.node} {deployed.version}, deployed {deployed.at:%Y-%m-%d %H:%M} UTC"


def compare_deployment(
    connection: Connection, deployed: Deployment, *, live: str | None, now: datetime, after: timedelta = AFTER
) -> DeploymentResult:
    """Compare the longest window of this deployment that has ended."""
    name = _title(deployed)
    ended = [window for window in compared_windows(deployed, after) if window.until <= now]
    if not ended and deployed.until:
        return DeploymentResult(
            f"{name}: not compared: another version came at {deployed.until:%H:%M}, within half an hour"
        )
    if not ended:
        return DeploymentResult(f"{name}: will be compared half an hour after the deployment")
    baseline = baseline_for(connection, deployed, ended[-1], live)
    if baseline is None:
        return DeploymentResult(f"{name}: not compared: LIVE_NODE names no other known node")
    try:
        return DeploymentResult(name, compare_nodes(connection, ended[-1], baseline, deployed.node))
    except NothingToCompareError as error:
        return DeploymentResult(f"{name}: {error}")
