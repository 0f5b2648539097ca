"""A node's counts and durations by slot as arrays, and sums over trailing windows.

Arithmetic without a database or rules. Filling the arrays: `detection/observe.py`; baselines: `baseline.py`.
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
LOAD_SLOTS = 6  # half an hour, over which the load of errors is measured
# Groups of levels. Errors and warnings follow a power of the load; the rest is proportional to it. Debug lines depend
# on a setting, so they do not count as load.
GROUPS = ("error", "warn", "rest", "debug")
GROUP_OF = {"error": "error", "fatal": "error", "warn": "warn", "debug": "debug", "trace": "debug"}


def group_of(level: str) -> str:
    return GROUP_OF.get(level, "rest")


class Sketches(NamedTuple):
    """Median and 95th percentile of what lines measure, by slot."""

    p50: Floats
    p95: Floats
    lines: Floats  # that measure it
    steps: bool = False  # steps to these lines, not durations that they state


class Variety(NamedTuple):
    """How much the values in a pattern's lines vary, by slot."""

    compared: Floats  # lines, except the first of each slot
    others: dict[int, Floats]  # field → different values, except the first; equals `compared` if all values differ


@dataclass(frozen=True)
class SlotGrid:
    """Lines of one node in the slots `first`, `first` + 1, ..."""

    node: str
    first: int
    known: Flags  # the node was polled and answered; nothing follows from other slots
    empty: Flags  # it answered without any record
    keys: list[tuple[str, str]]  # pattern and level of the rows of `counts`
    counts: Ints  # rows x slots
    durations: dict[tuple[str, str], Sketches] = field(default_factory=dict)  # by pattern and group
    varieties: dict[tuple[str, str], Variety] = field(default_factory=dict)  # by pattern and group
    fleet: dict[str, Ints] = field(default_factory=dict)  # pattern → lines at all nodes, failures left out
    # Caches for all rules with the same levels: a hundred rules cost little more than ten.
    _lines: dict[frozenset[str], Ints] = field(default_factory=dict, repr=False)
    _patterns: dict[frozenset[str], dict[str, Ints]] = field(default_factory=dict, repr=False)

    @property
    def slots(self) -> int:
        return int(self.counts.shape[1])

    def lines(self, levels: Collection[str] | None = None) -> Ints:
        """Lines of these levels by slot; None: of all."""
        key = frozenset(levels) if levels is not None else frozenset(["*"])
        if key not in self._lines:
            rows = [levels is None or level in levels for _, level in self.keys]
            self._lines[key] = self.counts[rows].sum(axis=0)
        return self._lines[key]

    def load(self) -> Ints:
        """All lines by slot except debug lines. If the node has only debug lines, those."""
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
    """A grid from rows of slot number, resolved pattern, level and count. Rows outside the slots are left out."""
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


MAX_MEASURED = 64.0  # lines of a slot that are sampled for durations, as in `patterns/measures.py`


def sketches(
    first: int, slots: int, rows: Iterable[tuple[int, str, str, int, float, float, bool]]
) -> dict[tuple[str, str], Sketches]:
    """From rows of slot number, resolved pattern, level, lines, median, 95th percentile, and whether both are of steps.
    Rows of merged patterns are averaged. Of a pattern with durations and steps, what fewer lines have is left out, and
    so are rows outside the slots."""
    sums: dict[tuple[str, str, bool], Floats] = {}
    for slot, pattern, level, lines, p50, p95, steps in rows:
        if first <= slot < first + slots:
            key = pattern, group_of(level), steps
            if key not in sums:
                sums[key] = np.zeros((3, slots))
            weight = min(float(lines), MAX_MEASURED)
            sums[key][:, slot - first] += (weight * p50, weight * p95, weight)
    of_both = sorted(sums.items(), key=lambda item: (float(item[1][2].sum()), item[0][2]))
    return {
        (pattern, group): Sketches(
            p50 / np.maximum(lines, 1.0), p95 / np.maximum(lines, 1.0), np.minimum(lines, MAX_MEASURED), steps
        )
        for (pattern, group, steps), (p50, p95, lines) in of_both
    }


MAX_COMPARED = 8  # lines of a slot whose values are compared, as in `patterns/measures.py`
MAX_FIELDS = 15  # in 4 bits each


def varieties(first: int, slots: int, rows: Iterable[tuple[int, str, str, int, int]]) -> dict[tuple[str, str], Variety]:
    """Varieties from rows of slot number, resolved pattern, level, lines and different values by field. Rows of merged
    patterns are added up. Rows outside the slots are left out."""
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
    by_key = {key: Variety(compared[place], {}) for key, place in places.items()}
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
                by_key[key].others[field_] = others[place]
    return by_key


def joined(before: SlotGrid, grid: SlotGrid) -> SlotGrid:
    """Both grids in a row, with all lines as one pattern, for callers that need neither patterns nor levels."""
    lines = np.concatenate([before.lines(), grid.lines()])[None, :]
    known, empty = (np.concatenate(pair) for pair in ((before.known, grid.known), (before.empty, grid.empty)))
    return SlotGrid(grid.node, before.first, known, empty, [("", "")], lines)


def trailing(values: NDArray[np.generic], width: int) -> Floats:
    """At each slot, the sum of the `width` slots that end with it, along the last axis; fewer at the start."""
    total = np.cumsum(values, axis=-1, dtype=np.float64)
    total[..., width:] -= total[..., :-width].copy()
    return total


def loudest(width: int) -> int:
    """How many slots `but_loudest` leaves out: 0 of 1, 1 of 2, 2 of 6, 7 of 36 (3 hours)."""
    return 0 if width == 1 else 1 if width == 2 else max(2, width // 5)


def but_loudest(values: NDArray[np.generic], width: int) -> Floats:
    """`trailing` without the loudest consecutive slots of the window, about a fifth of it.

    A retry storm of a minute is common, while an incident lasts. The sum without its loudest part tells them apart at
    any rate. It also prevents a long window from reporting again what ended two hours ago.
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
    """The share of evenly distributed lines that `but_loudest` keeps."""
    return (width - loudest(width)) / width


def shortfall(seen: Floats, expected: Floats, spread: float | Floats) -> Floats:
    """How far `seen` is below `expected`, on the scale of `surprise`."""
    mean = np.maximum(expected, 1e-6)
    return np.where(seen < mean, np.sqrt(deviance(seen, mean, spread)), 0.0)


def surprise(seen: Floats, expected: Floats, spread: float | Floats) -> Floats:
    """How far `seen` is above `expected`, in standard deviations of a normal variable; 0 if it is below.

    The root of the negative binomial deviance. spread: over-dispersion; the variance is expected + spread * expected
    ** 2. It has a closed form, and is better than the normal approximation far into the tail.
    """
    mean = np.maximum(expected, 1e-6)
    return np.where(seen > mean, np.sqrt(deviance(seen, mean, spread)), 0.0)
