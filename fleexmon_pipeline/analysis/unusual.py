"""Patterns that are far louder than they have been: at least twice the most of any comparable hour.

Here: the comparison, which a person can do again with a query. What is worth an alarm by itself is decided in
`detection/`; this only chooses what is worth a question.

Comparable are the 24 hours before, and of the 7 days before the same hour of the day with its neighbours, as far as the
node was watched. A part of an hour is compared with whole hours: a surge is seen when it has passed them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import HOUR, Window, floor

FEWEST_LINES = 10  # fewer are chance: a pattern seen once a week may well be seen three times in an hour
TIMES = 2
FEWEST_HOURS = 12  # of the node's past; with less nothing is known to be usual


@dataclass(frozen=True)
class Surge:
    """`lines` of a pattern on a node, where no comparable hour had more than `most_before`."""

    node: str
    lines: int
    most_before: int


def surges(connection: Connection, window: Window, lines: Mapping[str, Mapping[str, int]]) -> dict[str, Surge]:
    """Pattern -> its greatest surge. `lines`: resolved pattern -> node -> lines in `window`, a part of one hour."""
    candidates = {
        (pattern, node): count
        for pattern, nodes in lines.items()
        for node, count in nodes.items()
        if count >= FEWEST_LINES
    }
    if not candidates:
        return {}
    hour = floor(window.since, HOUR)
    where = {
        "since": hour,
        "until": window.until,
        "hours_of_day": [(hour + step * HOUR).hour for step in (-1, 0, 1)],
        "patterns": sorted({pattern for pattern, _ in candidates}),
    }
    sql = statements("genai")
    watched = {row["node"]: row["hours"] for row in connection.execute(sql["watched_hours"], where)}
    most: dict[tuple[str, str], int] = defaultdict(int)
    for row in connection.execute(sql["comparable_hours"], where):
        most[row["pattern"], row["node"]] = row["most"]
    found: dict[str, Surge] = {}
    for (pattern, node), count in sorted(candidates.items(), key=lambda item: (-item[1], item[0])):
        before = most[pattern, node]
        if watched.get(node, 0) >= FEWEST_HOURS and count > TIMES * before and pattern not in found:
            found[pattern] = Surge(node, count, before)
    return found
