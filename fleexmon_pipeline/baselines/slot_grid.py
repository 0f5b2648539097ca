"""Counts and durations as arrays: those of a node by slot, and sums over the trailing windows that rules look at.

Here: arithmetic without a database and without a rule. What fills the arrays: `detection/observe.py`; what is normal:
`baseline.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleexmon_pipeline.numerics import Flags, Floats, Ints, deviance
from fleexmon_pipeline.window import DAY, HOUR, SLOT

SLOTS_A_DAY = DAY // SLOT
SLOTS_AN_HOUR = HOUR // SLOT
# Levels whose lines come and go together. Errors and warnings follow the load by a power; the rest grows with it. Debug
# lines come and go with a setting, so they are no part of a load.
GROUPS = ("error", "warn", "rest", "debug")
GROUP_OF = {"error": "error", "fatal": "error", "warn": "warn", "debug": "debug", "trace": "debug"}


def group_of(level: str) -> str:
    return GROUP_OF.get(level, "rest")


class Sketches(NamedTuple):
    """Median and 95th percentile of the durations that lines state, by slot."""

    p50: Floats
    p95: Floats
    lines: Floats  # that they rest on; 0 where none stated a duration


class Variety(NamedTuple):
    """How much the values in a pattern's lines vary, by slot."""

    compared: Floats  # lines, but for the first of each slot
    others: dict[int, Floats]  # field → values besides the first; as many as `compared` where no two are the same


@dataclass(frozen=True)
class SlotGrid:
    """Lines of one node in the slots `first`, `first` + 1, ..."""

    node: str
    first: int
    known: Flags  # the node was polled and answered; a slot that is not known says nothing
    empty: Flags  # it answered with no record at all
    keys: list[tuple[str, str]]  # pattern and level of the rows of `counts`
    counts: Ints  # rows x slots
    durations: dict[tuple[str, str], Sketches] = field(default_factory=dict)  # by pattern and group
    varieties: dict[tuple[str, str], Variety] = field(default_factory=dict)  # by pattern and group
    # Computed once for all rules of the same levels: a hundred rules cost little more than ten.
    _lines: dict[frozenset[str], Ints] = field(default_factory=dict, repr=False)
    _patterns: dict[frozenset[str], dict[str, Ints]] = field(default_factory=dict, repr=False)

    @property
    def slots(self) -> int:
        return int(self.counts.shape[1])

    def lines(self, levels: Collection[str] | None = None) -> Ints:
        """Lines of these levels (None: of all) by slot."""
        key = frozenset(levels) if levels is not None else frozenset(["*"])
        if key not in self._lines:
            rows = [levels is None or level in levels for _, level in self.keys]
            self._lines[key] = self.counts[rows].sum(axis=0)
        return self._lines[key]

    def load(self) -> Ints:
        """All lines by slot but debug lines; all, where a node has no others."""
        counted = [group_of(level) != "debug" for _, level in self.keys]
        lines: Ints = self.counts[counted].sum(axis=0) if any(counted) else self.lines()
        return lines

    def group(self, name: str) -> Ints:
        """Lines of a group by slot."""
        lines: Ints = self.counts[[group_of(level) == name for _, level in self.keys]].sum(axis=0)
        return lines

    def patterns(self, levels: Collection[str]) -> dict[str, Ints]:
        """Lines of each pattern in these levels by slot; patterns without any are left out."""
        key = frozenset(levels)
        if key not in self._patterns:
            rows: dict[str, Ints] = {}
            for row, (pattern, level) in zip(self.counts, self.keys, strict=True):
                if level in key and row.any():
                    rows[pattern] = rows[pattern] + row if pattern in rows else row
            self._patterns[key] = rows
        return self._patterns[key]


def grid(
    node: str, first: int, slots: int, rows: Iterable[tuple[int, str, str, int]], known: Flags, empty: Flags
) -> SlotGrid:
    """From rows of slot number, resolved pattern, level and count; those outside the slots are left out."""
    index: dict[tuple[str, str], int] = {}
    places: list[tuple[int, int, int]] = []
    for slot, pattern, level, count in rows:
        if first <= slot < first + slots:
            places.append((index.setdefault((pattern, level), len(index)), slot - first, count))
    counts = np.zeros((len(index), slots), np.int64)
    if places:
        row, column, value = np.array(places, np.int64).T
        np.add.at(counts, (row, column), value)
    return SlotGrid(node, first, known, empty, list(index), counts)


MAX_MEASURED = 64.0  # lines of a slot that its durations rest on, as `patterns/measures.py` samples them


