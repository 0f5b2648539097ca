"""Which scheduled run this is: tags that schedules and sensors put on the runs they ask for.

Here: the tags and how they are read, from a run's tags alone. Which windows exist: `partitions.py`.
"""

from __future__ import annotations

import dagster as dg

# A run with this tag was started by a schedule or sensor: it does what is not done yet, and does not take its time.
TICK = "fleexmon/tick"
SLOT_TICK = "slot"  # the kind that runs every five minutes
LATE = "late"  # the kind that asks the nodes for whole hours again


def tick_tags(kind: str) -> dict[str, str]:
    """Tags of a run that a schedule or sensor asks for; `kind` says which, and slots go first in the queue.

    One such run at a time (dagster.yaml), so one that died with its code server must not block the others for ever.
    """
    return {TICK: kind, "dagster/priority": "1" if kind == SLOT_TICK else "0", "dagster/max_runtime": "1800"}


def is_tick(context: dg.AssetExecutionContext) -> bool:
    return TICK in context.run.tags


def is_slot_tick(context: dg.AssetExecutionContext) -> bool:
    """One of the runs every five minutes: what it does not come to is caught up by one that has more time."""
    return context.run.tags.get(TICK) == SLOT_TICK


def is_for_late_lines(context: dg.AssetExecutionContext) -> bool:
    """Nodes are asked for the whole hour again: a slot that was complete may have got more lines since."""
    return context.run.tags.get(TICK) == LATE
