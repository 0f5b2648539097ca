"""The inputs that forecasts of a series depend on, and inputs that do not matter."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fleexmon_pipeline.forecasting.hourly_series import MAX_HORIZON, HourlySeries
from fleexmon_pipeline.window import HOUR

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
DAYS = 28
ALL = tuple(range(1, MAX_HORIZON + 1))


def daily(days: int = DAYS, seed: int = 1) -> np.ndarray:
    """1,000 lines an hour at night, 3,000 by day, a tenth more or less."""
    hours = np.arange(days * 24)
    usual = 2_000 - 1_000 * np.cos(hours % 24 / 24 * 2 * np.pi)
    return np.round(usual * np.exp(0.1 * np.random.default_rng(seed).standard_normal(len(hours))))


def test_a_daily_season_is_foreseen_and_four_of_five_intervals_hold() -> None:
    values = daily(42, seed=2)
    series = HourlySeries(MONDAY, values, share=False)
    held, misses, last_hour, day_before = [], [], [], []
    for origin in range(28 * 24, 42 * 24 - 12):
        for forecast in series.forecasts(MONDAY + origin * HOUR, (1, 6, 12)):
            actual = values[origin + forecast.horizon - 1]
            held.append(forecast.low <= actual <= forecast.high)
            misses.append(abs(actual - forecast.value))
            last_hour.append(abs(actual - (forecast.last_hour or 0)))
            day_before.append(abs(actual - (forecast.day_before or 0)))
    assert 0.74 < np.mean(held) < 0.86
    assert np.mean(misses) < 0.85 * min(np.mean(last_hour), np.mean(day_before))


def test_incidents_of_the_past_do_not_move_the_forecast() -> None:
    calm, loud = daily(), daily()
    loud[10 * 24 : 10 * 24 + 20] *= 50
    loud[15 * 24 + 3] = 1_000_000
    end = MONDAY + 20 * 24 * HOUR
    for before, after in zip(
        HourlySeries(MONDAY, calm, share=False).forecasts(end, ALL),
        HourlySeries(MONDAY, loud, share=False).forecasts(end, ALL),
        strict=True,
    ):
        assert after.value == pytest.approx(before.value, rel=0.05)
        assert after.high < 2 * before.high


def test_nothing_after_the_origin_and_nothing_older_than_28_days_is_seen() -> None:
    values = daily(40)
    origin = 30 * 24 + 7
    other = values.copy()
    other[origin:] = 7.0
    other[: origin - 28 * 24] = np.nan
    end = MONDAY + origin * HOUR
    whole = HourlySeries(MONDAY, values, share=False).forecasts(end, ALL)
    assert whole == HourlySeries(MONDAY, other, share=False).forecasts(end, ALL)
    begin = origin - 28 * 24
    assert whole == HourlySeries(MONDAY + begin * HOUR, values[begin:origin], share=False).forecasts(end, ALL)


@pytest.mark.parametrize(("hours", "some"), [(0, False), (1, False), (40, False), (24 * 4, True)])
def test_with_too_little_history_nothing_is_said(hours: int, some: bool) -> None:
    values = daily()[:hours]
    assert bool(HourlySeries(MONDAY, values, share=False).forecasts(MONDAY + hours * HOUR, (1,))) is some


def test_an_origin_that_is_not_known_says_nothing() -> None:
    values = daily()
    values[-1] = np.nan
    assert HourlySeries(MONDAY, values, share=False).forecasts(MONDAY + DAYS * 24 * HOUR, ALL) == []


def test_farther_than_it_can_see_is_refused() -> None:
    with pytest.raises(ValueError, match="12 hours"):
        HourlySeries(MONDAY, daily(), share=False).forecasts(MONDAY, (13,))


@given(
    arrays(np.float64, st.integers(1, 120), elements=st.one_of(st.just(np.nan), st.integers(0, 10**12).map(float))),
    st.booleans(),
)
def test_whatever_the_series_the_value_lies_in_its_interval(values: np.ndarray, share: bool) -> None:
    series = HourlySeries(MONDAY, values / 10**12 if share else values, share=share)
    for forecast in series.forecasts(MONDAY + len(values) * HOUR, ALL):
        assert 0 <= forecast.low <= forecast.value + 1e-6
        assert forecast.value <= forecast.high + 1e-6
        assert not share or forecast.high <= 1


def test_a_level_that_has_changed_for_good_is_followed_within_days() -> None:
    """A node that lost a third of its work, or that is new: the median of a fortnight lags for a week."""
    values = daily()
    values[-3 * 24 :] = np.round(values[-3 * 24 :] / 3)
    known = len(values) - 12
    found = HourlySeries(MONDAY, values[:known], share=False).forecasts(MONDAY + known * HOUR, ALL)
    missed = np.array([abs(one.value - values[known - 1 + one.horizon]) for one in found])
    assert missed.mean() < 0.25 * values[known:].mean()
