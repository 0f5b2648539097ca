"""High and critical issues on GitHub: created once, commented on when they get worse, closed when resolved.

Here: what a person sees. Which issues, and how each is posted once: `reporting/`.
"""

import dagster as dg

from fleexmon_pipeline.assets.asset import current_asset
from fleexmon_pipeline.assets.checks import EVERYTHING_IS_SENT, check_sent
from fleexmon_pipeline.reporting.alerts import refresh_alerts
from fleexmon_pipeline.reporting.outbox import deliver
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
def issue_alerts(
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, github: GitHub
) -> dg.MaterializeResult:
    """Brings GitHub in line with the issues of the last 24 hours, if ALERTS_REPO is set."""
    client = github.client()
    if client is None:
        context.log.info("nothing to send: ALERTS_REPO and GH_TOKEN are not set")
        return dg.MaterializeResult(metadata={"sent": 0, "configured": False}, check_results=[check_sent([])])
    now = clock.now()
    with postgres.connection() as connection:
        changes = refresh_alerts(connection, now=now)
        delivery = deliver(connection, client, now=now)
    context.log.info(delivery.sentence())
    metadata = {
        "sent": len(delivery.sent),
        "waiting": delivery.waiting,
        "opened": len(changes.opened),
        "commented": len(changes.commented),
        "closed": len(changes.closed),
        "configured": True,
    }
    failures = [f"{key}: {reason}" for key, reason in delivery.failed.items()]
    return dg.MaterializeResult(metadata=metadata, check_results=[check_sent(failures)])
