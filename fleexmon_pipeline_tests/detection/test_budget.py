"""One budget of false alarms: how rules share it, how verdicts of noise steer it, and the text of the check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleexmon_pipeline.assets.checks import check_rates
from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.expectation import limit, share_needed
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.detection.budget import MIN_SHARE, Budget, Kept, kept, shares_of
from fleexmon_pipeline.detection.firing_rates import Rates
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_model import Detector
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.issues.people import resolve_issues
from fleexmon_pipeline.window import DAY
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.detection.conditions.world import SERIES, node, part, traffic
from fleexmon_pipeline_tests.issues.story import NODE, at, cover, fire, firing, issues
from fleexmon_pipeline_tests.stories import TEN

RULES = load_rules().rules
SHARING = {rule.name: rule.false_alarms for rule in RULES if isinstance(rule, Detector) and rule.false_alarms}
A_DAY = 288


@pytest.mark.parametrize("nodes", [6, 16, 100])
def test_all_rules_at_all_nodes_together_have_the_budget(nodes: int) -> None:
    shares = shares_of(RULES, nodes, 0.25, {})

    assert set(shares) == set(SHARING)
    assert sum(shares[name] * weight * nodes for name, weight in SHARING.items()) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("nodes", "budget", "share"), [(1, 0.25, 1.0), (2, 0.25, 1.0), (2, 0.5, 2.0), (2, 0.14, 1.0)]
)  # 2 nodes can use 0.138
def test_few_nodes_raise_no_rate_and_a_larger_budget_does(nodes: int, budget: float, share: float) -> None:
    shares = shares_of(RULES, nodes, budget, {}).values()
    assert (min(shares), max(shares)) == pytest.approx((share, share))


def test_rules_in_shadow_take_nothing_from_the_others() -> None:
    before = shares_of(RULES, 6, 0.25, {})
    tried = next(rule for rule in RULES if rule.name == "unusual-pattern")
    more = [*RULES, tried.model_copy(update={"name": "tried", "mode": "shadow"})]

    after = shares_of(more, 6, 0.25, {})

    assert after == {**before, "tried": before["unusual-pattern"]}


def test_noise_halves_a_rules_share_and_it_grows_back_as_fast_as_noise_is_allowed() -> None:
    usual = shares_of(RULES, 6, 0.25, {})["unusual-pattern"]

    def now(noise: dict[int, int]) -> float:
        return shares_of(RULES, 6, 0.25, {"unusual-pattern": noise})["unusual-pattern"] / usual

    allowed = 6 * usual * SHARING["unusual-pattern"]  # a day
    days = round(1 / allowed)
    assert now({1: 1}) == pytest.approx(0.5, rel=0.05)
    assert now({1: 5}) == pytest.approx(0.25, rel=0.05)  # one cause may have opened many
    assert now({days // 2: 1}) == pytest.approx(2**-0.5, rel=0.05)
    assert now({days + 1: 1}) == 1.0
    assert now(dict.fromkeys(range(1, 60), 1)) == MIN_SHARE
    assert shares_of(RULES, 6, 0.25, {"unusual-pattern": {1: 1}})["high-error-rate"] == pytest.approx(
        shares_of(RULES, 6, 0.25, {})["high-error-rate"]
    )


def test_in_the_long_run_noise_comes_as_often_as_it_is_allowed_however_wrong_the_limits_are() -> None:
    rng, had = np.random.default_rng(1), list[int]()
    noise: dict[int, int] = {}
    for day in range(400):
        share = shares_of(RULES, 6, 0.25, {"unusual-error-rate": {day - d: n for d, n in noise.items()}})
        rate = 30 * 6 * share["unusual-error-rate"] * SHARING["unusual-error-rate"]  # thirty times what is asked
        had.append(int(rng.poisson(rate)))
        if had[-1]:
            noise[day] = had[-1]
    allowed = 6 * shares_of(RULES, 6, 0.25, {})["unusual-error-rate"] * SHARING["unusual-error-rate"]
    assert np.mean(had[100:]) < 2 * allowed


def test_rules_that_chance_can_fire_share_the_budget() -> None:
    without = {rule.name for rule in RULES if isinstance(rule, Detector) and not rule.false_alarms}
    texts, news = {"connection-failure", "memory-warning"}, {"new-error", "new-warning", "new-failure-message"}
    assert without == texts | news | {"message-overdue", "silent-node"}


def test_a_share_moves_the_limit_and_the_share_needed_is_its_inverse() -> None:
    baseline = learn(part(node(traffic()), 0, 10 * A_DAY), SERIES)
    assert baseline is not None
    series = Series(("error", "fatal"), "node", 12)
    baseline = replace(baseline, limits={series.name: (2.0, 0.8)})
    at_all, at_half = limit(baseline, series, 0.01), limit(baseline, series, 0.005)

    assert at_half > at_all > 3.0
    assert share_needed(baseline, series, 0.01, at_all) == pytest.approx(1.0, rel=0.01)
    assert share_needed(baseline, series, 0.01, at_half) == pytest.approx(0.5, rel=0.01)
    assert 0 < share_needed(baseline, series, 0.01, 40.0) < 1e-9


def needing(place: int, of_budget: float) -> Occurrence:
    return replace(firing(place, rule="unusual-pattern", subject=NODE), metadata={"ofBudget": of_budget})


def test_the_check_says_what_was_allowed_what_was_had_and_what_half_would_have_cost(database: Database) -> None:
    budget = Budget(0.25, RULES)
    with database.connect() as connection:
        cover(connection, range(576))
        fire(connection, needing(0, 0.9), needing(1, 0.2), needing(100, 0.7), needing(200, 0.8), needing(300, 0.6))
        first, second, third, _ = issues(connection)[:4]
        resolve_issues(connection, [str(second["id"])], by="ann", why="", verdict="noise", now=at(576))
        resolve_issues(connection, [str(third["id"])], by="ann", why="", verdict="real", now=at(576))
        found = kept(connection, budget, until=at(576))
        share = budget.shares(connection, TEN + 2 * DAY + 3 * DAY)
    del first

    assert (found.days, found.issues, found.noise, found.real) == (2.0, 4, 1, 1)
    assert (found.narrow, found.narrow_noise, found.narrow_real) == (
        3,
        1,
        1,
    )  # one of the four once fired far above its limit
    assert found.problem() is None
    assert found.sentence() == (
        "false alarms a day: 0.25 allowed, 0.50 marked as noise, at most 1.50 if the 2 issues without a mark were "
        "noise too. Half the budget would have suppressed 3 of 4 issues: 1 marked as real, 1 as noise, 1 not marked"
    )
    assert share == {}  # nothing is known of that day's nodes


def test_more_noise_than_is_allowed_is_a_problem() -> None:
    over = Kept(0.25, 28.0, 30, 15, 2, 0, 0, 0)

    assert "15 issues in 28 days were marked as noise, 0.54 a day; 0.25 are allowed" in str(over.problem())
    assert Kept(0.25, 28.0, 30, 12, 2, 0, 0, 0).problem() is None
    result = check_rates(Rates(7.0, 2, []), over)
    assert not result.passed
    assert "FLEEXMON_FALSE_ALARMS_PER_DAY" in str(result.metadata["rates"].value)
