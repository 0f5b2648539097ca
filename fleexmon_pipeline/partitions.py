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

# A run with this tag was started by a schedule or sensor: it does what is not done yet, and does not take its time.
TICK = "fleexmon/tick"
SLOT_TICK = "slot"  # the kind that runs every five minutes
LATE = "late"  # the kind that asks the nodes for whole hours again


def tick_tags(kind: str) -> dict[str, str]:
    """Tags of a run that a schedule or sensor asks for; `kind` says which, and slots go first in the queue.

    One such run at a time (dagster.yaml), so one that died with its code server must not block the others for ever.
    """
    return {TICK: kind, "dagster/priority": "1" if kind == SLOT_TICK else "0", "dagster/max_runtime": "1800"}


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of this run: a partition's, or a whole range's."""
    found = context.partition_time_window
    window = Window(found.start.astimezone(UTC), found.end.astimezone(UTC))
    if floor(window.since, HOUR) != window.since:  # Dagster takes `10:05` for a partition and would do another hour
        raise dg.Failure(f"{key_of_hour(window.since)} is not a partition: keys are whole hours.", allow_retries=False)
    return window


def is_tick(context: dg.AssetExecutionContext) -> bool:
    return TICK in context.run.tags


def is_slot_tick(context: dg.AssetExecutionContext) -> bool:
    """One of the runs every five minutes: what it does not come to is caught up by one that has more time."""
    return context.run.tags.get(TICK) == SLOT_TICK


def is_for_late_lines(context: dg.AssetExecutionContext) -> bool:
    """Nodes are asked for the whole hour again: a slot that was complete may have got more lines since."""
    return context.run.tags.get(TICK) == LATE


def key_of_hour(hour: datetime) -> str:
    return hour.strftime(KEY_OF_AN_HOUR)


def key_of_day(day: datetime) -> str:
    return day.strftime(KEY_OF_A_DAY)


def utc_now() -> datetime:
    """The one clock of the assets, schedules and sensors; what they call is told the time."""
    return datetime.now(UTC)
