"""Fewer lines of a node than its baseline lets expect.

Here: at the end of which slots there are too few, and that nobody took them over. No lines at all: `new_and_silent.py`;
what is expected: `baselines/expectation.py`; traffic that moves: `baselines/handover.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.expectation import limit
from fleexmon_pipeline.baselines.slot_grid import trailing
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_model import Drop
from fleexmon_pipeline.window import DAY, SLOT

EXPLAINED = 0.5  # of the lines that are missing: if peers have so many more, the traffic has moved


def drop(rule: Drop, observation: Observation) -> Iterator[Hit]:
    """Of several windows, the one that stands out most."""
    baseline, expectation, grid = observation.baseline, observation.expectation, observation.grid
    if baseline is None or expectation is None:
        return
    has_history = observation.has_history(rule.history / DAY)
    best, widths = np.full(grid.slots, -np.inf), np.zeros(grid.slots, np.int64)
    alarms = rule.drop.false_alarms / len(rule.drop.at_least)
    for within, min_expected in rule.drop.at_least.items():
        series = Series(rule.where.level, "node", within // SLOT, falls=True)
        if series.name not in baseline.limits:
            continue
        lines = trailing(expectation.of_traffic(series.levels), series.width)
        expected = expectation.at_least(series.levels, series.width)
        holds = has_history & (expected >= min_expected) & (lines < rule.drop.below * expected)
        above = observation.surprises(series)[None] - limit(baseline, series, alarms)
        holds &= above >= 0
        if not holds.any():
            continue
        holds &= observation.moved(series.width, away=True) < EXPLAINED * (expected - lines)
        above = np.where(holds, above, -np.inf)
        best, widths = np.maximum(best, above), np.where(above > best, series.width, widths)
    for slot in np.flatnonzero(best >= 0):
        width = int(widths[slot])
        lines = trailing(expectation.of_traffic(rule.where.level), width)[slot]
        yield Hit(int(slot), None, int(lines), float(expectation.at_least(rule.where.level, width)[slot]), width)
