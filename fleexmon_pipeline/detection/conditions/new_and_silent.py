"""Patterns that no node has had before, and nodes without lines.

Here: where each condition holds. Dispatch by kind: `by_kind.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, SLOTS_AN_HOUR, trailing
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import New, Silence
from fleexmon_pipeline.window import DAY

RARE_NOVELTY = 0.02  # unknown error patterns a day; a node that has more needs a second line
YOUNG = 7  # days, in which ordinary errors are still seen for the first time
MANY = 5  # lines; fewer within one slot may be one failure, which often says two or three
BULK = 8  # lines, in two slots or more
FIRST_HOURS = 6 * SLOTS_AN_HOUR  # of a node: what comes later, and in bulk then, has not been ordinary all the time


def new(rule: New, observation: Observation) -> Iterator[Hit]:
    """A pattern that no node has had before, while it is less than a day old.

    On a node's first day everything comes for the first time, but not in bulk: what has many lines in half an hour and
    had none in six hours was not ordinary all the time.
    """
    baseline, grid = observation.baseline, observation.grid
    has_history = observation.has_history(rule.history / DAY) & (baseline is not None)
    if observation.since is None:
        return
    min_lines = rule.new.at_least
    wary = baseline is None or (rule.new.wary and baseline.novelty > RARE_NOVELTY)
    young = baseline is None or baseline.days < YOUNG
    min_lines = max(min_lines, 2) if wary else min_lines
    slots = grid.first + np.arange(grid.slots)
    for pattern, row in grid.patterns(rule.where.level).items():
        first = observation.first_seen.get(pattern)
        if first is None or first + SLOTS_A_DAY <= grid.first:
            continue
        if not rule.where.has_text(observation.templates.get(pattern, "")):
            continue
        lines = trailing(row, rule.width)
        lasts = trailing(row > 0, rule.width) >= 2
        enough = lines >= min_lines
        if wary and young:
            enough &= (lines >= MANY) | lasts
        in_bulk = (lines >= max(min_lines, BULK)) & lasts & (first >= observation.since + FIRST_HOURS)
        holds = (slots >= first) & (slots < first + SLOTS_A_DAY) & np.where(has_history, enough, in_bulk)
        for slot in np.flatnonzero(holds):
            yield Hit(int(slot), pattern, int(lines[slot]), None, rule.width)


def silence(rule: Silence, observation: Observation) -> Iterator[Hit]:
    del rule
    silent, empty_slots = observation.silent
    for slot in np.flatnonzero(silent):
        yield Hit(int(slot), None, 0, None, int(empty_slots[slot]))
