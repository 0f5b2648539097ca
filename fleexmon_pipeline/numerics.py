"""Statistics of counts that baselines, comparisons and forecasts share.

Only arithmetic on arrays. Its uses and bounds are in `baselines/`, `comparison/` and `forecasting/`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAYS_A_WEEK = 7
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
SATURDAY = 5
MIN_SQUARES = 1e-9  # a sum of squares to divide by: without lines there is no dispersion


def is_weekend(days: Ints) -> Flags:
    """Which of these UTC days, counted from 1970, are Saturdays or Sundays."""
    weekend: Flags = (days + EPOCH_WEEKDAY) % DAYS_A_WEEK >= SATURDAY
    return weekend


def deviance(counts: Floats, expected: Floats, dispersion: float | Floats) -> Floats:
    """The negative binomial deviance of each count from what was expected (above 0).

    The variance is expected + dispersion * expected ** 2. The root of the deviance is close to the number of standard
    deviations of a normal variable, far into the tail.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(counts > 0, counts * np.log(counts / expected), 0.0)
        shared = (counts + 1 / dispersion) * np.log((1 + dispersion * counts) / (1 + dispersion * expected))
    return np.asarray(2 * np.maximum(own - shared, 0))


def excess_variance(squared_errors: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Over-dispersion by moments, along the last axis: the sums of the variance beyond chance and of the squared
    expectation. Sums of several parts can be added before `dispersion` divides them."""
    return (squared_errors - expected).sum(axis=-1), (expected**2).sum(axis=-1)


def dispersion(excess: Floats, squares: Floats, lowest: float, highest: float) -> Floats:
    """The dispersion from both sums of `excess_variance`, within [lowest, highest]."""
    return np.clip(excess / np.maximum(squares, MIN_SQUARES), lowest, highest)


def poisson_derivatives(residuals: Floats, expected: Floats, log_load: Floats) -> tuple[Floats, Floats]:
    """Slope and curvature of the log-likelihood of a Poisson regression, for one of Newton's steps.

    The model is log(expected) = level + power * log_load + an offset; both results are by level, then power. The caller
    may weight residuals and expected counts, and adds the penalty on the power.
    """
    slope = np.array([residuals.sum(), (residuals * log_load).sum()])
    mixed = (expected * log_load).sum()
    curvature = np.array([[expected.sum(), mixed], [mixed, (expected * log_load**2).sum()]])
    return slope, curvature
