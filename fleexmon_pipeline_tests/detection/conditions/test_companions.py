"""Messages that come together, one of which comes too rarely: requests without responses, jobs that do not end."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.baselines.companions import Companion, carry_over, learn_companions
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.firing import firing_of, occurrence
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.numerics import Ints
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
    Rows,
    fired,
    node,
    part,
    row,
    traffic,
)

MISSING = "companion-missing"


def pairs(rate: float = 6.0, answered: float = 1.0, seed: int = 5, later: float = 0.2) -> Rows:
    """Ordinary traffic, and requests with their responses, a fifth of which come in the next slot."""
    rows = traffic(seed=seed)
    rnd = np.random.default_rng(seed)
    asked = rnd.poisson(rate * rows["served", "info"] / rows["served", "info"].mean())
    answers = rnd.binomial(asked, answered)
    late = rnd.binomial(answers, later)
    row(rows, "asked", "info")[:] = asked
    row(rows, "answered", "info")[:] = answers - late + np.concatenate([[0], late[:-1]])
    return rows


def lost(rows: Rows, share: float, begin: int = NOW, end: int = NOW + AN_HOUR) -> Rows:
    answers = rows["answered", "info"]
    answers[begin:end] = np.random.default_rng(1).binomial(answers[begin:end], 1 - share)
    return rows


def told(rows: Rows) -> bool:
    return MISSING in fired(node(rows))


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize(("share", "missing"), [(0.0, False), (0.2, False), (0.8, True), (1.0, True)])
def test_responses_that_do_not_come_are_missing(share: float, missing: bool, seed: int) -> None:
    assert told(lost(pairs(seed=seed), share)) is missing


def test_where_four_of_five_are_answered_as_many_are_expected() -> None:
    assert not told(pairs(answered=0.8))
    assert told(lost(pairs(answered=0.8), 0.8))


def test_requests_that_are_asked_again_and_again_are_missing_their_responses() -> None:
    rows = pairs()
    rows["asked", "info"][NOW : NOW + AN_HOUR] *= 4
    assert told(rows)


def test_the_issue_names_both_messages() -> None:
    whole = node(lost(pairs(), 1.0))
    baseline = learn(part(whole, 0, DAYS * A_DAY), SERIES)
    grid = part(whole, NOW - READ_BACK, NOW + AN_HOUR)
    observation = Observation(grid, baseline, FIRST, {pattern: pattern for pattern, _ in grid.keys}, {})
    ends = [slot_start(FIRST + NOW + AN_HOUR)]
    rule, hit = next(one for one in evaluate_node(RULES, observation, ends) if one[0].name == MISSING)
    told = occurrence(rule, firing_of(rule, observation, hit))
    assert "answered (0 in" in told.title
    assert "Still logged: asked" in told.description
    assert told.metadata["companion"] == {"pattern": "asked", "template": "asked"}


def test_where_both_fall_or_rise_nothing_is_missing() -> None:
    for factor in (0, 3):
        rows = pairs()
        for name in ("asked", "answered"):
            rows[name, "info"][NOW : NOW + AN_HOUR] *= factor
        assert not told(rows)


def test_a_minute_of_repeated_requests_is_everyday() -> None:
    rows = pairs()
    rows["asked", "info"][NOW] += 60
    assert not told(rows)


def test_a_release_in_other_words_is_missing_nothing() -> None:
    rows = pairs()
    answers = rows["answered", "info"]
    row(rows, "answered in <duration>", "info")[NOW:] = answers[NOW:]
    answers[NOW:] = 0
    assert not told(rows)


def test_a_ratio_that_has_changed_for_good_is_normal_after_two_days() -> None:
    assert told(lost(pairs(), 0.8, (DAYS - 1) * A_DAY, SLOTS)) is False  # the day before counts
    assert told(lost(pairs(), 0.8, NOW - 6, SLOTS))


def test_two_messages_of_the_same_traffic_are_no_pair() -> None:
    rnd = np.random.default_rng(2)
    load = 6 * traffic()["served", "info"] / 28
    rows = {name: rnd.poisson(load).astype(np.int64) for name in ("one", "two", "three", "four")}
    assert learn_companions(rows, np.ones(SLOTS, bool)) == {}


def days(row_of: Ints) -> Ints:
    return row_of[: DAYS * A_DAY]


def test_three_bad_days_of_ten_do_not_part_a_pair() -> None:
    rows = pairs()
    for day in (2, 5, 8):
        lost(rows, 1.0, day * A_DAY + 100, day * A_DAY + 130)
    parts = {name: days(rows[name, "info"]) for name in ("asked", "answered", "served", "opened")}
    found = learn_companions(parts, np.ones(DAYS * A_DAY, bool))
    assert {name: companion.of for name, companion in found.items()} == {"asked": "answered", "answered": "asked"}


def test_two_days_are_too_few_and_so_are_a_few_lines_a_day() -> None:
    rows = {name: lines[: 2 * A_DAY] for (name, _), lines in pairs().items()}
    assert learn_companions(rows, np.ones(2 * A_DAY, bool)) == {}
    few = np.zeros(DAYS * A_DAY, np.int64)
    few[::100] = 1
    assert learn_companions({"begun": few, "ended": few.copy()}, np.ones(DAYS * A_DAY, bool)) == {}


def test_a_pattern_that_merged_stays_a_companion() -> None:
    known = {"asked": Companion("answered", 1.0, 0.01), "answered": Companion("asked", 1.0, 0.01)}
    carry_over(known, "answered", "answered <*>")
    assert known["asked"].of == "answered <*>"
    assert known["answered <*>"].of == "asked"


@pytest.mark.parametrize(("lines", "others"), [(28, 31), (35, 1), (9, 26), (41, 40), (1, 1), (2, 1)])
def test_messages_in_an_exact_ratio_are_learnt(lines: int, others: int) -> None:
    """Rounding gave a distance just below zero, and its root a complex number."""
    events = np.random.default_rng(1).integers(0, 3, DAYS * A_DAY) * (np.arange(DAYS * A_DAY) % 6 == 0)
    learnt = learn_companions({"row": lines * events, "report": others * events}, np.ones(DAYS * A_DAY, bool))
    assert {name: found.of for name, found in learnt.items()} == {"row": "report", "report": "row"}
    assert all(found.exact == pytest.approx(0, abs=1e-3) for found in learnt.values())
