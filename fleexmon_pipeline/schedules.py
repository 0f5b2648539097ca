"""When stages run by themselves. What was missed while nothing ran: `sensors.py`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from fleexmon_pipeline import jobs
from fleexmon_pipeline.partitions import key_of_day, key_of_hour
from fleexmon_pipeline.ticks import LATE, SLOT_TICK, tick_tags
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor

ON = dg.DefaultScheduleStatus.RUNNING


def _tick(context: dg.ScheduleEvaluationContext) -> datetime:
    return context.scheduled_execution_time.astimezone(UTC)


@dg.schedule(job=jobs.monitoring, cron_schedule="*/5 * * * *", execution_timezone="UTC", default_status=ON)
def monitoring_every_5_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The hour that holds the slot which just ended. The key is the tick: an hour is asked for twelve times."""
    slot = floor(_tick(context), SLOT) - SLOT
    hour = Window.hour_of(slot).since
    return dg.RunRequest(
        run_key=f"tick-{slot:%Y-%m-%dT%H:%M}", partition_key=key_of_hour(hour), tags=tick_tags(SLOT_TICK)
    )


@dg.schedule(job=jobs.monitoring, cron_schedule="10 * * * *", execution_timezone="UTC", default_status=ON)
def late_lines_hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """The hours that ended 10 and 70 minutes ago, whole: for lines that a node told late."""
    ended = floor(_tick(context), HOUR)
    for hours, name in ((1, "10"), (2, "70")):
        key = key_of_hour(ended - hours * HOUR)
        yield dg.RunRequest(run_key=f"late-{name}-{key}", partition_key=key, tags=tick_tags(LATE))


@dg.schedule(job=jobs.predict, cron_schedule="12 * * * *", execution_timezone="UTC", default_status=ON)
def predictions_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The hour that ended; at :12, when its late lines have been asked for."""
    key = key_of_hour(floor(_tick(context), HOUR) - HOUR)
    return dg.RunRequest(run_key=f"predict-{key}", partition_key=key, tags=tick_tags("hour"))


@dg.schedule(job=jobs.digest, cron_schedule="0 8 * * *", execution_timezone="UTC", default_status=ON)
def digest_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Yesterday, at 08:00."""
    key = key_of_day(floor(_tick(context), DAY) - DAY)
    return dg.RunRequest(run_key=f"digest-{key}", partition_key=key, tags=tick_tags("day"))


@dg.schedule(job=jobs.retain, cron_schedule="0 2 * * *", execution_timezone="UTC", default_status=ON)
def retention_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Counted back from the day that begins, at 02:00."""
    key = key_of_day(floor(_tick(context), DAY))
    return dg.RunRequest(run_key=f"retain-{key}", partition_key=key, tags=tick_tags("day"))


SCHEDULES = [
    monitoring_every_5_minutes,
    late_lines_hourly,
    predictions_hourly,
    digest_daily,
    retention_daily,
]
