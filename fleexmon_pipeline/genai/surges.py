"""Patterns that are far more or far less frequent than in any comparable hour.

Here: the comparison, simple enough to repeat with a query. `detection/` decides what deserves an alarm; this only
chooses what is worth a question.

Comparable hours are the previous 24, and on the previous 7 days the same hour and its neighbours, as far as the node
was watched. Part of an hour is compared with whole hours, so a surge counts once it exceeds them. A drop counts when
its hour is over and fully covered, on a node that otherwise goes on: if all patterns fall, it is the traffic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import HOUR, Window, floor

MIN_SURGE_LINES = 10  # fewer are chance: a pattern seen once a week may well come three times in an hour
SURGE_FACTOR = 2
MIN_WATCHED_HOURS = 12  # of the comparable hours; with fewer, nothing is known to be normal
MIN_LINES_BEFORE_DROP = 50  # in each comparable hour: a pattern that always comes
DROP_FACTOR = 5
MAX_DROPS = 3  # per hour: patterns that stop together have one cause, and the rest is not worth tokens


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
        rest_before, rest = (
            sum(nodes.get(node, 0) for pattern, nodes in hour_lines.items() if (pattern, node) not in candidates)
            for hour_lines in (before, lines)
        )
        if rest_before == 0 or 2 * rest < rest_before:
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
    """The comparable hours: how many a node was watched in; most and fewest lines of a pattern on a node."""

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
        least[key] = row["least"] if row["hours"] >= watched.get(row["node"], 0) else 0  # else an hour had none
    return _History(watched, most, least)
