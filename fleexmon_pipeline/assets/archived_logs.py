"""Move the lines of cold days from the database into files.

Here: which days, and what a person sees. How a day is moved: `retention/cold_days.py`.
"""

import os
from datetime import datetime

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.archive.storage import ArchiveError, storage_of
from fleexmon_pipeline.assets.asset import Results, daily_asset, is_materializing, results
from fleexmon_pipeline.assets.checks import ARCHIVE_IS_WHOLE, check_archive
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.lookup.archive import archive_state, problems_of
from fleexmon_pipeline.partitions import COLD_DAYS, key_of_day, window_of
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.retention.cold_days import ArchivedAccount, archive_day, is_cold
from fleexmon_pipeline.settings import SettingError, page_path


@daily_asset(
    kinds={"duckdb", "parquet"}, writes=["ArchivedDay"], partitions_def=COLD_DAYS, check_specs=[ARCHIVE_IS_WHOLE]
)
def archived_logs(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock) -> Results:
    """Moves log lines of cold days to Parquet files in a directory or bucket. Off unless FLEEXMON_ARCHIVE is set.

    A day older than FLEEXMON_HOT_DAYS is written to a file, read back and compared. Then its lines are deleted from the
    database. Commands and pages still find them. The next run merges late lines into the file. Runs daily at 03:00 UTC.
    `fleexmon archive restore` puts a day back into the database.
    """
    now = clock.now()
    with postgres.connection() as connection:
        if is_materializing(context):
            _archive(context, connection, now)
        try:
            problems = problems_of(archive_state(connection, os.environ, now=now))
        except SettingError as error:
            problems = [str(error)]
    yield from results(context, [check_archive(problems)])


def _archive(context: dg.AssetExecutionContext, connection: Connection, now: datetime) -> None:
    try:
        configured = settings.archive()
    except SettingError as error:
        raise dg.Failure(description=f"nothing was archived. {error}", allow_retries=False) from None
    if configured is None:
        raise dg.Failure(
            description="nothing was archived. FLEEXMON_ARCHIVE is not set: every line stays in the database.",
            allow_retries=False,
        )
    days = list(window_of(context).days())
    cold = [day for day in days if is_cold(day, now=now, hot_days=configured.hot_days)]
    if not cold:
        raise dg.Failure(
            description=f"nothing was archived. {key_of_day(days[0].since)} is not cold: FLEEXMON_HOT_DAYS is "
            f"{configured.hot_days}.",
            allow_retries=False,
        )
    try:
        storage = storage_of(configured)
        for day in cold:
            account = archive_day(connection, storage, day, now=now, run=context.run.run_id, progress=context.log.debug)
            context.log.info(account.sentence())
            context.add_asset_metadata(_metadata(account), partition_key=key_of_day(day.since))
    except ArchiveError as error:
        raise dg.Failure(description=f"not everything was archived. {error}") from None


def _metadata(account: ArchivedAccount) -> dict[str, dg.MetadataValue]:
    archived, removed = account.archived, account.removed
    metadata: dict[str, dg.MetadataValue] = {
        "removed": dg.MetadataValue.int(removed.removed),
        "kept": dg.MetadataValue.md(
            f"{removed.unanalyzed:,} lines are not analyzed yet, {removed.evidence:,} are evidence of open issues, "
            f"{removed.others:,} are new or locked"
        ),
        "page": dg.MetadataValue.url(page_path("line")),
    }
    if archived:
        metadata |= {
            "lines": dg.MetadataValue.int(archived.lines),
            "bytes": dg.MetadataValue.int(archived.bytes),
            "bytes_per_line": dg.MetadataValue.float(round(archived.bytes / max(archived.lines, 1), 1)),
            "file": dg.MetadataValue.text(archived.file),
        }
    return metadata
