"""Delete rows past their retention: lines by whole days, the rest in small batches.

Here: from which day ages are counted, and what the UI shows. What may be deleted: `retention/`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.archive.days import ArchivedDay, all_days
from fleexmon_pipeline.archive.storage import ArchiveError, configured_storage
from fleexmon_pipeline.assets.asset import daily_asset
from fleexmon_pipeline.catch_up import forget_waiting
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.partitions import DAILY_WITH_TODAY, window_of
from fleexmon_pipeline.patterns.day_sums import sum_days
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.retention.cold_days import delete_stale_files, expire_days
from fleexmon_pipeline.retention.days import compact_days
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.retention.run_history import prune_run_history
from fleexmon_pipeline.settings import SettingError, page_path


@daily_asset(kinds={"postgres"}, writes=[], partitions_def=DAILY_WITH_TODAY)
def data_retention(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock) -> dg.MaterializeResult:
    """Deletes old rows: log lines by whole days, the rest in small batches. Sums up the patterns of the day before.

    Log lines are kept for LOG_RETENTION_DAYS, longer if they are not analyzed yet or are evidence of an open issue.
    Counts are kept for 400 days, digests forever. Runs daily at 02:00 UTC.
    """
    try:
        days = settings.retention_days()
    except SettingError as error:
        raise dg.Failure(description=f"nothing was deleted. {error}", allow_retries=False) from None
    # Event time: running a past day again deletes nothing that the day itself would have kept.
    now = min(clock.now(), window_of(context).until)
    problems: list[str] = []
    with postgres.connection() as connection:
        account = apply_retention(connection, now=now, days=days, progress=lambda text: context.log.info(str(text)))
        compacted = compact_days(connection, now=now)
        summed = sum_days(connection, now=now)
        forget_waiting(connection, before=now - timedelta(days=days))
        if archived := all_days(connection):
            lines, problems = _expire_archive(connection, archived, before=now - timedelta(days=days))
            account.deleted["archived lines"] = lines
    context.log.info(f"{account.sentence()}; {compacted} days of lines compacted, patterns of {summed} days summed")
    pruned = prune_run_history(now=now, kept=timedelta(days=days))
    context.log.info(f"deleted {pruned.events:,} events of old runs, and {pruned.runs:,} runs with them")
    metadata: dict[str, dg.MetadataValue] = {
        table: dg.MetadataValue.int(count) for table, count in account.deleted.items()
    }
    metadata["kept"] = dg.MetadataValue.md(
        f"{account.kept_unanalyzed:,} old lines are kept because they are not analyzed yet, "
        f"{account.kept_evidence:,} as evidence of open issues"
    )
    metadata["run_events"] = dg.MetadataValue.int(pruned.events)
    metadata["runs"] = dg.MetadataValue.int(pruned.runs)
    metadata["page"] = dg.MetadataValue.url(page_path("now"))
    metadata["deleted"] = dg.MetadataValue.int(sum(account.deleted.values()))
    if problems:
        raise dg.Failure(description=f"everything else was deleted. {' '.join(problems)}")
    return dg.MaterializeResult(metadata=metadata)


def _expire_archive(
    connection: Connection, archived: Sequence[ArchivedDay], *, before: datetime
) -> tuple[int, list[str]]:
    """How many archived lines were deleted, and what could not be."""
    lines, problems = expire_days(connection, configured_storage, before=before)
    if any(day.stale for day in archived):
        try:
            delete_stale_files(connection, configured_storage(), all_days(connection))
        except ArchiveError as error:
            problems.append(f"files that are no longer used could not be deleted: {error}")
    return lines, problems
