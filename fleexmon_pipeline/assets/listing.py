"""Which partitions the UI lists: from the first materialized one, at most as far back as lines are kept, to the last
that has ended.

Here: that range, and how Dagster gets it. Every window since START can be materialized (`partitions.py`). Reasons:
decision 0043.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import dagster as dg
from dagster._core.definitions.partitions.snap import TimeWindowPartitionsSnap
from dagster_shared.record import copy

from fleexmon_pipeline import settings
from fleexmon_pipeline.lookup.materialized import Materialized, materialized
from fleexmon_pipeline.partitions import (
    DAY_KEY_FORMAT,
    HOUR_KEY_FORMAT,
    START,
    ColdDays,
    Days,
    DaysWithToday,
    Hours,
    moment_of,
)
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.window import DAY, HOUR, floor

REMEMBER_SECONDS = 10.0  # a snapshot of the definitions asks a dozen times
_CHAIN = ("raw_logs", "analyzed_logs", "detected_issues", "predictions")


@dataclass(frozen=True)
class Listed:
    """The first hour and the first days that the UI lists, UTC. `archive` starts at the first archived day."""

    hours: datetime
    digests: datetime
    retention: datetime
    archive: datetime


def listed(known: Materialized, now: datetime, *, kept: timedelta | None) -> Listed:
    """From the first materialized window on; defaults for assets that never were.

    kept: how long lines are kept; older hours cannot be collected again. The start moves by a day at midnight, but not
    while a backfill runs: Dagster fails a backfill whose partitions are no longer listed.
    """
    hours = [moment for name in _CHAIN if (moment := _moment(known.first.get(name), HOUR_KEY_FORMAT))]
    first = min(hours, default=floor(now, HOUR) - DAY)
    if kept is not None:
        first = max(first, floor(min(now, known.backfill_since or now) - kept, DAY))
    return Listed(
        hours=max(first, START),
        digests=_moment(known.first.get("digests"), DAY_KEY_FORMAT) or floor(now, DAY) - DAY,
        retention=_moment(known.first.get("data_retention"), DAY_KEY_FORMAT) or floor(now, DAY),
        archive=_moment(known.first.get("archived_logs"), DAY_KEY_FORMAT) or floor(now, DAY),
    )


def list_recent_partitions() -> None:
    """Make Dagster's snapshots of our partitions, which UI and daemon read, begin and end as listed.

    The definitions themselves do not change, so every older key can be materialized. Dagster has no public
    hook for this. Without it the UI would list every hour since START.
    """
    TimeWindowPartitionsSnap.from_def = _snapshot  # type: ignore[method-assign, assignment]


_whole_snapshot = TimeWindowPartitionsSnap.from_def


def _snapshot(partitions: dg.TimeWindowPartitionsDefinition) -> TimeWindowPartitionsSnap:
    snapshot = _whole_snapshot(partitions)
    if not isinstance(partitions, Hours | Days | DaysWithToday | ColdDays):
        return snapshot
    listed = _listed_now(int(time.monotonic() / REMEMBER_SECONDS))
    match partitions:
        case Hours():
            return copy(snapshot, start=listed.hours.timestamp(), end_offset=0)
        case ColdDays():
            return copy(snapshot, start=listed.archive.timestamp())
        case Days():
            return copy(snapshot, start=listed.digests.timestamp(), end_offset=0)
        case _:
            return copy(snapshot, start=listed.retention.timestamp())


@lru_cache(maxsize=1)
def _listed_now(moment: int) -> Listed:  # noqa: ARG001  a new value expires the cache
    try:
        kept = timedelta(days=settings.retention_days())
    except SettingError:  # nothing is deleted then, and a run reports it
        kept = None
    return listed(materialized() or Materialized({}), datetime.now(UTC), kept=kept)


def _moment(key: str | None, key_format: str) -> datetime | None:
    try:
        return moment_of(key, key_format) if key else None
    except ValueError:
        return None
