"""What rules may know of one node in some slots, and what they find there.

Here: the values, and what of them is worked out once for all rules. What fills them: `observe.py`; conditions:
`detection/conditions/rates.py` and `detection/conditions/thresholds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, Series
from fleexmon_pipeline.baselines.expectation import Expectation, series_surprises
from fleexmon_pipeline.baselines.silence import quietness
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, SlotGrid, joined
from fleexmon_pipeline.numerics import Flags, Floats, Ints

LEAST_QUIET = 5.0  # -log10 of the chance that a node is silent by chance
MORE_QUIET = 1.3  # times the longest usual silence


@dataclass(frozen=True)
class Finding:
    """A condition holds at the end of a slot of the grid."""

    slot: int  # index in the grid
    pattern: str | None
    count: int
    expected: float | None  # where a baseline said so
    width: int  # slots of the window
    total: int | None = None


@dataclass
class Scene:
    """All that rules may know of one node in some slots."""

    grid: SlotGrid
    baseline: Baseline | None  # None: nothing is known of its past yet
    since: int | None  # number of the first slot in which it ever answered
    templates: Mapping[str, str]
    first_seen: Mapping[str, int]  # pattern → number of the slot in which it first came, at any node
    texts: Mapping[str, Ints] = field(default_factory=dict)  # rule → its lines by slot
    past_templates: Mapping[str, str] = field(default_factory=dict)  # of the baseline's patterns
    before: SlotGrid | None = None  # up to the grid, from before a silence that is older than it, or as old
    unlearnt: int = 0  # number of the slot from which on a silence has left what is usual as it was
    _judged: dict[str, dict[str | None, Floats]] = field(default_factory=dict, repr=False)

    @cached_property
    def expectation(self) -> Expectation | None:
        return Expectation(self.baseline, self.grid) if self.baseline else None

    def has_history(self, days: float) -> Flags:
        """At the end of which slots the node has been known for so long."""
        if self.since is None:
            return np.zeros(self.grid.slots, bool)
        ends = self.grid.first + np.arange(self.grid.slots) + 1
        return np.asarray(ends - self.since >= days * SLOTS_A_DAY)

    def judged(self, asked: Series) -> dict[str | None, Floats]:
        """The surprise of a series; worked out once for all rules that ask for it."""
        if asked.name not in self._judged and self.baseline and self.expectation:
            self._judged[asked.name] = dict(series_surprises(self.baseline, self.expectation, self.grid, asked))
        return self._judged.get(asked.name, {})

    @cached_property
    def silent(self) -> tuple[Flags, Floats]:
        """At the end of which slots the node is silent that should speak; empty slots so far."""
        grid = joined(self.before, self.grid) if self.before else self.grid
        base = None if self.baseline is None else _unmasked(self.baseline, grid)
        least = max(LEAST_QUIET, MORE_QUIET * self.baseline.quiet) if self.baseline else LEAST_QUIET
        quiet, run = (found[-self.grid.slots :] for found in (quietness(grid, base, self.unlearnt), _runs(grid)))
        return np.asarray((quiet >= least) & (run >= 2) & self.grid.empty & self.grid.known), run


def _unmasked(baseline: Baseline, grid: SlotGrid) -> Floats:
    """Lines a slot by time of day, whether the slot is known or not."""
    known = np.ones(grid.slots, bool)
    return Expectation(baseline, SlotGrid(grid.node, grid.first, known, grid.empty, [], grid.counts[:0])).base


def _runs(grid: SlotGrid) -> Floats:
    found, run = np.zeros(grid.slots), 0
    for slot in range(grid.slots):
        run = run + 1 if grid.empty[slot] else run if not grid.known[slot] else 0
        found[slot] = run
    return found
