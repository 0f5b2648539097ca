"""An hour at a glance: its lines slot by slot, and how bad they are, as text that any page can show."""

from __future__ import annotations

from collections import defaultdict

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import Window

BAR = 30  # characters of the longest
SHOWN = ("fatal", "error", "warn", "info", "debug")  # other programs may have stored other words: "other"


def chart_of(connection: Connection, window: Window) -> str:
    """Markdown: a line a slot of the window, all nodes together, as "LogEntry" has them; "" for an empty window."""
    slots: dict[object, dict[str, int]] = {slot.since: defaultdict(int) for slot in window.slots()}
    where = {"since": window.since, "until": window.until}
    for row in connection.execute(statements("collection")["levels_by_slot"], where):
        slots[row["slot"]][row["level"] if row["level"] in SHOWN else "other"] += row["lines"]
    most = max((sum(levels.values()) for levels in slots.values()), default=0)
    width = len(f"{most:,}")
    told = [
        f"{slot:%H:%M}  {_bar(sum(levels.values()), most):<{BAR}}  {sum(levels.values()):>{width},}  {_words(levels)}"
        for slot, levels in slots.items()
    ]
    return "\n".join(["```", *(line.rstrip() for line in told), "```"]) if told else ""


def _bar(lines: int, most: int) -> str:
    """Anything at all is one character at least: a slot with three lines is not a silent one."""
    return "█" * max(round(BAR * lines / most), 1) if lines else ""


def _words(levels: dict[str, int]) -> str:
    return "  ".join(f"{levels[level]:,} {level}" for level in (*SHOWN, "other") if levels.get(level))
