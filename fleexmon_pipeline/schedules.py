"""When stages run automatically. `sensors.py` requests hours that were missed while nothing ran.

Each request has its own run key: Dagster never starts two runs for one key, and most hours run 14 times.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from fleexmon_pipeline import jobs, settings
from fleexmon_pipeline.partitions import key_of_day, key_of_hour
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.retention.cold_days import waiting_days
from fleexmon_pipeline.ticks import Tick, groups_of, tick_tags
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor

ON = dg.DefaultScheduleStatus.RUNNING
MAX_DAYS_AT_ONCE = 31  # a first archive of a month, one run after the other


def _scheduled_at(context: dg.ScheduleEvaluationContext) -> datetime:
    return context.scheduled_execution_time.astimezone(UTC)


@dg.schedule(
    job=jobs.monitoring,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=ON,
    description="Every 5 minutes: collect, analyze and evaluate the hour of the slot that just ended.",
)
def monitoring_every_5_minutes(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    slot = floor(_scheduled_at(context), SLOT) - SLOT
    key = key_of_hour(Window.hour_of(slot).since)
    yield from _by_group(f"tick-{slot:%Y-%m-%dT%H:%M}", key, Tick.SLOT)


@dg.schedule(
    job=jobs.monitoring,
    cron_schedule="10 * * * *",
    execution_timezone="UTC",
    default_status=ON,
    description="Hourly at :10: poll the hours that ended 10 and 70 minutes ago once more, for late lines.",
)
def late_lines_hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    ended = floor(_scheduled_at(context), HOUR)
    for hours, minutes in ((1, "10"), (2, "70")):
        key = key_of_hour(ended - hours * HOUR)
        yield from _by_group(f"late-{minutes}-{key}", key, Tick.LATE)


def _by_group(run_key: str, partition_key: str, tick: Tick) -> Iterator[dg.RunRequest]:
    """One run of the whole chain. With FLEEXMON_GROUPS, one collecting run for each group of nodes;
    `workers/grouped_ticks.py` requests the rest of the chain when these have ended."""
    count, tags = settings.groups(), tick_tags(tick)
    if count == 1:
        yield dg.RunRequest(run_key=run_key, partition_key=partition_key, tags=tags)
        return
    for group, of_group in groups_of(run_key, count):
        yield dg.RunRequest(
            run_key=f"{run_key}-{group.number}-of-{group.of}",
            partition_key=partition_key,
            tags=tags | of_group,
            asset_selection=[dg.AssetKey("raw_logs")],
        )


@dg.schedule(
    job=jobs.predict,
    cron_schedule="12 * * * *",
    execution_timezone="UTC",
    default_status=ON,
    description="Hourly at :12: find trends in the hour that ended, with its late lines, and forecast the next hours.",
)
def predictions_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    key = key_of_hour(floor(_scheduled_at(context), HOUR) - HOUR)
    return dg.RunRequest(run_key=f"predict-{key}", partition_key=key, tags=tick_tags(Tick.HOUR))


@dg.schedule(
    job=jobs.digest,
    cron_schedule="0 8 * * *",
    execution_timezone="UTC",
    default_status=ON,
    description="Daily at 08:00 UTC: write yesterday's digest and post it to GitHub.",
)
def digest_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    key = key_of_day(floor(_scheduled_at(context), DAY) - DAY)
    return dg.RunRequest(run_key=f"digest-{key}", partition_key=key, tags=tick_tags(Tick.DAY))


@dg.schedule(
    job=jobs.retain,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=ON,
    description="Daily at 02:00 UTC: delete what is past its retention.",
)
def retention_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Today's partition: its end, capped at the current time, is what ages are counted from."""
    key = key_of_day(floor(_scheduled_at(context), DAY))
    return dg.RunRequest(run_key=f"retain-{key}", partition_key=key, tags=tick_tags(Tick.DAY))


@dg.schedule(
    job=jobs.archive,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=ON,
    description="Daily at 03:00 UTC: archive days that became cold, and days with late lines. Off unless "
    "FLEEXMON_ARCHIVE is set.",
)
def archive_daily(context: dg.ScheduleEvaluationContext, postgres: Postgres) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run a day of lines, the oldest first: after retention, which may delete the oldest."""
    at = _scheduled_at(context)
    configured = settings.archive()
    if configured is None:
        yield dg.SkipReason("FLEEXMON_ARCHIVE is not set")
        return
    with postgres.connection() as connection:
        days = waiting_days(
            connection, now=at, hot_days=configured.hot_days, days=settings.retention_days(), limit=MAX_DAYS_AT_ONCE
        )
    if not days:
        yield dg.SkipReason("no cold day has lines to archive")
    for day in days:
        key = key_of_day(day)
        yield dg.RunRequest(run_key=f"archive-{key}-{at:%Y-%m-%d}", partition_key=key, tags=tick_tags(Tick.DAY))


SCHEDULES = [
    monitoring_every_5_minutes,
    late_lines_hourly,
    predictions_hourly,
    digest_daily,
    archive_daily,
    retention_daily,
]
