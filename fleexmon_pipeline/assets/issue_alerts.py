"""Report incidents to people: on GitHub, and in the channels of FLEEXMON_CHANNELS.

Here: what the UI shows. Which incidents are reported, and how each is posted once: `reporting/` and `channels/`.
"""

from datetime import datetime

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.asset import Results, current_asset, is_by_hand, is_materializing, results
from fleexmon_pipeline.assets.checks import EVERYTHING_IS_SENT, check_sent
from fleexmon_pipeline.channels.channel import Channel
from fleexmon_pipeline.channels.outbox import deliver_messages, enqueue_messages
from fleexmon_pipeline.channels.overview import overview
from fleexmon_pipeline.channels.produce import lowest_severity, messages_of_incidents
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.reporting.alerts import refresh_alerts
from fleexmon_pipeline.reporting.feedback import read_feedback
from fleexmon_pipeline.reporting.github import GitHubClient, GitHubError
from fleexmon_pipeline.reporting.outbox import deliver, failed_deliveries
from fleexmon_pipeline.resources.channels import Channels
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.settings import page_path


@current_asset(
    deps=["analyzed_logs", "detected_issues", "predictions"],
    kinds={"github"},
    writes=["Outbox", "Incident", "ChannelMessage", "ChannelThread", "ChannelState"],
    check_specs=[EVERYTHING_IS_SENT],
)
def issue_alerts(
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, github: GitHub, channels: Channels
) -> Results:
    """Notifies people of incidents of the last 24 hours: on GitHub, if ALERTS_REPO is set, and in channels.

    An incident is one message, and another one only if it gets worse, reaches another node, ends or comes back. Failed
    deliveries are retried. Runs when something is due. A backfill of older hours notifies nobody.
    """
    now = clock.now()
    targets, problems = channels.open()
    with postgres.connection() as connection:
        metadata: dict[str, object] = {}
        if is_materializing(context):
            metadata = _send(context, connection, targets, now=now)
        # After the channels: an incomplete GitHub setting fails the run, and must not silence them.
        client = github.client()
        if is_materializing(context):
            metadata = _post(context, connection, client, now=now) | metadata | _rows(connection)
        failures = failed_deliveries(connection) if client else {}
        views = overview(connection, [channel.settings for channel in targets], now=now)
    problems += filter(None, (view.problem() for view in views))
    check = check_sent([*(f"{key}: {reason}" for key, reason in failures.items()), *problems])
    yield from results(context, [check], metadata)


def _rows(connection: Connection) -> dict[str, object]:
    row = connection.execute(statements("outbox")["rows"]).fetchone() or {"rows": 0}
    return {"dagster/row_count": row["rows"], "page": dg.MetadataValue.url(page_path("incident"))}


def _post(
    context: dg.AssetExecutionContext, connection: Connection, client: GitHubClient | None, *, now: datetime
) -> dict[str, object]:
    if client is None:
        context.log.info("nothing posted to GitHub: ALERTS_REPO and GH_TOKEN are not set")
        return {"sent": 0, "configured": False}
    try:
        context.log.info(read_feedback(connection, client, now=now).sentence())
    except GitHubError as error:
        context.log.warning(f"actions on GitHub could not be read, and are retried: {error}")
    changes = refresh_alerts(connection, now=now, topology=settings.topology(), ui_url=settings.ui_url())
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


def _send(
    context: dg.AssetExecutionContext, connection: Connection, channels: list[Channel], *, now: datetime
) -> dict[str, object]:
    if not channels:
        return {}
    refresh_incidents(connection, settings.topology())
    min_severity = lowest_severity([channel.settings for channel in channels])
    enqueue_messages(
        connection,
        messages_of_incidents(connection, now=now, min_severity=min_severity, ui_url=settings.ui_url()),
        channels,
        now=now,
    )
    deliveries = deliver_messages(connection, channels, now=now, by_hand=is_by_hand(context))
    context.log.info(deliveries.sentence())
    return {
        "channels": len(channels), "messages_sent": len(deliveries.sent), "messages_waiting": deliveries.waiting,
    }  # fmt: skip
