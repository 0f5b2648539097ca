"""Predict each value, with several predictors at once.

Here: predictors, and their weights by recent accuracy. How surprising an error is: `tail.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleexmon_pipeline.numerics import DAYS_A_WEEK, Floats, Ints
from fleexmon_pipeline.series.smoothing import mean_around, moving_mean, previous

DAY_SECONDS, HOUR_SECONDS = 86_400, 3_600
WEEK_SECONDS = DAYS_A_WEEK * DAY_SECONDS
SAME_TIME_SECONDS = 900  # "the same time" is a quarter of an hour before to one after
WEEKS = 4
ACCURACY_POWER = 4  # a predictor with half the error has 16 times the weight
SLOW_MEMORY_DAYS = 3  # over which slow predictors are weighed
RESOLUTION = 1e-9  # of the largest value: smaller errors are rounding


def errors(times: Ints, values: Floats, hour: float, day: float) -> tuple[Floats, Floats]:
    """The distance of each value from two predictions: one from the last hour, one from the days and weeks before.

    The first adapts within minutes and detects sudden changes. The second does not follow an incident and detects
    lasting changes. hour, day: number of values.
    """
    level = previous(moving_mean(values, day), values[0])
    deviations = values - level
    days = [mean_around(times, deviations, back * DAY_SECONDS, SAME_TIME_SECONDS) for back in range(1, DAYS_A_WEEK + 1)]
    weeks = [mean_around(times, deviations, back * WEEK_SECONDS, SAME_TIME_SECONDS) for back in range(1, WEEKS + 1)]
    slow = _blend(values, [level, level + _median(days), level + _median(weeks)], SLOW_MEMORY_DAYS * day)
    recent = previous(moving_mean(values, hour), values[0])
    fast = _blend(values, [previous(values, values[0]), recent, slow], day)
    smallest = RESOLUTION * np.maximum.accumulate(np.abs(values))
    sudden, lasting = values - fast, values - slow
    return np.where(np.abs(sudden) > smallest, sudden, 0.0), np.where(np.abs(lasting) > smallest, lasting, 0.0)


def _blend(values: Floats, predictions: Sequence[Floats], memory: float) -> Floats:
    """The mean of the predictions, weighted by their accuracy up to the previous value. The first has no gaps."""
    stacked = np.array(predictions)
    misses = np.array([previous(moving_mean(np.abs(values - each), memory)) for each in stacked])
    smallest = RESOLUTION * np.maximum.accumulate(np.abs(values)) + np.finfo(float).tiny ** (1 / ACCURACY_POWER)
    known = ~np.isnan(stacked) & ~np.isnan(misses)
    best = np.min(np.where(known, np.maximum(misses, smallest), np.inf), axis=0)
    weights = np.where(known, (best / np.maximum(misses, smallest)) ** ACCURACY_POWER, 0.0)
    total = weights.sum(axis=0)
    blended = (weights * np.where(known, stacked, 0.0)).sum(axis=0) / np.where(total > 0, total, 1.0)
    return np.asarray(np.where(total > 0, blended, stacked[0]))


def _median(rows: Sequence[Floats]) -> Floats:
    """The median of each column, ignoring NaN; NaN if the column has nothing else."""
    ordered = np.sort(np.array(rows), axis=0)  # NaN comes last
    count = (~np.isnan(ordered)).sum(axis=0)
    at = np.arange(ordered.shape[1])
    low, high = (
        ordered[np.maximum(count - 1, 0) // 2, at],
        ordered[np.minimum(count // 2, np.maximum(count - 1, 0)), at],
    )
    return np.asarray((low + high) / 2)
