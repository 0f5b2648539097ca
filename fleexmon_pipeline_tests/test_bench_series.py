"""How the bench generates and scores single series."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.series.score import score
from fleexmon_pipeline_tests.bench import quiet_series
from fleexmon_pipeline_tests.bench.made_series import KINDS, SCORED_FROM, Made, make
from fleexmon_pipeline_tests.bench.series import Score, as_volume

SLOTS = SCORED_FROM + 5_000
WINDOW = (SCORED_FROM + 1_000, SCORED_FROM + 1_100)


def flagged(*slots: int) -> Score:
    made = Made(1, np.zeros(SLOTS, np.int64), np.ones(SLOTS, bool), [WINDOW])
    flags = np.zeros(SLOTS, bool)
    flags[list(slots)] = True
    score = Score()
    score.add(made, flags)
    return score


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ((), "0/1, - min, 0.00 a day: 0"),
        ((WINDOW[0],), "1/1, 5 min, 0.00 a day: 100"),
        ((WINDOW[1] - 1,), "1/1, 500 min, 0.00 a day: 51"),
        ((WINDOW[0], WINDOW[0] + 50), "1/1, 5 min, 0.00 a day: 100"),  # told already
        ((10, SCORED_FROM - 1), "0/1, - min, 0.00 a day: 0"),  # while it learns
        ((SCORED_FROM + 10,), "0/1, - min, 0.06 a day: -6"),
        ((SCORED_FROM + 10, SCORED_FROM + 20), "0/1, - min, 0.06 a day: -6"),  # one alarm
        ((SCORED_FROM + 10, SCORED_FROM + 40), "0/1, - min, 0.12 a day: -11"),
        ((WINDOW[1],), "0/1, - min, 0.06 a day: 0"),  # just after it
    ],
)
def test_windows_are_scored_by_their_first_flag_and_alarms_outside_cost(slots: tuple[int, ...], said: str) -> None:
    assert str(flagged(*slots)) == said.replace(": -0", ": 0")


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_is_the_same_again_and_its_windows_lie_where_it_is_scored(kind: str) -> None:
    made, again = make(kind, 3), make(kind, 3)
    assert (made.counts == again.counts).all()
    assert not made.counts[~made.known].any()
    assert made.windows == sorted(made.windows)
    assert all(SCORED_FROM <= begin < end <= made.slots for begin, end in made.windows)
    assert bool(made.windows) is (kind != "calm")


def test_the_detector_sees_a_node_fall_silent_in_a_series() -> None:
    made = make("drop", 2)
    flags = as_volume(made)
    assert all(flags[begin:end].any() for begin, end in made.windows)


@pytest.mark.parametrize("kind", quiet_series.KINDS)
def test_a_series_without_incidents_is_the_same_again(kind: str) -> None:
    (times, values), (_, again) = (quiet_series.make(kind, 3, 3_600) for _ in range(2))
    assert np.array_equal(values, again)
    assert len(times) == len(values) == 84 * 24
    assert values.std() > 0


def test_alarms_less_than_half_a_day_apart_are_one() -> None:
    hours = np.array([0, 1, 2, 13, 30, 43]) * 3_600
    assert quiet_series.alarms(hours, np.ones(6, bool)) == 3
    assert quiet_series.alarms(hours, np.zeros(6, bool)) == 0


def test_alarms_that_series_without_incidents_have_are_about_those_asked_for() -> None:
    """0.03 a day, in 12 kinds of 81 days each: 29 are due."""
    had = 0
    for kind in quiet_series.KINDS:
        times, values = quiet_series.make(kind, 77, 3_600)
        warm = times >= times[0] + 3 * 86_400
        had += quiet_series.alarms(times, warm & (score(times, values).alarms_per_day <= 0.03))
    assert 10 <= had <= 60
