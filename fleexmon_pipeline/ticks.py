"""Which scheduled run this is: the tags that schedules and sensors put on the runs they request.

Here: the tags, and reading them from a run's tags alone. Which windows exist: `partitions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

# A run with this tag was started by a schedule or sensor. It fills gaps only, within a time budget.
TICK = "fleexmon/tick"


class Tick(StrEnum):
    """What started the run: a schedule (slot, late, hour, day) or a sensor (catch-up, alert)."""

    SLOT = "slot"  # every five minutes, for the current hour
    LATE = "late"  # polls whole hours again for late lines
    HOUR = "hour"
    DAY = "day"
    CATCH_UP = "catch-up"
    ALERT = "alert"


def tick_tags(tick: Tick) -> dict[str, str]:
    """Tags of a run that a schedule or sensor requests. Slots go first in the queue.

    dagster.yaml allows one such run at a time, so one whose code server died must not block the others for ever.
    """
    return {TICK: tick.value, "dagster/priority": "1" if tick is Tick.SLOT else "0", "dagster/max_runtime": "1800"}


def tick_of(tags: Mapping[str, str]) -> Tick | None:
    """None for a run that a person started."""
    return Tick(tags[TICK]) if TICK in tags else None
