"""Patterns that are far louder, or far rarer, than they have been in any comparable hour.

Here: the comparison, which a person can do again with a query. What is worth an alarm by itself is decided in
`detection/`; this only chooses what is worth a question.

Comparable are the 24 hours before, and of the 7 days before the same hour of the day with its neighbours, as far as the
node was watched. A part of an hour is compared with whole hours: a surge is seen when it has passed them. A drop is
seen when its hour is over and whole, on a node that otherwise goes on: where all patterns fall, it is the traffic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import HOUR, Window, floor

FEWEST_LINES = 10  # fewer are chance: a pattern seen once a week may well be seen three times in an hour
TIMES = 2
FEWEST_HOURS = 12  # of the node's past; with less nothing is known to be usual
FEWEST_BEFORE = 50  # lines in each comparable hour: a pattern that never fails to come
TIMES_LESS = 5
MOST_DROPS = 3  # an hour: what stops together has one cause, and the rest of it is worth no tokens


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
    """Pattern -> its greatest surge. `lines`: those in `window`, a part of one hour."""
    candidates = {
        (pattern, node): count
        for pattern, nodes in lines.items()
        for node, count in nodes.items()
        if count >= FEWEST_LINES
    }
    if not candidates:
        return {}
    past = _past(connection, window, {pattern for pattern, _ in candidates})
    found: dict[str, Surge] = {}
    for (pattern, node), count in sorted(candidates.items(), key=lambda item: (-item[1], item[0])):
        before = past.most[pattern, node]
        if past.is_known(node) and count > TIMES * before and pattern not in found:
            found[pattern] = Surge(node, count, before)
    return found


def drops(connection: Connection, hour: Window, lines: Lines, before: Lines) -> dict[str, Drop]:
    """Pattern -> its greatest drop, the most frequent first, at most MOST_DROPS.

    `lines`: all of the hour; `before`: all of the hour before it, of nodes whose hour is whole.
    """
    candidates = {
        (pattern, node): count
        for pattern, nodes in before.items()
        for node, count in nodes.items()
        if count >= FEWEST_BEFORE and count > TIMES_LESS * lines.get(pattern, {}).get(node, 0)
    }
    for node in {node for _, node in candidates}:
        rest_before, rest = (
            sum(nodes.get(node, 0) for pattern, nodes in some.items() if (pattern, node) not in candidates)
            for some in (before, lines)
        )
        if rest_before == 0 or 2 * rest < rest_before:
            candidates = {key: count for key, count in candidates.items() if key[1] != node}
    if not candidates:
        return {}
    past = _past(connection, hour, {pattern for pattern, _ in candidates})
    found: dict[str, Drop] = {}
    for pattern, node in sorted(candidates, key=lambda key: (-candidates[key], key)):
        count, least = lines.get(pattern, {}).get(node, 0), past.least[pattern, node]
        is_rare = least >= FEWEST_BEFORE and least > TIMES_LESS * count
        if past.is_known(node) and is_rare and pattern not in found and len(found) < MOST_DROPS:
            found[pattern] = Drop(node, count, least)
    return found


@dataclass(frozen=True)
class _Past:
    """Of the comparable hours: how many a node was watched in; lines of a pattern on a node, the most and the least."""

    watched: Mapping[str, int]
    most: Mapping[tuple[str, str], int]
    least: Mapping[tuple[str, str], int]

    def is_known(self, node: str) -> bool:
        return self.watched.get(node, 0) >= FEWEST_HOURS


def _past(connection: Connection, window: Window, patterns: Collection[str]) -> _Past:
    hour = floor(window.since, HOUR)
    where = {
        "since": hour,
        "until": window.until,
        "hours_of_day": [(hour + step * HOUR).hour for step in (-1, 0, 1)],
        "patterns": sorted(patterns),
    }
    sql = statements("genai")
    watched = {row["node"]: row["hours"] for row in connection.execute(sql["watched_hours"], where)}
    most: dict[tuple[str, str], int] = defaultdict(int)
    least: dict[tuple[str, str], int] = defaultdict(int)
    for row in connection.execute(sql["comparable_hours"], where):
        key = row["pattern"], row["node"]
        most[key] = row["most"]
        least[key] = row["least"] if row["hours"] >= watched.get(row["node"], 0) else 0  # in some hour it was not there
    return _Past(watched, most, least)
