"""The summary of a day.

Here: which days, and where their pages are. Figures, Markdown and HTML: `reporting/`.
"""

import dagster as dg

from fleexmon_pipeline.assets.asset import daily_asset, hours_of_day, is_by_hand
from fleexmon_pipeline.partitions import key_of_day, window_of
from fleexmon_pipeline.reporting.digests import write_digest
from fleexmon_pipeline.reporting.outbox import deliver
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres

MAX_SHOWN_CHARACTERS = 60_000


@daily_asset(
    deps=[hours_of_day("detected_issues"), hours_of_day("predictions")],
    group_name="report",
    kinds={"markdown", "github"},
    writes=["LogDigest", "Outbox"],
)
def digests(
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, github: GitHub
) -> dg.MaterializeResult:
    """One page per day: figures, charts, top and new patterns, open issues, coverage. Posted to GitHub once."""
    window, now = window_of(context), clock.now()
    with postgres.connection() as connection:
        for day in window.days():
            digest = write_digest(connection, day, now=now, github=github.configured())
            context.log.info(f"{digest.title}: {digest.figures.verdict.sentence}")
            metadata = {
                "verdict": dg.MetadataValue.text(digest.figures.verdict.sentence),
                "digest": dg.MetadataValue.md(digest.markdown[:MAX_SHOWN_CHARACTERS]),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_day(day.since))
        client = github.client()
        if client is None:
            context.log.info("not posted: ALERTS_REPO and GH_TOKEN are not set. Read it with `fleexmon digest`")
        else:
            context.log.info(deliver(connection, client, now=now, by_hand=is_by_hand(context)).sentence())
    return dg.MaterializeResult()
