"""Everyday bursts of errors: two of them by chance in one window are no issue; more, larger or lasting ones are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fleexmon_pipeline.baselines.bursts import Bursts, learn_bursts, without_bursts
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.rule_model import all_series
from fleexmon_pipeline.window import slot_start
from fleexmon_pipeline_tests.detection.conditions.test_rates import A_DAY, DAYS, FIRST, NOW, RULES, lines, part, row

SLOTS = DAYS * A_DAY
DAY = np.arange(SLOTS) // A_DAY
EVERYWHERE = np.ones(SLOTS, bool)
OF_ERRORS = [rule for rule in RULES if rule.name in ("repeated-error", "unusual-error-rate", "unusual-pattern")]
Counts = dict[tuple[str, str], np.ndarray]


def flapping(*now: tuple[int, int], a_day: int = 2) -> Callable[[Counts], None]:
    """A link that is lost now and then, and so many times a day for a minute or two, 10 to 20 lines each; never twice
    within an hour. `now`: slots after ten o'clock of the day that is evaluated, and their lines."""

    def change(counts: Counts) -> None:
        rnd = np.random.default_rng(5)
        errors = row(counts, "link lost", "error")
        errors += rnd.poisson(0.5, len(errors))
        for day in range(DAYS):
            for begin in rnd.choice(A_DAY // 24, a_day, replace=False) * 24:
                errors[day * A_DAY + begin] += rnd.integers(10, 20)
        errors[NOW - 12 :] = 0
        for slot, count in now:
            errors[NOW + slot] = count

    return change


def rules_that_fire(change: Callable[[Counts], None]) -> set[str]:
    """From nine to noon of the day that is evaluated."""
    whole = lines(rate=100.0, change=change)
    grid = part(whole, NOW - 72, whole.slots)
    baseline = learn(part(whole, 0, SLOTS), all_series(OF_ERRORS))
    observation = Observation(grid, baseline, FIRST, {}, {})
    ends = [slot_start(grid.first + slot + 1) for slot in range(60, grid.slots)]
    return {rule.name for rule, _ in evaluate_node(OF_ERRORS, observation, ends)}


def test_two_everyday_bursts_in_a_quarter_of_an_hour_are_no_issue() -> None:
    assert rules_that_fire(flapping((0, 14), (2, 15))) == set()


def test_where_bursts_are_rare_the_same_two_are_an_issue() -> None:
    def rare(counts: Counts) -> None:
        flapping((0, 14), (2, 15), a_day=0)(counts)
        counts["link lost", "error"][3 * A_DAY + 100] += 15

    assert rules_that_fire(rare) == {"repeated-error", "unusual-error-rate", "unusual-pattern"}


@pytest.mark.parametrize(
    "now",
    [
        pytest.param([(0, 14), (2, 80)], id="one is larger than ever"),
        pytest.param([(slot, 14) for slot in range(0, 12, 2)], id="six within an hour"),
        pytest.param([(slot, 6) for slot in range(12)], id="they last"),
    ],
)
def test_what_everyday_bursts_do_not_explain_is_an_issue(now: list[tuple[int, int]]) -> None:
    assert "unusual-error-rate" in rules_that_fire(flapping(*now))


def test_the_share_of_the_budget_tells_how_often_that_many_bursts_come_together() -> None:
    bursts = Bursts(2.0, 15.0, {"3": 0.02, "12": 0.08})

    assert bursts.together(1, 3) == 2.0
    assert bursts.together(2, 3) == pytest.approx(0.04)
    assert bursts.together(3, 12) == pytest.approx(0.0128)


def test_bursts_of_two_days_alone_are_incidents_and_a_lasting_rise_is_no_burst() -> None:
    mean, errors = np.full(SLOTS, 0.5), np.zeros(SLOTS, np.int64)
    errors[[100, 150, 200, 5 * A_DAY, 5 * A_DAY + 40]] = 12
    assert learn_bursts(errors, mean, EVERYWHERE, DAY, [3]) is None

    errors[7 * A_DAY : 7 * A_DAY + 24] = 12  # two hours
    assert learn_bursts(errors, mean, EVERYWHERE, DAY, [3]) is None

    errors[8 * A_DAY : 8 * A_DAY + 2] = 6, 7  # a burst across two slots
    learnt = learn_bursts(errors, mean, EVERYWHERE, DAY, [3])
    assert learnt is not None
    assert learnt.a_day == pytest.approx(1 / (DAYS - 2))
    assert learnt.lines == pytest.approx(12)


def test_bursts_that_come_in_clusters_are_expected_to_do_so_again() -> None:
    alone, pairs = np.zeros(SLOTS, np.int64), np.zeros(SLOTS, np.int64)
    alone[np.arange(DAYS) * A_DAY + 30] = alone[np.arange(DAYS) * A_DAY + 170] = 12
    pairs[np.arange(DAYS) * A_DAY + 30] = pairs[np.arange(DAYS) * A_DAY + 34] = 12
    by_chance, clustered = (
        learn_bursts(errors, np.full(SLOTS, 0.5), EVERYWHERE, DAY, [12]) for errors in (alone, pairs)
    )
    assert by_chance is not None
    assert clustered is not None
    assert by_chance.a_day == clustered.a_day == 2.0
    assert by_chance.again["12"] == pytest.approx(2 * 12 / A_DAY)
    assert clustered.again["12"] == pytest.approx(0.5)


def test_a_window_without_its_bursts() -> None:
    window = np.array([0, 1, 9, 4, 0, 0, 1, 0, 20, 0, 0, 2])

    assert list(without_bursts(window, 0.5, lines=10)) == [17, 17 - 9 + 0.5 - 0]
    assert list(without_bursts(np.array([30]), 0.5, lines=10)) == []
