"""Patterns that were never seen before, and nodes that say nothing.

Here: where each condition holds. Dispatch by kind: `by_kind.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, trailing
from fleexmon_pipeline.detection.observation import Finding, Scene
from fleexmon_pipeline.detection.rule_model import (
    New,
    Silence,
)
from fleexmon_pipeline.window import DAY, SLOT

RARE_NOVELTY = 0.02  # unknown error patterns a day; a node that has more is asked for a second line


def new(rule: New, scene: Scene) -> Iterator[Finding]:
    """A pattern that no node ever had, while it is less than a day old."""
    baseline, grid = scene.baseline, scene.grid
    known = scene.has_history(rule.history / DAY)
    if baseline is None or not known.any():
        return
    least = rule.new.at_least
    if rule.new.wary and baseline.novelty > RARE_NOVELTY:
        least = max(least, 2)
    width = rule.new.within // SLOT
    slots = grid.first + np.arange(grid.slots)
    for pattern, row in grid.patterns(rule.where.level).items():
        first = scene.first_seen.get(pattern)
        if first is None or first + SLOTS_A_DAY <= grid.first:
            continue
        lines = trailing(row, width)
        holds = (slots >= first) & (slots < first + SLOTS_A_DAY) & (lines >= least) & known
        for slot in np.flatnonzero(holds):
            yield Finding(int(slot), pattern, int(lines[slot]), None, width)


def silence(rule: Silence, scene: Scene) -> Iterator[Finding]:
    del rule
    silent, run = scene.silent
    for slot in np.flatnonzero(silent):
        yield Finding(int(slot), None, 0, None, int(run[slot]))
