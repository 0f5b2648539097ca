"""The summary of a day.

Here: which days, and where their pages are. Figures, Markdown and HTML: `reporting/`.
"""

import re
from datetime import datetime

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.asset import DAYS_ARE_FRESH, daily_asset, hours_of_day, is_by_hand
from fleexmon_pipeline.assets.hour_metadata import picture
from fleexmon_pipeline.channels.channel import Channel
from fleexmon_pipeline.channels.outbox import deliver_messages, enqueue_messages
from fleexmon_pipeline.channels.produce import message_of_digest
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.partitions import key_of_day, window_of
from fleexmon_pipeline.reporting.digests import Digest, write_digest
from fleexmon_pipeline.reporting.outbox import deliver
from fleexmon_pipeline.resources.channels import Channels
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.settings.page_urls import page_path
from fleexmon_pipeline.window import Window

MAX_SHOWN_CHARACTERS = 60_000
MAX_VERDICT_ITEMS = 8  # in a message to a channel
_MERMAID = re.compile(r"```mermaid\n.*?\n```\n*", re.DOTALL)


@daily_asset(
    deps=[hours_of_day("detected_issues"), hours_of_day("predictions")],
    freshness_policy=DAYS_ARE_FRESH,
    kinds={"markdown", "github"},
    writes=["LogDigest", "Outbox", "ChannelMessage"],
)
def digests(
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, github: GitHub, channels: Channels
) -> dg.MaterializeResult:
    """Writes one page per day: incidents, figures, charts, top and new patterns, coverage.

    Written at 08:00 UTC for the day before. Posted to GitHub once, and announced in channels with `digest: yes`.
    Missing data is reported, and corrected when the day is materialized again.
    """
    window, now = window_of(context), clock.now()
    targets, _ = channels.open()
    with postgres.connection() as connection:
        for day in window.days():
            digest = write_digest(
                connection, day, now=now, github=github.configured(), ui_url=settings.ui_url(),
                topology=settings.topology(),
            )  # fmt: skip
            context.log.info(f"{digest.title}: {digest.figures.verdict.sentence}")
            metadata = {
                "verdict": dg.MetadataValue.text(digest.figures.verdict.sentence),
                "page": dg.MetadataValue.url(page_path("digest", digest.figures.day)),
                "digest": dg.MetadataValue.md(_shown(digest, day)),
                "lines": dg.MetadataValue.int(round(digest.figures.total.lines)),
                "errors": dg.MetadataValue.int(round(digest.figures.total.errors)),
                "incidents": dg.MetadataValue.int(digest.figures.incidents.total),
                "dagster/row_count": dg.MetadataValue.int(1),
                "dagster/partition_row_count": dg.MetadataValue.int(1),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_day(day.since))
            _announce(connection, day, digest, targets, now=now)
        client = github.client()
        if client is None:
            context.log.info("not posted: ALERTS_REPO and GH_TOKEN are not set. Print it with `fleexmon digest`")
        else:
            context.log.info(deliver(connection, client, now=now, by_hand=is_by_hand(context)).sentence())
        if targets:
            deliveries = deliver_messages(connection, targets, now=now, by_hand=is_by_hand(context))
            context.log.info(deliveries.sentence())
    return dg.MaterializeResult()


def _shown(digest: Digest, day: Window) -> str:
    """The digest as the UI can show it: our chart replaces Mermaid's, which only GitHub draws."""
    chart = picture(f"Lines, warnings and errors of {digest.figures.day}", day)
    text, first_chart = _MERMAID.sub("", digest.markdown), _MERMAID.search(digest.markdown)
    if first_chart:
        before, after = digest.markdown[: first_chart.start()], digest.markdown[first_chart.end() :]
        text = f"{before}{chart}\n\n{_MERMAID.sub('', after)}"
    return f"# {digest.title}\n\n{text[:MAX_SHOWN_CHARACTERS]}"


def _announce(connection: Connection, day: Window, digest: Digest, channels: list[Channel], *, now: datetime) -> None:
    """Send the verdict and the items that it counts to channels with `digest: yes`."""
    verdict = digest.figures.verdict
    message = message_of_digest(day, digest.title, [verdict.sentence, *verdict.things[:MAX_VERDICT_ITEMS]], now=now)
    if message is not None:
        enqueue_messages(connection, [message], channels, now=now)
