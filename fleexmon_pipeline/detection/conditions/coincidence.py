"""More lines than expected that everyday bursts explain, if several of them come in the same window.

What bursts are, and how often they come together: `baselines/bursts.py`.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, OfPattern, Series, habits_key
from fleexmon_pipeline.baselines.bursts import Bursts, without_bursts
from fleexmon_pipeline.baselines.expectation import known_or_unseen, spread_of, spread_of_pattern
from fleexmon_pipeline.baselines.slot_grid import share_left, surprise, trailing
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.numerics import Flags, Floats


def coincidences(
    observation: Observation, series: Series, pattern: str | None, slots: Flags, min_surprise: float
) -> Floats:
    """For each of these slots, how many times a day chance brings together as many everyday bursts as explain the
    window that ends with it. 0 if they do not explain it, and for all other slots.

    min_surprise: what a window without these bursts must not reach. Of a pattern, the figure is for all bursty patterns
    of the node together, because a rule may fire for each.
    """
    rates = np.zeros(observation.grid.slots)
    baseline, expectation, grid = observation.baseline, observation.expectation, observation.grid
    if baseline is None or expectation is None or not slots.any():
        return rates
    of_pattern = known_or_unseen(baseline, grid, pattern, series.levels) if pattern else {}
    bursts, alike = _bursts_of(baseline, series, of_pattern) if pattern else (_of_node(baseline, series), 1)
    if bursts is None:
        return rates
    width = series.width
    if pattern:
        row, mean = grid.patterns(series.levels or LEVELS)[pattern], expectation.pattern(of_pattern, width)
        spread = spread_of_pattern(baseline, of_pattern, width)
    else:
        row, mean = grid.lines(series.levels), expectation.levels(series.levels, width)
        spread = spread_of(baseline, series.levels, width)
    for slot in np.flatnonzero(slots & (trailing(grid.known, width) > 0)).tolist():
        expected = float(mean[slot])
        window = row[max(slot + 1 - width, 0) : slot + 1]
        for count, lines in enumerate(without_bursts(window, expected / width, bursts.lines), start=1):
            rest = surprise(np.array([lines]), np.array([expected * share_left(width)]), spread)
            if rest[0] < min_surprise:
                rates[slot] = alike * bursts.together(count, width)
                break
    return rates


def _bursts_of(baseline: Baseline, series: Series, of_pattern: OfPattern) -> tuple[Bursts | None, int]:
    """The bursts of a pattern in its most frequent group, and how many patterns of these groups have bursts."""
    if not of_pattern:
        return None, 0
    main = max(of_pattern.values(), key=lambda one: one.lines)
    alike = sum(
        group in series.groups and one.bursts is not None
        for groups in baseline.patterns.values()
        for group, one in groups.items()
    )
    return main.bursts, alike


def _of_node(baseline: Baseline, series: Series) -> Bursts | None:
    return baseline.bursts.get(habits_key(series.levels))
