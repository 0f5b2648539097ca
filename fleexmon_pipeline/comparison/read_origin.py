"""Read what an incident looked like on all nodes: counts of the window, their past, and when each pattern began.

Here: the database. How nodes are ranked: `origin.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import lines_in_trouble
from fleexmon_pipeline.baselines.rates import lines_an_event
from fleexmon_pipeline.comparison.origin import (
    LEVEL_WEIGHTS,
    Key,
    PastCount,
    PastSteps,
    SlotCount,
    Suspect,
    Volume,
    rank,
)
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.patterns.labels import read_labels
from fleexmon_pipeline.patterns.measures import MIN_STEP
from fleexmon_pipeline.patterns.read_counts import Resolve, read_patterns
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.window import DAY, EPOCH, HOUR, SLOT, Window

SQL = statements("comparison")
PAST = 7 * DAY
MAX_WINDOW = timedelta(hours=6)
MAX_LINES = 20_000  # whose exact times are read; for patterns of later lines the slot's start is used
SLOT_SECONDS = int(SLOT.total_seconds())


@dataclass(frozen=True)
class Origin:
    """Suspects, the most suspicious first, with the templates of their patterns."""

    window: Window
    suspects: list[Suspect]
    templates: Mapping[str, str]  # redacted, as stored
    past: timedelta  # length of the history before the window


def find_origin(connection: Connection, window: Window) -> Origin:
    """Rank the nodes by how likely the incident began there.

    `window`: whole slots, at most MAX_WINDOW. Cost: the window's counts, and a week of counts of its patterns.
    """
    past = Window(window.since - PAST, window.since)
    rows = connection.execute(SQL["window_counts"], {"since": window.since, "until": window.until}).fetchall()
    in_window = list({row["pattern"] for row in rows})
    family = {row["id"] for row in connection.execute(SQL["pattern_family"], {"ids": in_window})}
    templates, resolve = read_patterns(connection, family)
    last = window.until - SLOT
    ignored = {pattern for pattern, label in read_labels(connection).items() if label.ignored}
    covered = _known_slots(connection, Window(past.since, window.until))
    first_lines = _first_lines(connection, window, resolve)
    counts = [
        _slot_count(row, resolve(row["pattern"], last), first_lines)
        for row in rows
        if resolve(row["pattern"], last) not in ignored and row["slot"] in covered[row["node"]]
    ]
    where = {"since": past.since, "until": past.until, "ids": list(family), "min_step": MIN_STEP}
    past_counts = _past_counts(connection.execute(SQL["past_counts"], where), resolve, last)
    volumes = _volumes(connection, window, covered)
    suspects = rank(counts, past_counts, volumes, slot_seconds=SLOT_SECONDS)
    first = min((min(slots) for slots in covered.values() if slots), default=window.since)
    return Origin(window, suspects, templates, max(window.since - first, timedelta()))


def _slot_count(row: Mapping[str, Any], pattern: str, first_lines: Mapping[tuple[Key, datetime], float]) -> SlotCount:
    node, level, slot = row["node"], read_level(row["level"]), row["slot"]
    first = first_lines.get(((node, pattern, level), slot), (slot - EPOCH).total_seconds())
    return SlotCount(node, pattern, level, (slot - EPOCH) // SLOT, row["lines"], first, row["step"], row["after"])


def _first_lines(connection: Connection, window: Window, resolve: Resolve) -> dict[tuple[Key, datetime], float]:
    """When a node's pattern had its first line in each slot, in seconds since 1970; of warnings and worse."""
    where = {"since": window.since, "until": window.until, "limit": MAX_LINES}
    with one_snapshot(connection):
        rows = {row["id"]: row for row in connection.execute(SQL["lines_in_trouble"], where)}
        for cold in lines_in_trouble(connection, window, MAX_LINES):
            rows.setdefault(cold.id, vars(cold))
    lines = sorted(rows.values(), key=lambda row: (row["timestamp"], row["id"]))[:MAX_LINES]
    lines = [line for line in lines if read_level(line["level"]) in LEVEL_WEIGHTS]
    miner, first = load_miner(connection), dict[tuple[Key, datetime], float]()
    last = window.until - SLOT
    for line, pattern in zip(lines, miner.identify([line["message"] for line in lines]), strict=True):
        slot = EPOCH + (line["timestamp"] - EPOCH) // SLOT * SLOT
        key = line["node"], resolve(pattern, last), read_level(line["level"])
        first.setdefault((key, slot), (line["timestamp"] - EPOCH).total_seconds())
    return first


def _past_counts(rows: Iterable[Mapping[str, Any]], resolve: Resolve, last: datetime) -> dict[Key, PastCount]:
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for row in rows:
        total = sums[row["node"], resolve(row["pattern"], last), read_level(row["level"])]
        for name in ("lines", "squares", "step_slots", "steps", "step_squares"):
            total[name] += row[name]
    return {
        key: PastCount(
            total["lines"], total["squares"], PastSteps(total["step_slots"], total["steps"], total["step_squares"])
        )
        for key, total in sums.items()
    }


def _known_slots(connection: Connection, window: Window) -> defaultdict[str, set[datetime]]:
    slots: defaultdict[str, set[datetime]] = defaultdict(set)
    for row in connection.execute(SQL["known_slots"], {"since": window.since, "until": window.until}):
        slots[row["node"]].add(row["slot"])
    return slots


def _volumes(connection: Connection, window: Window, known: Mapping[str, set[datetime]]) -> dict[str, Volume]:
    """By node. Expected: the mean of the hour before or of the same time of day in the past, whichever is lower."""
    where = {"since": window.since - PAST, "until": window.until}
    lines: Counter[tuple[str, datetime]] = Counter()
    for row in connection.execute(SQL["lines_by_slot"], where):
        lines[row["node"], row["slot"]] = row["lines"]
    volumes = {}
    for node, slots in known.items():
        inside = sorted(slot for slot in slots if slot in window)
        past = [slot for slot in slots if slot < window.since]
        if not inside:
            continue
        hour = [lines[node, slot] for slot in past if slot >= window.since - HOUR]
        same_time = [lines[node, slot] for slot in past if _same_time_of_day(slot, window)]
        expected = min((sum(counts) / len(counts) for counts in (hour, same_time) if counts), default=0.0)
        volumes[node] = Volume(
            [(slot - EPOCH) // SLOT for slot in inside],
            [lines[node, slot] for slot in inside],
            [expected] * len(inside),
            len(past),
            any(lines[node, slot] == 0 for slot in past),
            _lines_an_event(node, past, lines),
        )
    return volumes


def _lines_an_event(node: str, past: Sequence[datetime], lines: Mapping[tuple[str, datetime], int]) -> float:
    if not past:
        return 1.0
    first = min(past)
    counts, known = np.zeros((2, (max(past) - first) // SLOT + 1), np.int64)
    for slot in past:
        counts[(slot - first) // SLOT], known[(slot - first) // SLOT] = lines.get((node, slot), 0), 1
    return lines_an_event(counts, known > 0)


def _same_time_of_day(slot: datetime, window: Window) -> bool:
    return slot + -((slot - window.since) // DAY) * DAY in window
