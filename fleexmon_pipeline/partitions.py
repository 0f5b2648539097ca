"""Which stretch of time a materialisation is for: hours for the chain, days for digests and retention, all in UTC."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import dagster as dg

from fleexmon_pipeline.window import HOUR, Window, floor

START = datetime(2026, 1, 1, tzinfo=UTC)

# end_offset=1: the hour that is running can be materialised, and is, every five minutes.
HOURLY = dg.HourlyPartitionsDefinition(start_date=START, end_offset=1)
DAILY = dg.DailyPartitionsDefinition(start_date=START, end_offset=1)

KEY_OF_AN_HOUR = "%Y-%m-%d-%H:%M"
KEY_OF_A_DAY = "%Y-%m-%d"

# Beta since 1.9; what we rely on is tested, and no operator can do anything about the warning.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", category=dg.BetaWarning)

# One run takes a whole range, hour by hour, and each hour is committed alone.
ONE_RUN = dg.BackfillPolicy.single_run()


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of this run: a partition's, or a whole range's."""
    found = context.partition_time_window
    window = Window(found.start.astimezone(UTC), found.end.astimezone(UTC))
    if floor(window.since, HOUR) != window.since:  # Dagster takes `10:05` for a partition and would do another hour
        raise dg.Failure(f"{key_of_hour(window.since)} is not a partition: keys are whole hours.", allow_retries=False)
    return window


def key_of_hour(hour: datetime) -> str:
    return hour.strftime(KEY_OF_AN_HOUR)


def key_of_day(day: datetime) -> str:
    return day.strftime(KEY_OF_A_DAY)


def utc_now() -> datetime:
    """The one clock of the assets, schedules and sensors; what they call is told the time."""
    return datetime.now(UTC)
