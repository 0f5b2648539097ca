"""When a rising rate is expected to cross a threshold, and when it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.forecasting.crossing import HOURS, Counts, Crossing, crossing
from fleexmon_pipeline.forecasting.ramp import without_blips

A_WEEK = 7 * 24
AN_HOUR = 12


def story(rates: np.ndarray, lines: float = 2_000.0, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A week of 1 % of errors, then slots of these rates: errors and lines of every slot."""
    chance = np.random.default_rng(seed)
    shares = np.concatenate([np.full(A_WEEK * AN_HOUR, 0.01), rates])
    spoken = chance.poisson(lines / AN_HOUR, len(shares)).astype(float)
    return np.minimum(chance.poisson(shares * spoken), spoken).astype(float), spoken


def hourly(slots: np.ndarray) -> np.ndarray:
    hours: np.ndarray = slots.reshape(-1, AN_HOUR).sum(axis=1)
    return hours


def announced(errors: np.ndarray, lines: np.ndarray, threshold: float = 0.05) -> Crossing | None:
    hours = Counts(hourly(errors), hourly(lines))
    lines_known = hours.lines[~np.isnan(hours.lines)]
    beyond = np.log1p(hours.lines) - (np.median(np.log1p(lines_known)) if len(lines_known) else 0.0)
    last = HOURS * AN_HOUR
    return crossing(hours, beyond, Counts(errors[-last:], lines[-last:]), threshold)


def ramp(hours: int, to: float, begin: float = 0.01) -> np.ndarray:
    return np.linspace(begin, to, hours * AN_HOUR)


@pytest.mark.parametrize("seed", range(5))
def test_a_rate_that_climbs_is_said_to_cross_before_it_does(seed: int) -> None:
    crossing_ahead = announced(*story(ramp(4, 0.035), seed=seed))  # 0.6 % an hour: it crosses in 2.4 hours
    assert crossing_ahead is not None
    assert crossing_ahead.low <= 3 <= crossing_ahead.high
    assert 1 <= crossing_ahead.hours <= 4
    assert 3 <= crossing_ahead.climbed <= 6
    assert crossing_ahead.usual == pytest.approx(0.01, rel=0.15)


def test_a_ramp_of_half_a_day_is_said_hours_before() -> None:
    crossing_ahead = announced(*story(ramp(9, 0.04), seed=1))
    assert crossing_ahead is not None
    assert crossing_ahead.climbed > 6


@pytest.mark.parametrize(
    ("what", "rates"),
    [
        ("as usual", np.full(6 * AN_HOUR, 0.01)),
        ("above already", ramp(4, 0.08)),
        ("a burst, now over", np.repeat([0.01, 0.01, 0.03, 0.01], AN_HOUR)),
        ("a higher level that stays", np.full(4 * AN_HOUR, 0.03)),
        ("years away", ramp(6, 0.014)),
        ("falling", ramp(6, 0.01, begin=0.04)),
    ],
)
def test_other_rates_are_not(what: str, rates: np.ndarray) -> None:
    assert [announced(*story(rates, seed=seed)) for seed in range(5)] == [None] * 5, what


def test_a_blip_is_no_ramp() -> None:
    errors, lines = story(np.full(3 * AN_HOUR, 0.01), lines=300)
    assert announced(errors, lines) is None
    errors[-3] += 8
    assert announced(errors, lines) is None
    assert without_blips(errors)[-3] <= 3


def test_errors_that_come_with_load_as_they_always_did_are_no_ramp() -> None:
    """Twice the lines have always had four times the errors; now lines climb to three times the normal."""
    chance = np.random.default_rng(5)
    load = np.repeat(np.exp(0.5 * chance.standard_normal(A_WEEK)), AN_HOUR)
    load[-4 * AN_HOUR :] = np.linspace(1, 3, 4 * AN_HOUR)
    lines = chance.poisson(100 * load).astype(float)
    errors = chance.poisson(0.01 * load * lines).astype(float)
    assert announced(errors, lines) is None
    assert announced(*story(ramp(4, 0.03), lines=1_200)) is not None


def test_few_lines_do_not_make_it_sure() -> None:
    assert announced(*story(ramp(4, 0.03), lines=40)) is None


def test_what_is_not_known_or_too_short_says_nothing() -> None:
    errors, lines = story(ramp(4, 0.035))
    assert announced(errors, lines) is not None
    for gone in (AN_HOUR, 2 * AN_HOUR):
        unknown = errors.copy(), lines.copy()
        for counts in unknown:
            counts[-gone : len(counts) - gone + AN_HOUR] = np.nan
        assert announced(*unknown) is None
    assert announced(errors[-20 * AN_HOUR :], lines[-20 * AN_HOUR :]) is None


def test_an_unknown_hour_within_the_ramp_is_passed_over() -> None:
    errors, lines = story(ramp(6, 0.04))
    for counts in (errors, lines):
        counts[-4 * AN_HOUR : -3 * AN_HOUR] = np.nan
    assert announced(errors, lines) is not None


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 20, 100_000]), st.sampled_from([0.0001, 0.05, 0.99]))
def test_whatever_the_counts_the_middle_lies_in_the_interval(seed: int, most: int, threshold: float) -> None:
    chance = np.random.default_rng(seed)
    errors = np.floor(most * chance.random(48 * AN_HOUR) ** chance.integers(1, 9))
    lines = errors + np.floor(most * chance.random(48 * AN_HOUR))
    gone = chance.random(48 * AN_HOUR) < chance.choice([0.0, 0.01, 0.5])
    errors[gone] = lines[gone] = np.nan
    crossing_ahead = announced(errors, lines, threshold)
    assert crossing_ahead is None or 1 <= crossing_ahead.low <= crossing_ahead.hours <= crossing_ahead.high <= 12
