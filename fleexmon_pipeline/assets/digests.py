"""What a person reads in the morning.

Here: which days, and where their pages are. Figures, Markdown and HTML: `reporting/`.
"""

import warnings

import dagster as dg

from fleexmon_pipeline.partitions import DAILY, ONE_RUN, key_of_day, window_of
from fleexmon_pipeline.reporting.digests import write_digest
from fleexmon_pipeline.reporting.outbox import deliver
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres

# The day that runs has hours that do not exist yet. The parameter is marked beta; what we rely on is tested.
warnings.filterwarnings("ignore", "Parameter `allow_nonexistent_upstream_partitions`", category=dg.BetaWarning)
ITS_HOURS = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


@dg.asset(
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[
        dg.AssetDep("detected_issues", partition_mapping=ITS_HOURS),
        dg.AssetDep("predictions", partition_mapping=ITS_HOURS),
    ],
    group_name="fleexmon",
    kinds={"markdown", "github"},
)
def digests(
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, github: GitHub
) -> dg.MaterializeResult:
    """One page a day: figures, charts, top and new patterns, open issues, coverage. Posted to GitHub once."""
    window, now = window_of(context), clock.now()
    with postgres.connection() as connection:
        for day in window.days():
            digest = write_digest(connection, day, now=now, github=github.configured())
            context.log.info(f"{digest.title}: {digest.figures.verdict.sentence}")
            metadata = {
                "verdict": dg.MetadataValue.text(digest.figures.verdict.sentence),
                "digest": dg.MetadataValue.md(digest.markdown[:60_000]),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_day(day.since))
        client = github.client()
        if client is None:
            context.log.info(
                "not posted: ALERTS_REPO and GH_TOKEN are not set; `fleexmon digest --date` shows the page"
            )
        else:
            context.log.info(deliver(connection, client, now=now).sentence())
    return dg.MaterializeResult()
