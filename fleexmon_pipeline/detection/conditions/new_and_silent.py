"""Patterns that no node has had before, and nodes without lines.

Here: where each condition holds. Dispatch by kind: `by_kind.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, trailing
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import New, Silence
from fleexmon_pipeline.window import DAY

RARE_NOVELTY = 0.02  # unknown error patterns a day; a node that has more needs a second line
YOUNG = 7  # days, in which ordinary errors are still seen for the first time
MANY = 5  # lines; fewer within one slot may be one failure, which often says two or three


def new(rule: New, observation: Observation) -> Iterator[Hit]:
    """A pattern that no node has had before, while it is less than a day old."""
    baseline, grid = observation.baseline, observation.grid
    has_history = observation.has_history(rule.history / DAY)
    if baseline is None or not has_history.any():
        return
    min_lines = rule.new.at_least
    wary = rule.new.wary and baseline.novelty > RARE_NOVELTY
    min_lines = max(min_lines, 2) if wary else min_lines
    slots = grid.first + np.arange(grid.slots)
    for pattern, row in grid.patterns(rule.where.level).items():
        first = observation.first_seen.get(pattern)
        if first is None or first + SLOTS_A_DAY <= grid.first:
            continue
        if not rule.where.has_text(observation.templates.get(pattern, "")):
            continue
        lines = trailing(row, rule.width)
        holds = (slots >= first) & (slots < first + SLOTS_A_DAY) & (lines >= min_lines) & has_history
        if wary and baseline.days < YOUNG:
            holds &= (lines >= MANY) | (trailing(row > 0, rule.width) >= 2)
        for slot in np.flatnonzero(holds):
            yield Hit(int(slot), pattern, int(lines[slot]), None, rule.width)


def silence(rule: Silence, observation: Observation) -> Iterator[Hit]:
    del rule
    silent, empty_slots = observation.silent
    for slot in np.flatnonzero(silent):
        yield Hit(int(slot), None, 0, None, int(empty_slots[slot]))
