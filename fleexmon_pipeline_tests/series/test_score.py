"""Inputs that a score may depend on, and incidents that it detects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline.series.score import HOLD_SECONDS, PEAK, Scores, held, learn, score

FIRST, STEP, A_DAY = 1_780_272_000, 300, 288  # a Monday; 5 minutes
RARE = 0.01  # alarms a day


def times(count: int, step: int = STEP) -> Ints:
    return FIRST + step * np.arange(count)


def daily(days: int, seed: int = 1, step: int = STEP) -> Floats:
    """Lines a slot with a season of a day and half as many at weekends, over-dispersed."""
    chance = np.random.default_rng(seed)
    at = np.arange(days * 86_400 // step) * step
    mean = 40 * (1 - 0.5 * np.cos(at / 86_400 * 2 * np.pi)) * np.where(at // 86_400 % 7 >= 5, 0.5, 1)
    return chance.poisson(mean * chance.gamma(25, 1 / 25, len(at))).astype(float)


def same(some: Scores, others: Scores, count: int) -> bool:
    return all(
        np.array_equal(getattr(some, name)[:count], getattr(others, name)[:count])
        for name in ("surprise", "alarms_per_day", "anomaly_score")
    )


def alarms(values: Floats, since: int = 0) -> list[int]:
    scores = score(times(len(values)), values)
    return [int(at) for at in np.flatnonzero(scores.alarms_per_day <= RARE) if at >= since]


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=120),
    cut=st.integers(0, 120),
    gap=st.integers(1, 10_000),
)
def test_what_comes_later_changes_no_earlier_score(values: list[float], cut: int, gap: int) -> None:
    whole = np.array(values)
    cut = min(cut, len(whole))
    other = np.concatenate([whole[:cut], -3 * whole[cut:] + 7])
    later = times(len(whole))
    later[cut:] += gap

    stream = score(times(len(whole)), whole)

    assert same(stream, score(later, other), cut)
    assert same(stream, score(times(cut), whole[:cut]), cut)  # a rerun up to there gives the same
    assert ((stream.anomaly_score >= 0) & (stream.anomaly_score <= 1)).all()
    assert not np.isnan(stream.surprise).any()


def test_three_weeks_scored_hour_by_hour_are_the_stream() -> None:
    values = daily(9)
    whole = score(times(len(values)), values)

    for until in range(7 * A_DAY, len(values), 47):
        assert same(whole, score(times(until), values[:until]), until)


@pytest.mark.parametrize("factor", [1e-6, 7.0, 1e9])
def test_the_unit_does_not_matter(factor: float) -> None:
    values = daily(6)

    assert score(times(len(values)), values * factor).surprise == pytest.approx(
        score(times(len(values)), values).surprise, abs=1e-6
    )


def test_far_from_0_values_and_what_they_are_added_to_score_alike() -> None:
    values = daily(6)
    values[5 * A_DAY + 100] = 300
    near, far = (score(times(len(values)), values + offset).surprise for offset in (1e6, 1e7))

    assert near == pytest.approx(far, abs=0.05)


@pytest.mark.parametrize("value", [0.0, 45.0, -3.5, 1e12, 0.1])
def test_a_constant_series_is_never_surprising(value: float) -> None:
    scores = score(times(3_000), np.full(3_000, value))

    assert not scores.surprise.any()
    assert not scores.anomaly_score.any()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("direction", ["rises", "falls"])
def test_two_hours_of_another_level_are_found_and_nothing_else_is(direction: str, seed: int) -> None:
    values = daily(15, seed)
    begin = 14 * A_DAY + 140
    values[begin : begin + 24] = np.round(values[begin : begin + 24] * (0 if direction == "falls" else 3))

    found = alarms(values, 3 * A_DAY)

    assert begin <= found[0] <= begin + 6  # within half an hour
    assert all(at <= begin + 24 + 36 for at in found)  # until it has left the last three hours
    assert np.sign(score(times(len(values)), values).surprise[found[0]]) == (-1 if direction == "falls" else 1)


def test_a_level_that_stays_is_found_once_and_then_is_the_new_normal() -> None:
    values = daily(20)
    begin = 10 * A_DAY + 100
    values[begin:] *= 2

    found = alarms(values, 3 * A_DAY)

    assert begin <= found[0] <= begin + 12
    assert not [at for at in found if at > begin + 2 * A_DAY]


def test_a_weekly_job_is_an_alarm_twice_and_then_a_habit() -> None:
    at = np.arange(42 * A_DAY)
    values = np.random.default_rng(1).poisson(20, len(at)).astype(float)
    values[(at // A_DAY % 7 == 2) & (at % A_DAY >= 36) & (at % A_DAY < 48)] *= 6

    assert {at // A_DAY for at in alarms(values)} == {2, 9}


def test_a_nightly_job_is_learnt_in_days_and_missed_when_it_does_not_come() -> None:
    at = np.arange(32 * A_DAY)
    values = np.random.default_rng(1).poisson(20, len(at)).astype(float)
    nightly = (at % A_DAY >= 36) & (at % A_DAY < 48)
    values[nightly & (at // A_DAY != 30)] *= 6

    assert {at // A_DAY for at in alarms(values, A_DAY)} == {30}
    assert score(times(len(at)), values).surprise[30 * A_DAY + 36 : 30 * A_DAY + 48].min() < -2


def test_users_whose_clock_changes_by_an_hour_are_no_alarm() -> None:
    late = daily(22)[12:]
    values = np.concatenate([daily(21), late[21 * A_DAY - 12 : 22 * A_DAY - 12]])

    assert not alarms(values, 3 * A_DAY)


def test_a_gap_is_no_alarm_and_scores_0() -> None:
    values = daily(14)
    values[10 * A_DAY : 10 * A_DAY + 60] = np.nan
    values[12 * A_DAY + 7] = np.nan
    scores = score(times(len(values)), values)

    assert not scores.anomaly_score[np.isnan(values)].any()
    assert not alarms(values, 3 * A_DAY)


def test_slots_that_are_left_out_are_the_same_gap() -> None:
    values = daily(12)
    values[10 * A_DAY : 10 * A_DAY + 60] = np.nan
    known = ~np.isnan(values)

    assert np.array_equal(
        score(times(len(values)), values).surprise[known], score(times(len(values))[known], values[known]).surprise
    )


def test_a_clock_that_is_set_back_by_an_hour_is_no_error() -> None:
    values, clock = daily(12), times(12 * A_DAY)
    clock[10 * A_DAY :] -= 3_600

    scores = score(clock, values)

    assert not np.isnan(scores.surprise).any()
    assert not (scores.alarms_per_day[3 * A_DAY :] <= RARE).any()


@pytest.mark.parametrize("count", [0, 1, 10])
def test_ten_values_are_too_few_to_be_surprised(count: int) -> None:
    assert not score(times(count), np.arange(float(count))).anomaly_score.any()


def test_one_value_a_day_is_enough() -> None:
    values = np.random.default_rng(4).normal(100, 5, 90)
    values[80] = 300

    scores = score(times(90, 86_400), values)

    assert int(np.argmax(scores.anomaly_score)) == 80


def test_an_incident_in_the_first_hours_does_not_blind_for_the_next() -> None:
    values = daily(15)
    values[20:60] *= 6
    values[14 * A_DAY + 140 : 14 * A_DAY + 164] *= 4

    assert 14 * A_DAY + 140 <= alarms(values, A_DAY)[-1] <= 14 * A_DAY + 166


def test_the_second_of_two_like_incidents_is_found_too() -> None:
    values = daily(15)
    for day in (11, 14):
        values[day * A_DAY + 140 : day * A_DAY + 164] = 0

    found = alarms(values, 3 * A_DAY)

    assert {at // A_DAY for at in found} == {11, 14}


def test_an_incident_is_let_through_again_only_where_it_surprises_much_more() -> None:
    spaced = np.array([0, 1, 2, 3, 4, 1 + HOLD_SECONDS, 4 + HOLD_SECONDS, 9 + HOLD_SECONDS])

    assert held(spaced, np.array([0, 3.0, 2.0, 3.3, 3.6, 4.0, 1.0, 1.0])).tolist() == [0, 3, 0, 0, 3.6, 0, 0, 1]


def test_the_last_hour_by_what_was_learnt_before_is_the_stream() -> None:
    values = daily(10)
    values[9 * A_DAY + 200 : 9 * A_DAY + 220] *= 3
    whole = score(times(len(values)), values)

    for begin in range(9 * A_DAY, 10 * A_DAY, 60):
        past = learn(times(begin), values[:begin])
        part = score(times(begin + 12), values[: begin + 12], since=begin, past=past)
        assert np.array_equal(part.surprise[begin:], whole.surprise[begin : begin + 12])
        assert not part.surprise[:begin].any()
        assert part.alarms_per_day[begin] == pytest.approx(whole.alarms_per_day[begin], rel=1e-3)


def test_a_habit_of_weeks_is_known_to_the_last_hour_alone() -> None:
    at = np.arange(23 * A_DAY + 48)
    values = np.random.default_rng(1).poisson(20, len(at)).astype(float)
    values[(at // A_DAY % 7 == 2) & (at % A_DAY >= 36)] *= 6
    begin = len(at) - 12

    part = score(times(len(at)), values, since=begin, past=learn(times(begin), values[:begin])).surprise

    assert np.array_equal(part[begin:], score(times(len(at)), values).surprise[begin:])
    assert np.abs(part).max() < PEAK


def test_nothing_is_learnt_from_nothing() -> None:
    assert learn(times(3), np.full(3, np.nan)).days == 0
