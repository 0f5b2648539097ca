"""Patterns that are far more or far less frequent than in any comparable hour.

Here: the comparison, simple enough to repeat with a query. `detection/` decides what deserves an alarm; this only
chooses what is worth a question.

Comparable hours are the previous 24, and the same hour and its neighbours on the previous 7 days, as far as the node
was watched. A part of an hour is compared with whole hours, so a surge is found as soon as it exceeds them. A drop
needs a full, covered hour on a node whose other patterns continue: if all patterns fall, the traffic fell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import HOUR, Window, floor

MIN_SURGE_LINES = 10  # fewer may be chance: a pattern seen once a week may come three times in an hour
SURGE_FACTOR = 2
MIN_WATCHED_HOURS = 12  # of the comparable hours; with fewer, nothing is known to be normal
MIN_LINES_BEFORE_DROP = 50  # in every comparable hour, so that the pattern is known to come always
DROP_FACTOR = 5
MAX_DROPS = 3  # per hour: patterns that stop together have one cause, so more of them are not worth tokens


@dataclass(frozen=True)
class Surge:
    """`lines` of a pattern on a node, where no comparable hour had more than `most_before`."""

    node: str
    lines: int
    most_before: int


@dataclass(frozen=True)
class Drop:
    """`lines` of a pattern on a node, where no comparable hour had fewer than `least_before`."""

    node: str
    lines: int
    least_before: int


Lines = Mapping[str, Mapping[str, int]]  # resolved pattern -> node -> lines


def surges(connection: Connection, window: Window, lines: Lines) -> dict[str, Surge]:
    """Pattern -> its largest surge. `lines`: those in `window`, a part of one hour."""
    candidates = {
        (pattern, node): count
        for pattern, nodes in lines.items()
        for node, count in nodes.items()
        if count >= MIN_SURGE_LINES
    }
    if not candidates:
        return {}
    history = _history(connection, window, {pattern for pattern, _ in candidates})
    largest: dict[str, Surge] = {}
    for (pattern, node), count in sorted(candidates.items(), key=lambda item: (-item[1], item[0])):
        before = history.most[pattern, node]
        if history.suffices(node) and count > SURGE_FACTOR * before and pattern not in largest:
            largest[pattern] = Surge(node, count, before)
    return largest


def drops(connection: Connection, hour: Window, lines: Lines, before: Lines) -> dict[str, Drop]:
    """Pattern -> its largest drop, the most frequent first, at most MAX_DROPS.

    `lines`: all of the hour; `before`: all of the previous hour, of nodes whose hour is fully covered.
    """
    candidates = {
        (pattern, node): count
        for pattern, nodes in before.items()
        for node, count in nodes.items()
        if count >= MIN_LINES_BEFORE_DROP and count > DROP_FACTOR * lines.get(pattern, {}).get(node, 0)
    }
    for node in {node for _, node in candidates}:
        others_before, others_now = (
            sum(nodes.get(node, 0) for pattern, nodes in hour_lines.items() if (pattern, node) not in candidates)
            for hour_lines in (before, lines)
        )
        if others_before == 0 or 2 * others_now < others_before:
            candidates = {key: count for key, count in candidates.items() if key[1] != node}
    if not candidates:
        return {}
    history = _history(connection, hour, {pattern for pattern, _ in candidates})
    largest: dict[str, Drop] = {}
    for pattern, node in sorted(candidates, key=lambda key: (-candidates[key], key)):
        count, least = lines.get(pattern, {}).get(node, 0), history.least[pattern, node]
        is_rare = least >= MIN_LINES_BEFORE_DROP and least > DROP_FACTOR * count
        if history.suffices(node) and is_rare and pattern not in largest and len(largest) < MAX_DROPS:
            largest[pattern] = Drop(node, count, least)
    return largest


@dataclass(frozen=True)
class _History:
    """The comparable hours: in how many a node was watched; most and fewest lines of a pattern on a node."""

    watched: Mapping[str, int]
    most: Mapping[tuple[str, str], int]
    least: Mapping[tuple[str, str], int]

    def suffices(self, node: str) -> bool:
        return self.watched.get(node, 0) >= MIN_WATCHED_HOURS


def _history(connection: Connection, window: Window, patterns: Collection[str]) -> _History:
    hour = floor(window.since, HOUR)
    params = {
        "since": hour,
        "until": window.until,
        "hours_of_day": [(hour + step * HOUR).hour for step in (-1, 0, 1)],
        "patterns": sorted(patterns),
    }
    sql = statements("genai")
    watched = {row["node"]: row["hours"] for row in connection.execute(sql["watched_hours"], params)}
    most: dict[tuple[str, str], int] = defaultdict(int)
    least: dict[tuple[str, str], int] = defaultdict(int)
    for row in connection.execute(sql["comparable_hours"], params):
        key = row["pattern"], row["node"]
        most[key] = row["most"]
        least[key] = (
            row["least"] if row["hours"] >= watched.get(row["node"], 0) else 0
        )  # in some watched hour it had no line
    return _History(watched, most, least)
