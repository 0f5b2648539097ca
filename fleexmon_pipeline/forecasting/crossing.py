"""When a rate that climbs crosses a threshold: a line through the last hours, and how sure it is.

Here: arithmetic, without a database. What is done with it: `forecasts.py`, `announce.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

HOURS = (3, 6)  # through which the line goes: the one that is surer counts
FARTHEST = 12  # hours in which even the cautious end of the interval must have crossed: else it is not said
SOONER = 6  # hours in which the middle must
SIGMAS = 1.2816  # 80 % are within
CLIMBS = 2.5  # standard errors of the slope, and of the last hour above the usual
RARE = 0.99  # of the past's pairs of hours were below the last two: one loud hour, or a blip a day, is no trend
LEAST_ERRORS = 5  # in these two
LEAST_HISTORY = 24  # hours, without which nobody knows what is usual
LEAST_USUAL = 1e-4  # a usual rate of none at all would make every first error a trend
CALM = 0.95  # of the past's hours say how far hours stray; the others are incidents


@dataclass(frozen=True)
class Crossing:
    """`hours`: the first of the coming hours whose rate is above the threshold, with its 80 % interval."""

    hours: int
    low: int
    high: int
    rate: float  # of the last hour
    usual: float
    climbed: int  # hours that the line goes through


def crossing(errors: Floats, lines: Floats, threshold: float) -> Crossing | None:
    """From whole hours, oldest first, nan where unknown. None where nothing surely climbs, or it is above already.

    What is usual, and how far hours stray from it, comes from the hours before those that the line goes through.
    """
    longest = max(HOURS)
    if len(errors) < longest + LEAST_HISTORY or np.isnan(errors[-longest:]).any() or (lines[-longest:] <= 0).any():
        return None
    known = ~np.isnan(errors[:-longest]) & (lines[:-longest] > 0)
    past_errors, past_lines = errors[:-longest][known], lines[:-longest][known]
    if len(past_errors) < LEAST_HISTORY or errors[-2:].sum() < LEAST_ERRORS:
        return None
    rate, usual = errors[-1] / lines[-1], max(_usual(past_errors, past_lines), LEAST_USUAL)
    stray = _stray(past_errors, usual * past_lines)
    pairs = (past_errors[1:] + past_errors[:-1]) / (past_lines[1:] + past_lines[:-1])
    if (
        rate > threshold
        or rate <= errors[-2] / lines[-2]  # over already: most incidents end within the hour
        or rate - usual < CLIMBS * sqrt(stray * usual / lines[-1])
        or errors[-2:].sum() / lines[-2:].sum() <= np.quantile(pairs, RARE)
    ):
        return None
    found = [
        Crossing(*ahead, float(rate), usual, hours)
        for hours in HOURS
        if (ahead := _ahead(errors[-hours:], lines[-hours:], usual, stray, threshold)) is not None
    ]
    return min(found, key=lambda each: each.high, default=None)


def _ahead(errors: Floats, lines: Floats, usual: float, stray: float, threshold: float) -> tuple[int, int, int] | None:
    rates = errors / lines
    now, slope, cov = _line(np.arange(-len(rates), 0) + 0.5, rates, stray * np.maximum(rates, usual) / lines)
    if slope <= CLIMBS * sqrt(cov[1, 1]):
        return None
    ahead = np.arange(1, FARTHEST + 1) - 0.5
    path = now + slope * ahead
    margin = SIGMAS * np.sqrt(cov[0, 0] + 2 * ahead * cov[0, 1] + ahead**2 * cov[1, 1])
    hours, low, high = (_first_above(each, threshold) for each in (path, path + margin, path - margin))
    if hours is None or low is None or high is None or hours > SOONER:
        return None
    return hours, low, high


def _usual(errors: Floats, lines: Floats) -> float:
    """The median rate, or where that is none, errors by lines without the loudest tenth of the hours."""
    rates = errors / lines
    calm = rates <= np.quantile(rates, 0.9)
    return max(float(np.median(rates)), float(errors[calm].sum() / lines[calm].sum()))


def _stray(errors: Floats, expected: Floats) -> float:
    """Variance of the calm hours as a multiple of a Poisson count's; at least 1."""
    strays = np.sort((errors - expected) ** 2 / np.maximum(expected, 1e-9))
    return max(1.0, float(strays[: ceil(len(strays) * CALM)].mean()))


def _line(at: Floats, rates: Floats, variance: Floats) -> tuple[float, float, Floats]:
    """Weighted least squares: the rate now, its change an hour, their covariance."""
    design = np.stack([np.ones(len(at)), at], axis=1)
    weighted = design / variance[:, None]
    cov = np.linalg.inv(design.T @ weighted)
    now, slope = cov @ (weighted.T @ rates)
    return float(now), float(slope), cov


def _first_above(path: Floats, threshold: float) -> int | None:
    above = np.flatnonzero(path > threshold)
    return int(above[0]) + 1 if len(above) else None
