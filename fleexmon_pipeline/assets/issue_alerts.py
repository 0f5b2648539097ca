"""High and critical issues on GitHub: created once, commented on when they get worse, closed when resolved.

Here: what a person sees. Which issues, and how each is posted once: `reporting/`.
"""

from datetime import datetime

import dagster as dg

from fleexmon_pipeline.assets.asset import Results, current_asset, is_by_hand, is_materializing, results
from fleexmon_pipeline.assets.checks import EVERYTHING_IS_SENT, check_sent
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.reporting.alerts import refresh_alerts
from fleexmon_pipeline.reporting.github import GitHubClient
from fleexmon_pipeline.reporting.outbox import deliver, failed_deliveries
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres


@current_asset(
    deps=["analyzed_logs", "detected_issues", "predictions"],
    group_name="report",
    kinds={"github"},
    writes=["Outbox"],
    check_specs=[EVERYTHING_IS_SENT],
)
def issue_alerts(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, github: GitHub) -> Results:
    """Brings GitHub in line with the issues of the last 24 hours, if ALERTS_REPO is set."""
    client = github.client()
    with postgres.connection() as connection:
        metadata = _post(context, connection, client, now=clock.now()) if is_materializing(context) else {}
        failures = failed_deliveries(connection) if client else {}
    check = check_sent([f"{key}: {reason}" for key, reason in failures.items()])
    yield from results(context, [check], metadata)


def _post(
    context: dg.AssetExecutionContext, connection: Connection, client: GitHubClient | None, *, now: datetime
) -> dict[str, object]:
    if client is None:
        context.log.info("nothing to send: ALERTS_REPO and GH_TOKEN are not set")
        return {"sent": 0, "configured": False}
    changes = refresh_alerts(connection, now=now)
    delivery = deliver(connection, client, now=now, by_hand=is_by_hand(context))
    context.log.info(delivery.sentence())
    return {
        "sent": len(delivery.sent),
        "waiting": delivery.waiting,
        "opened": len(changes.opened),
        "commented": len(changes.commented),
        "closed": len(changes.closed),
        "configured": True,
    }
