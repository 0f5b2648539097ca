"""Durations in lines that have grown beyond the node's baseline (`baselines/values/durations.py`).

Fires once for the node, not for each pattern: if a database is slow, everything is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.expectation import limit, share_needed
from fleexmon_pipeline.baselines.slot_grid import share_left
from fleexmon_pipeline.baselines.values.durations import FIGURES, OFTEN_TIMES, Slower, slower
from fleexmon_pipeline.detection.observation import Hit, Measure, Observation
from fleexmon_pipeline.detection.rule_kinds import Value
from fleexmon_pipeline.window import DAY, SLOT

PER = ("duration", "durations")  # series of a single pattern, and of all patterns together
TIE_BREAK = 1e-3  # if all patterns together are slow, the one with the largest surprise is named
NAMES = {"p50": "median", "p95": "95th percentile"}
OF_STEPS = "average"


def value(rule: Value, observation: Observation) -> Iterator[Hit]:
    """Growth that still continues. Among several windows, patterns and figures, yields the most improbable."""
    baseline, grid = observation.baseline, observation.grid
    if baseline is None or not grid.durations:
        return
    has_history = observation.has_history(rule.history / DAY)
    if not has_history.any():
        return
    best, found = np.full(grid.slots, -np.inf), np.zeros(grid.slots, np.int64)
    measures: list[tuple[Slower, int, str, int]] = []
    limits: dict[int, tuple[float, float]] = {}  # width → limits of a single pattern, and of all together
    alarms = observation.alarms(rule.name, rule.value.false_alarms) / (len(PER) * len(rule.value.at_least))
    for within, min_lines in rule.value.at_least.items():
        series = {per: Series(rule.where.level, per, within // SLOT) for per in PER}
        if any(one.name not in baseline.limits for one in series.values()):
            continue
        single, all_as_one = (limit(baseline, series[per], alarms) for per in PER)
        all_as_one = max(all_as_one, OFTEN_TIMES * baseline.peaks.get(series["durations"].name, 0.0))
        width = within // SLOT
        limits[width] = single, all_as_one
        for figure in FIGURES:
            grown = slower(baseline, grid, series["duration"].groups, figure, width)
            together = grown.together - all_as_one
            for row in range(len(grown.patterns)):
                holds = has_history & (grown.lines[row] >= min_lines * share_left(width))
                holds &= np.minimum(grown.times[row], grown.recent_times[row]) >= rule.value.times
                above = np.maximum(grown.surprise[row] - single, np.where(grown.surprise[row] > 0, together, -np.inf))
                above = np.where(holds & (above >= 0), above + TIE_BREAK * grown.surprise[row], -np.inf)
                if (above > best).any():
                    best, found = np.maximum(best, above), np.where(above > best, len(measures), found)
                    measures.append((grown, row, figure, width))
    for slot in np.flatnonzero(best >= 0).tolist():
        grown, row, figure, width = measures[int(found[slot])]
        value, expected = float(grown.value[row, slot]), float(grown.expected[row, slot])
        measure = Measure(
            grown.patterns[row], OF_STEPS if grown.steps[row] else NAMES[figure], value, expected, grown.steps[row]
        )
        surprises = float(grown.surprise[row, slot]), float(grown.together[slot])
        needed = min(
            share_needed(baseline, Series(rule.where.level, per, width), alarms, surprise)
            for per, surprise, least in zip(PER, surprises, limits[width], strict=True)
            if surprise >= least
        )
        yield Hit(slot, None, int(grown.lines[row, slot]), None, width, measure=measure, of_budget=needed)
