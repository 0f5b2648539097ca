"""A text chart of an hour: lines per slot and level."""

from __future__ import annotations

from collections import defaultdict

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import Window

BAR_WIDTH = 30  # characters
SHOWN = ("fatal", "error", "warn", "info", "debug")  # any other stored word counts as "other"


def chart_of(connection: Connection, window: Window) -> str:
    """Markdown, one line per slot of the window, all nodes of "LogEntry" together; "" for an empty window."""
    slots: dict[object, dict[str, int]] = {slot.since: defaultdict(int) for slot in window.slots()}
    where = {"since": window.since, "until": window.until}
    for row in connection.execute(statements("collection")["levels_by_slot"], where):
        slots[row["slot"]][row["level"] if row["level"] in SHOWN else "other"] += row["lines"]
    totals = {slot: sum(levels.values()) for slot, levels in slots.items()}
    most = max(totals.values(), default=0)
    width = len(f"{most:,}")
    rows = [
        f"{slot:%H:%M}  {_bar(totals[slot], most):<{BAR_WIDTH}}  {totals[slot]:>{width},}  {_words(levels)}"
        for slot, levels in slots.items()
    ]
    return "\n".join(["```", *(line.rstrip() for line in rows), "```"]) if rows else ""


def _bar(lines: int, most: int) -> str:
    """At least one character if there is any line: a slot with three lines is not silent."""
    return "█" * max(round(BAR_WIDTH * lines / most), 1) if lines else ""


def _words(levels: dict[str, int]) -> str:
    return "  ".join(f"{levels[level]:,} {level}" for level in (*SHOWN, "other") if levels.get(level))
