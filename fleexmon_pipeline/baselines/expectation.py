"""What a baseline lets expect of a window, and how far beyond it a window is.

Here: expected lines by time of day and load, the surprise of a series, the limit that it must pass. What is kept of a
node's past: `baseline.py`; where that comes from: `learn.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import exp, log

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, PatternBaseline, Series, habits_key
from fleexmon_pipeline.baselines.slot_grid import (
    GROUPS,
    SLOTS_A_DAY,
    SLOTS_AN_HOUR,
    SlotGrid,
    but_loudest,
    group_of,
    share_left,
    surprise,
    trailing,
)
from fleexmon_pipeline.numerics import Flags, Floats, Ints, is_weekend

PRIOR_LINES = 10.0  # added to both sides of a load: ten lines more or less are no load
MIN_LOAD = 0.6  # traffic that comes back to normal is not a spike
LOAD_SLOTS = 6  # half an hour, in which the load of errors is measured
BLOCK = 72  # slots, 6 hours: extremes of the past are counted by block


class Expectation:
    """What a baseline lets expect in a grid, at the end of each of its slots, from lines before that end alone."""

    def __init__(self, baseline: Baseline, grid: SlotGrid) -> None:
        self.baseline = baseline
        self._slots = np.arange(grid.first, grid.first + grid.slots)
        self.of_day = self._slots % SLOTS_A_DAY
        usual = np.array(baseline.profile)[self.of_day]
        usual = usual * np.where(is_weekend(self._slots // SLOTS_A_DAY), baseline.weekend, 1.0)
        self.base: Floats = usual * grid.known
        every = grid.lines()
        self._speaking = grid.known & (every > 0)
        self._lines = {name: grid.group(name) for name in GROUPS}
        self._every = every
        self._kept: dict[tuple[str, int], Floats] = {}

    def group(self, name: str, width: int) -> Floats:
        """Lines of a group in the `width` slots up to each slot's end."""
        if (name, width) not in self._kept:
            base = trailing(self.base, width)
            offset, power = self.baseline.rates[name]
            load = self._before(width) if name == "rest" else self._around(name, width)
            self._kept[name, width] = exp(offset) * base * load**power
        return self._kept[name, width]

    def levels(self, levels: Collection[str] | None, width: int) -> Floats:
        """Lines of these levels; of all where None."""
        shares = dict.fromkeys(GROUPS, 0.0)
        for level, share in self.baseline.levels.items():
            if levels is None or level in levels:
                shares[group_of(level)] += share
        found: Floats = np.zeros(len(self.base))
        for name, share in shares.items():
            if share:
                found = found + share * self.group(name, width)
        return self._with_habits(found, self.baseline.habits.get(f"{habits_key(levels)}/{width}"))

    def pattern(self, past: PatternBaseline, width: int) -> Floats:
        return self._with_habits(past.share * self.group(past.group, width), past.habits.get(str(width)))

    def _with_habits(self, found: Floats, habits: Mapping[str, float] | None) -> Floats:
        if not habits:
            return found
        usual = np.zeros(SLOTS_A_DAY)
        for slot, lines in habits.items():
            usual[int(slot)] = lines
        return np.maximum(found, usual[self.of_day])

    def _before(self, width: int) -> Floats:
        """The load of the hour before the window."""
        lines, base = (
            _shifted(trailing(np.where(self._speaking, values, 0), SLOTS_AN_HOUR), width)
            for values in (self._every, self.base)
        )
        load = (lines + PRIOR_LINES) / (base + PRIOR_LINES)
        return np.asarray(np.clip(load, MIN_LOAD, None) ** self.baseline.carry)

    def _around(self, name: str, width: int) -> Floats:
        """The load that the other lines tell, of the window, or of half an hour."""
        return load_around(self._every - self._lines[name], self.base, self._speaking, max(width, LOAD_SLOTS))


def _shifted(values: Floats, by: int) -> Floats:
    return np.concatenate([np.zeros(by), values[:-by]])


def load_around(others: Ints, base: Floats, speaking: Flags, width: int) -> Floats:
    lines = trailing(np.where(speaking, others, 0), width)
    usual = trailing(np.where(speaking, base, 0), width)
    return np.asarray((lines + PRIOR_LINES) / (usual + PRIOR_LINES))


def judged(
    baseline: Baseline, expectation: Expectation, grid: SlotGrid, asked: Series
) -> Iterable[tuple[str | None, Floats]]:
    """The surprise of a series at the end of each slot: of the node (None), or of each of its patterns."""
    if asked.per == "node":
        seen = but_loudest(grid.lines(asked.levels), asked.width)
        mean = expectation.levels(asked.levels, asked.width) * share_left(asked.width)
        yield None, surprise(seen, mean, spread_of(baseline, asked.levels, asked.width))
        return
    for pattern, row in grid.patterns(asked.levels or grid_levels(grid)).items():
        past = baseline.patterns.get(pattern)
        if past is None:
            past = unseen(baseline, grid, pattern)
            if past is None:
                continue
        there, above = surprises(baseline, expectation, past, row, asked.width)
        if not len(there):
            continue
        unlike = np.zeros(grid.slots)
        unlike[there] = np.where(above > past.peak + 0.3, above, np.minimum(above, MIN_UNUSUAL))
        yield pattern, unlike


def surprises(
    baseline: Baseline, expectation: Expectation, past: PatternBaseline, row: Ints, width: int
) -> tuple[Ints, Floats]:
    """Of a pattern: the slots at whose end it has enough lines to say so, and how far above the usual these are."""
    seen = but_loudest(row, width)
    there = np.flatnonzero(seen >= MIN_SEEN)
    if not len(there):
        return there, np.zeros(0)
    mean = expectation.pattern(past, width)[there] * share_left(width)
    return there, surprise(seen[there], mean, baseline.spread[f"{past.group}/{width}"])


MIN_SEEN = 2  # lines of a pattern beside its loudest slot: one is no rate
MIN_UNUSUAL = 3.0  # what no limit is below


def unseen(baseline: Baseline, grid: SlotGrid, pattern: str) -> PatternBaseline | None:
    """A pattern that the node never had, as if half a line of it had been there; None for info: deploys bring new."""
    group = next(group_of(level) for name, level in grid.keys if name == pattern)
    if group == "rest":
        return None
    offset, _ = baseline.rates[group]
    lines = max(exp(offset) * sum(baseline.profile) * baseline.days, 1.0)
    return PatternBaseline(group, 0, 0.5 / lines)


def grid_levels(grid: SlotGrid) -> set[str]:
    return {level for _, level in grid.keys}


def spread_of(baseline: Baseline, levels: Collection[str] | None, width: int) -> float:
    """Of several groups the most usual one's."""
    groups = {group_of(level) for level in baseline.levels if levels is None or level in levels} or {"rest"}
    main = "rest" if "rest" in groups else "warn" if "warn" in groups else "error"
    return baseline.spread[f"{main}/{width}"]


def limit(baseline: Baseline, asked: Series, false_alarms: float) -> float:
    """The surprise that chance reaches `false_alarms` times a day."""
    location, scale = baseline.limits[asked.name]
    a_block = min(max(false_alarms * BLOCK / SLOTS_A_DAY, 1e-9), 0.5)
    return max(location - scale * log(-log(1 - a_block)), MIN_UNUSUAL)