def sketches(
    first: int, slots: int, rows: Iterable[tuple[int, str, str, int, float, float]]
) -> dict[tuple[str, str], Sketches]:
    """From rows of slot number, resolved pattern, level, lines, median and 95th percentile. Those of a slot whose
    patterns have merged are averaged; rows outside the slots are left out."""
    sums: dict[tuple[str, str], Floats] = {}
    for slot, pattern, level, lines, p50, p95 in rows:
        if first <= slot < first + slots:
            key = pattern, group_of(level)
            if key not in sums:
                sums[key] = np.zeros((3, slots))
            weight = min(float(lines), MAX_MEASURED)
            sums[key][:, slot - first] += (weight * p50, weight * p95, weight)
    return {
        key: Sketches(p50 / np.maximum(lines, 1.0), p95 / np.maximum(lines, 1.0), np.minimum(lines, MAX_MEASURED))
        for key, (p50, p95, lines) in sums.items()
    }


MAX_COMPARED = 8  # lines of a slot whose values are compared, as `patterns/measures.py` has it
MAX_FIELDS = 15  # in 4 bits each


def varieties(first: int, slots: int, rows: Iterable[tuple[int, str, str, int, int]]) -> dict[tuple[str, str], Variety]:
    """From rows of slot number, resolved pattern, level, lines and different values by field. Those of a slot whose
    patterns have merged are added up; rows outside the slots are left out."""
    places: dict[tuple[str, str], int] = {}
    table = np.array(
        [
            (places.setdefault((pattern, group_of(level)), len(places)), slot - first, lines, fields)
            for slot, pattern, level, lines, fields in rows
            if first <= slot < first + slots
        ],
        np.int64,
    ).reshape(-1, 4)
    compared = np.zeros((len(places), slots))
    np.add.at(compared, (table[:, 0], table[:, 1]), np.minimum(table[:, 2], MAX_COMPARED) - 1)
    found = {key: Variety(compared[place], {}) for key, place in places.items()}
    for field_ in range(MAX_FIELDS):
        values = (table[:, 3] >> (4 * field_)) & 15
        has = values > 0
        if not has.any():
            break
        others = np.zeros((len(places), slots))
        np.add.at(others, (table[has, 0], table[has, 1]), values[has] - 1)
        of_field = set(np.unique(table[has, 0]).tolist())
        for key, place in places.items():
            if place in of_field:
                found[key].others[field_] = others[place]
    return found


def joined(before: SlotGrid, grid: SlotGrid) -> SlotGrid:
    """One after the other, all lines in one row: for callers that need neither patterns nor levels."""
    lines = np.concatenate([before.lines(), grid.lines()])[None, :]
    known, empty = (np.concatenate(pair) for pair in ((before.known, grid.known), (before.empty, grid.empty)))
    return SlotGrid(grid.node, before.first, known, empty, [("", "")], lines)


def trailing(values: NDArray[np.generic], width: int) -> Floats:
    """At each slot, the sum of the `width` slots that end with it, along the last axis; fewer at the start."""
    total = np.cumsum(values, axis=-1, dtype=np.float64)
    total[..., width:] -= total[..., :-width].copy()
    return total


def loudest(width: int) -> int:
    """How many slots `but_loudest` leaves out: one of 5, 7 of 36 (3 hours), none of one."""
    return 0 if width == 1 else 1 if width == 2 else max(2, width // 5)


def but_loudest(values: NDArray[np.generic], width: int) -> Floats:
    """`trailing` without the loudest consecutive slots of the window, a fifth of it.

    A retry storm of a minute is common, and an incident lasts: the sum without its loudest part tells them apart,
    whatever the rate. And a window that still holds what was over two hours ago does not report it again.
    """
    sums, out = trailing(values, width), loudest(width)
    return sums - highest(trailing(values, out), width - out + 1) if out else sums


def highest(values: Floats, width: int) -> Floats:
    """The largest of the `width` slots that end with each, by doubling: 6 steps for 3 hours."""
    covers = 1
    while covers < width:
        step = min(covers, width - covers)
        values = np.concatenate([values[..., :step], np.maximum(values[..., step:], values[..., :-step])], axis=-1)
        covers += step
    return values


def share_left(width: int) -> float:
    """The share of a window's lines that `but_loudest` keeps where they come evenly."""
    return (width - loudest(width)) / width


def shortfall(seen: Floats, expected: Floats, spread: float | Floats) -> Floats:
    """How far `seen` lies below `expected`, in the same measure as `surprise`."""
    mean = np.maximum(expected, 1e-6)
    return np.where(seen < mean, np.sqrt(deviance(seen, mean, spread)), 0.0)


def surprise(seen: Floats, expected: Floats, spread: float | Floats) -> Floats:
    """How far `seen` lies above `expected`, in standard deviations of a normal variable; 0 where it lies below.

    The signed root of the negative binomial deviance; `spread` is its over-dispersion, the variance being
    expected + spread * expected ** 2. Closed form, and far into the tail better than the tail's normal approximation.
    """
    mean = np.maximum(expected, 1e-6)
    return np.where(seen > mean, np.sqrt(deviance(seen, mean, spread)), 0.0)
