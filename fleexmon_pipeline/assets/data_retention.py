"""What is old goes, in small batches.

Here: counted from which day, and what a person sees. What may go: `retention/`.
"""

from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.catch_up import forget_waiting
from fleexmon_pipeline.partitions import DAILY, ONE_RUN, window_of
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.retention.run_history import prune_run_history
from fleexmon_pipeline.settings import SettingError


@dg.asset(
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    group_name="fleexmon",
    kinds={"postgres"},
)
def data_retention(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock) -> dg.MaterializeResult:
    """Goes: lines older than LOG_RETENTION_DAYS, analysed and no open issue's evidence; old issues and run events."""
    try:
        days = settings.retention_days()
    except SettingError as error:
        raise dg.Failure(description=f"nothing was deleted. {error}", allow_retries=False) from None
    # Event time: the retention of a past day, run again, deletes nothing that the day itself would have kept.
    now = min(clock.now(), window_of(context).until)
    with postgres.connection() as connection:
        account = apply_retention(connection, now=now, days=days, progress=lambda told: context.log.info(str(told)))
        forget_waiting(connection, before=now - timedelta(days=days))
    context.log.info(account.sentence())
    pruned = prune_run_history(now=now)
    context.log.info(f"{pruned:,} events of old runs")
    metadata: dict[str, dg.MetadataValue] = {
        table: dg.MetadataValue.int(count) for table, count in account.deleted.items()
    }
    metadata["kept"] = dg.MetadataValue.md(
        f"{account.kept_unanalyzed:,} old lines wait for their analysis, {account.kept_evidence:,} are evidence"
    )
    metadata["run_events"] = dg.MetadataValue.int(pruned)
    return dg.MaterializeResult(metadata=metadata)
