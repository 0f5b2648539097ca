"""Evidence from other nodes: a warning that a node never had, errors never seen before."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.baselines.baseline import Baseline
from fleexmon_pipeline.baselines.expectation import with_peers
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.window import slot_start
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    DAYS,
    FIRST,
    NOW,
    READ_BACK,
    RULES,
    SERIES,
    SLOTS,
    node,
    part,
    row,
    traffic,
)


def learnt(whole: SlotGrid) -> Baseline:
    found = learn(part(whole, 0, DAYS * A_DAY), SERIES)
    assert found is not None
    return found


def fired(whole: SlotGrid, baseline: Baseline, came: int | None = None) -> set[str]:
    grid = part(whole, NOW - AN_HOUR - READ_BACK, SLOTS)
    names = {pattern: pattern for pattern, _ in grid.keys}
    first_seen = {} if came is None else {"stale handle": FIRST + came}
    observation = Observation(grid, baseline, FIRST, names, first_seen)
    ends = [slot_start(FIRST + slot + 1) for slot in range(NOW - AN_HOUR, SLOTS)]
    return {rule.name for rule, _ in evaluate_node(RULES, observation, ends)}


@pytest.mark.parametrize(("lines", "is_unusual"), [(1, False), (12, True)])
def test_a_warning_that_others_have_is_expected_as_often_here(lines: int, is_unusual: bool) -> None:
    """A release reached the other worker two days ago."""
    other, here = traffic(seed=1), traffic(seed=2)
    row(other, "fallback used", "warn")[:] = np.random.default_rng(3).poisson(0.5, SLOTS)
    row(here, "slow", "warn")[:] = np.random.default_rng(4).poisson(0.5, SLOTS)
    row(here, "fallback used", "warn")[NOW : NOW + AN_HOUR] = lines
    alone = learnt(node(here, "green"))
    together = with_peers({"green": alone, "blue": learnt(node(other, "blue"))})["green"]
    assert "unusual-warning" in fired(node(here, "green"), alone)
    assert ("unusual-warning" in fired(node(here, "green"), together)) == is_unusual


@pytest.mark.parametrize(("message", "told"), [("could not sync <*>", True), ("synced <*>", False)])
def test_information_that_only_others_had_is_news_where_it_tells_of_a_failure(message: str, told: bool) -> None:
    other, here = traffic(seed=1), traffic(seed=2)
    row(other, message, "info")[NOW - 3 * A_DAY : NOW - 3 * A_DAY + AN_HOUR] = 3
    row(here, message, "info")[NOW : NOW + AN_HOUR] = 12
    together = with_peers({"green": learnt(node(here, "green")), "blue": learnt(node(other, "blue"))})["green"]
    found = fired(node(here, "green"), together)
    assert ("unusual-failure-message" in found) is told
    assert "flooding-pattern" not in found


def test_where_all_nodes_have_a_long_tail_of_rare_errors_each_is_asked_for_a_second_line() -> None:
    other, here = traffic(seed=1), traffic(seed=2)
    for number in range(20):
        row(other, f"rare {number}", "error")[number * A_DAY // 2 + 7] = 1
    row(here, "stale handle", "error")[NOW] = 1
    alone = learnt(node(here, "green"))
    together = with_peers({"green": alone, "blue": learnt(node(other, "blue"))})["green"]
    assert "new-error" in fired(node(here, "green"), alone, came=NOW)
    assert fired(node(here, "green"), together, came=NOW) == set()


@pytest.mark.parametrize(("days", "is_told"), [(3, False), (DAYS, True)])
def test_in_the_first_week_one_failure_that_says_three_lines_is_one(days: int, is_told: bool) -> None:
    here = traffic()
    for number in range(20):
        row(here, f"rare {number}", "error")[number * A_DAY // 2 + 7] = 1
    row(here, "stale handle", "error")[NOW] = 3
    baseline = learn(part(node(here), (DAYS - days) * A_DAY, DAYS * A_DAY), SERIES)
    assert baseline is not None
    assert ("new-error" in fired(node(here), baseline, came=NOW)) == is_told
    here["stale handle", "error"][NOW + 4] = 1
    assert "new-error" in fired(node(here), baseline, came=NOW)


@pytest.mark.parametrize(("days", "is_unusual"), [(1, True), (8, False)])
def test_an_error_that_was_an_incident_of_another_node_is_not_expected_here(days: int, is_unusual: bool) -> None:
    other, here = traffic(seed=1), traffic(seed=2)
    for day in range(1, days + 1):
        row(other, "license revoked", "error")[day * A_DAY : day * A_DAY + 6] = 2
    row(here, "license revoked", "error")[NOW : NOW + 6] = 1
    together = with_peers({"green": learnt(node(here, "green")), "blue": learnt(node(other, "blue"))})["green"]
    assert ("unusual-pattern" in fired(node(here, "green"), together)) == is_unusual
