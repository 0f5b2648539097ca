"""Patterns that no node has had before, and nodes without lines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, SLOTS_AN_HOUR, trailing
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import New, Silence
from fleexmon_pipeline.window import DAY

RARE_NOVELTY = 0.02  # unknown error patterns a day; on a node with more, a new error needs a second line
YOUNG = 7  # days in which ordinary errors still appear for the first time
MANY = 5  # lines; fewer within one slot may be a single failure, which often logs two or three
BULK = 8  # lines, in two slots or more
FIRST_HOURS = 6 * SLOTS_AN_HOUR  # of a node; a pattern that first appears later, and in bulk, was not ordinary before


def new(rule: New, observation: Observation) -> Iterator[Hit]:
    """A pattern that no node has had before, while it is less than a day old.

    On a node's first day every pattern is new. Then only patterns count that had no line in the first six hours and now
    have many lines in half an hour.
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
    """A node that responds without lines when it should have some."""
    del rule
    silent, empty_slots = observation.silent
    for slot in np.flatnonzero(silent):
        yield Hit(int(slot), None, 0, None, int(empty_slots[slot]))
