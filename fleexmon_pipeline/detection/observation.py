"""The data that rules see of one node over a window, and the hits of their conditions.

Here: the data, and values that are computed once for all rules. Reading it: `observe.py`; conditions:
`detection/conditions/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, Series
from fleexmon_pipeline.baselines.expectation import Expectation, series_surprises
from fleexmon_pipeline.baselines.handover import HANDOVER, moved, taken_over
from fleexmon_pipeline.baselines.silence import quietness
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, SlotGrid, joined
from fleexmon_pipeline.numerics import Flags, Floats, Ints

MIN_QUIETNESS = 5.0  # -log10 of the probability that a node has no lines by chance
MIN_QUIETNESS_RATIO = 1.3  # times the quietness of the longest normal silence


@dataclass(frozen=True)
class Measure:
    """A figure from a pattern's lines, such as a duration, that is improbable."""

    pattern: str
    name: str
    value: float
    expected: float
    steps: bool = False  # of steps to its lines, not of durations that they state


@dataclass(frozen=True)
class Hit:
    """A condition holds at the end of a slot of the grid."""

    slot: int  # index in the grid
    pattern: str | None
    count: int
    expected: float | None  # None without a baseline
    width: int  # slots of the window
    total: int | None = None
    measure: Measure | None = None
    companion: str | None = None  # the pattern that this one accompanies or replaces
    field: int | None = None  # position of the value in its lines, from 0
    of_budget: float | None = None  # smallest share of the rule's rate of false alarms with which it would have fired


@dataclass
class Observation:
    """Everything that rules may know about one node over a window."""

    grid: SlotGrid
    baseline: Baseline | None  # None: nothing is known of its past yet
    since: int | None  # number of the first slot in which it ever responded
    templates: Mapping[str, str]
    first_seen: Mapping[str, int]  # pattern → number of the slot of its first line on any node
    text_lines: Mapping[str, Ints] = field(default_factory=dict)  # rule → lines with its texts, by slot
    baseline_templates: Mapping[str, str] = field(default_factory=dict)  # of the baseline's patterns
    others: Sequence[SlotGrid] = ()  # the other nodes' lines in the same slots
    before: SlotGrid | None = None  # the slots before the grid, if a silence began there or at its start
    when_silent: Mapping[str, SlotGrid] = field(default_factory=dict)  # node → its lines when that silence began
    budget: Mapping[str, float] = field(default_factory=dict)  # rule → factor for its rate of false alarms
    absorbed_before: int = 0  # number of the first slot too recent for its silence to have skewed the baseline

    _surprises: dict[str, dict[str | None, Floats]] = field(default_factory=dict, repr=False)

    @cached_property
    def expectation(self) -> Expectation | None:
        return Expectation(self.baseline, self.grid) if self.baseline else None

    def alarms(self, rule: str, false_alarms: float) -> float:
        """Allowed false alarms per day and node: the rule's share of the budget, or its own rate without a budget."""
        return false_alarms * self.budget.get(rule, 1.0)

    def has_history(self, days: float) -> Flags:
        """At the end of which slots the node has been known for `days`."""
        if self.since is None:
            return np.zeros(self.grid.slots, bool)
        ends = self.grid.first + np.arange(self.grid.slots) + 1
        return np.asarray(ends - self.since >= days * SLOTS_A_DAY)

    def surprises(self, series: Series) -> dict[str | None, Floats]:
        """Pattern (None: the node) → its surprise by slot; computed once for all rules with this series."""
        if series.name not in self._surprises and self.baseline and self.expectation:
            self._surprises[series.name] = dict(series_surprises(self.baseline, self.expectation, self.grid, series))
        return self._surprises.get(series.name, {})

    def moved(self, width: int, *, away: bool) -> Floats:
        """Lines at each slot's end that this node lost and its peers gained (`away`), or the other way round."""
        learnt = set(self.baseline.patterns) if self.baseline else set()
        return moved(self.grid, self.others, learnt, self._season(self.grid), width, away=away)

    def _season(self, grid: SlotGrid) -> Floats:
        """Expected lines by time of day; constant without a baseline."""
        return np.ones(grid.slots) if self.baseline is None else _base_lines(self.baseline, grid)

    @cached_property
    def silent(self) -> tuple[Flags, Floats]:
        """At the end of which slots the node is silent and should not be, and for how many empty slots."""
        grid = joined(self.before, self.grid) if self.before else self.grid
        base = None if self.baseline is None else _base_lines(self.baseline, grid)
        min_quietness = MIN_QUIETNESS
        if self.baseline:
            min_quietness = max(min_quietness, MIN_QUIETNESS_RATIO * self.baseline.quiet)
        together = self.baseline.lines_an_event if self.baseline else 1.0
        quiet = quietness(grid, base, self.absorbed_before, lines_an_event=together)[-self.grid.slots :]
        empty_slots = _empty_slots(grid)[-self.grid.slots :]
        silent = (quiet >= min_quietness) & (empty_slots >= 2) & self.grid.empty & self.grid.known
        return np.asarray(silent & ~self._taken_over(grid, silent)), empty_slots

    def _taken_over(self, grid: SlotGrid, silent: Flags) -> Flags:
        """Which silent slots belong to a silence that began when other nodes took over this node's work."""
        taken = np.zeros(self.grid.slots, bool)
        if not silent.any():
            return taken
        learnt = set(self.baseline.patterns) if self.baseline else set()
        node, *peers = (
            [*([self.when_silent[one.node]] if one.node in self.when_silent else []), one]
            for one in (self.grid, *self.others)
        )
        seasons = np.concatenate([[0.0], np.cumsum(self._season(grid))])

        def season(since: int, until: int) -> float:
            begin, end = (min(max(place - grid.first, 0), grid.slots) for place in (since, until))
            return float(seasons[end] - seasons[begin]) / max(end - begin, 1)

        has_lines = grid.known & ~grid.empty
        offset = grid.slots - self.grid.slots
        results: dict[tuple[int, int], bool] = {}
        for slot in np.flatnonzero(silent).tolist():
            with_lines = np.flatnonzero(has_lines[: offset + slot])
            begin = grid.first + (int(with_lines[-1]) + 1 if len(with_lines) else 0)
            until = min(self.grid.first + slot + 1, begin + HANDOVER)
            if (begin, until) not in results:
                results[begin, until] = taken_over(node, peers, learnt, season, begin, until)
            taken[slot] = results[begin, until]
        return taken


def _base_lines(baseline: Baseline, grid: SlotGrid) -> Floats:
    """Expected lines of a slot by time of day, whether the slot is known or not."""
    known = np.ones(grid.slots, bool)
    return Expectation(baseline, SlotGrid(grid.node, grid.first, known, grid.empty, [], grid.counts[:0])).base


def _empty_slots(grid: SlotGrid) -> Floats:
    """For each slot, the length of the run of empty slots that ends there. Unknown slots neither count nor end it."""
    lengths, length = np.zeros(grid.slots), 0
    for slot in range(grid.slots):
        length = length + 1 if grid.empty[slot] else length if not grid.known[slot] else 0
        lengths[slot] = length
    return lengths
