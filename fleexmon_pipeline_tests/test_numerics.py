"""Statistics of counts, compared with their definitions."""

from __future__ import annotations

from datetime import UTC, datetime
from math import lgamma, log

import numpy as np
import pytest

from fleexmon_pipeline.numerics import (
    deviance,
    dispersion,
    excess_variance,
    is_weekend,
    poisson_derivatives,
)
from fleexmon_pipeline.window import DAY, EPOCH


def test_a_weekend_is_what_the_calendar_says() -> None:
    days = np.arange((datetime(2026, 11, 29, tzinfo=UTC) - EPOCH) // DAY - 20, 20_800)
    weekdays = [(EPOCH + int(day) * DAY).weekday() for day in days]

    assert is_weekend(days).tolist() == [weekday >= 5 for weekday in weekdays]


def log_likelihood(count: float, mean: float, spread: float) -> float:
    """Of the negative binomial distribution with this mean and variance mean + spread * mean ** 2."""
    size = 1 / spread
    chance = log(mean / (mean + size)) * count + log(size / (mean + size)) * size
    return lgamma(count + size) - lgamma(size) - lgamma(count + 1) + chance


@pytest.mark.parametrize("spread", [0.02, 0.5, 3.0])
def test_the_deviance_is_twice_the_distance_to_a_perfect_fit(spread: float) -> None:
    counts, expected = np.array([0.0, 1.0, 7.0, 900.0]), np.array([2.5, 1.0, 0.4, 60.0])
    by_definition = [
        2 * (log_likelihood(count, max(count, 1e-12), spread) - log_likelihood(count, mean, spread))
        for count, mean in zip(counts.tolist(), expected.tolist(), strict=True)
    ]

    assert deviance(counts, expected, spread) == pytest.approx(by_definition, abs=1e-6)


def test_the_dispersion_of_many_counts_is_that_of_their_distribution() -> None:
    spread, mean = 0.4, np.full(200_000, 12.0)
    counts = np.random.default_rng(1).negative_binomial(1 / spread, 1 / (1 + spread * mean))
    sums = excess_variance((counts - mean) ** 2, mean)

    assert dispersion(*sums, 0.0, 3.0) == pytest.approx(spread, rel=0.02)
    assert dispersion(*sums, 0.0, 0.1) == 0.1
    assert dispersion(np.zeros(1), np.zeros(1), 0.02, 3.0) == 0.02


def test_steps_by_the_derivatives_end_at_the_regression() -> None:
    chance = np.random.default_rng(2)
    load = chance.normal(0, 0.7, 5_000)
    counts = chance.poisson(np.exp(1.5 + 0.8 * load)).astype(float)
    level, power = 0.0, 0.0
    for _ in range(20):
        expected = np.exp(level + power * load)
        slope, curvature = poisson_derivatives(counts - expected, expected, load)
        step = np.clip(np.linalg.solve(curvature, slope), -1, 1)
        level, power = level + step[0], power + step[1]

    assert (level, power) == pytest.approx((1.5, 0.8), abs=0.05)
