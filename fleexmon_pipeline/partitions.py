"""Which window a materialization is for: hours for the chain, days for digests and retention, all in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from fleexmon_pipeline.window import DAY, HOUR, Window, floor

START = datetime(2026, 1, 1, tzinfo=UTC)


class Hours(dg.HourlyPartitionsDefinition):
    """Every hour since START can be materialized; the UI lists those that matter (`assets/listing.py`)."""


class Days(dg.DailyPartitionsDefinition):
    """Days of digests: written when the day has ended."""


class DaysWithToday(dg.DailyPartitionsDefinition):
    """Days of data_retention: it runs once on each day, also on the current one."""


class ColdDays(dg.DailyPartitionsDefinition):
    """Days of archived_logs: their lines no longer change."""


# end_offset=1: the current hour can be materialized, and is, every five minutes.
HOURLY = Hours(start_date=START, end_offset=1)
DAILY = Days(start_date=START, end_offset=1)
DAILY_WITH_TODAY = DaysWithToday(start_date=START, end_offset=1)
COLD_DAYS = ColdDays(start_date=START)

HOUR_KEY_FORMAT = "%Y-%m-%d-%H:%M"
DAY_KEY_FORMAT = "%Y-%m-%d"

# One run processes a whole range, and commits each hour separately.
ONE_RUN = dg.BackfillPolicy.single_run()


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of this run: one partition, or a whole range of them."""
    keys = context.partition_key_range
    daily = isinstance(context.assets_def.partitions_def, dg.DailyPartitionsDefinition)
    first, last = (_start_of(key, daily=daily) for key in (keys.start, keys.end))
    if last < first:
        reason = f"{keys.start}...{keys.end} is not a range: it ends before it starts. Swap the two keys."
        raise dg.Failure(reason, allow_retries=False)
    return Window(first, last + (DAY if daily else HOUR))


def _start_of(key: str, *, daily: bool) -> datetime:
    """Dagster accepts every text that it can parse as a time, and would silently take another hour for `20:05`."""
    step, key_format, unit = (DAY, DAY_KEY_FORMAT, "days") if daily else (HOUR, HOUR_KEY_FORMAT, "hours")
    start = floor(moment_of(key, key_format), step)
    right = start.strftime(key_format)
    if key != right:
        raise dg.Failure(f"{key} is not a partition: keys are whole {unit} in UTC. Use {right}.", allow_retries=False)
    return start


def moment_of(key: str, key_format: str) -> datetime:
    """Raises ValueError for a text of another form."""
    return datetime.strptime(key, key_format).replace(tzinfo=UTC)


def key_of_hour(hour: datetime) -> str:
    return hour.strftime(HOUR_KEY_FORMAT)


def key_of_day(day: datetime) -> str:
    return day.strftime(DAY_KEY_FORMAT)
