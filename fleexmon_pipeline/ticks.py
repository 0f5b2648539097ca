"""Tags of runs that schedules and sensors request: which tick a run is, and for which nodes.

Which windows exist: `partitions.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

# A run with this tag was started by a schedule or sensor. It fills gaps only, within a time budget.
TICK = "fleexmon/tick"
# For a tick that is split into several runs: the group of nodes that this run collects ("2 of 8"), and the tick.
GROUP, TICK_KEY = "fleexmon/group", "fleexmon/tick-key"


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


@dataclass(frozen=True)
class Group:
    """One of `of` groups of nodes. A node's group depends only on its name and on `of`."""

    number: int  # 1 to `of`
    of: int

    def __str__(self) -> str:
        return f"{self.number} of {self.of}"

    def has(self, node: str) -> bool:
        return int.from_bytes(sha256(node.encode()).digest()[:8], "big") % self.of == self.number - 1


def group_of(tags: Mapping[str, str]) -> Group | None:
    """None for a run that collects every node."""
    match = re.fullmatch(r"([0-9]{1,3}) of ([0-9]{1,3})", tags.get(GROUP, ""))
    return Group(int(match[1]), int(match[2])) if match else None


def groups_of(tick: str, count: int) -> Iterable[tuple[Group, dict[str, str]]]:
    """The groups of a tick and the tags of their runs."""
    return [(group, {GROUP: str(group), TICK_KEY: tick}) for group in (Group(n + 1, count) for n in range(count))]
