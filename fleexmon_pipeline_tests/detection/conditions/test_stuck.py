"""Values in lines that have always varied and stop changing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, Variety, varieties
from fleexmon_pipeline.detection.conditions.stuck import stuck
from fleexmon_pipeline.detection.firing import firing_of
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.rule_kinds import Stuck
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.patterns.measures import different_values
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    FIRST,
    NOW,
    READ_BACK,
    RULES,
    SERIES,
    SLOTS,
    node,
    part,
    traffic,
)

(RULE,) = (rule for rule in RULES if isinstance(rule, Stuck))


def lines(seed: int = 1, values: int = 1000) -> dict[int, Floats]:
    """Of 8 lines a slot: a value of so many, and one of three."""
    rnd = np.random.default_rng(seed)
    return {
        field: np.array([len(set(rnd.integers(0, of, 8).tolist())) - 1.0 for _ in range(SLOTS)])
        for field, of in enumerate((values, 3))
    }


def blue(others: dict[int, Floats]) -> SlotGrid:
    return replace(node(traffic()), varieties={("served", "rest"): Variety(np.full(SLOTS, 7.0), others)})


def told(whole: SlotGrid, since: int = NOW, until: int = NOW + AN_HOUR) -> list[tuple[int, int | None]]:
    """Slots, counted from NOW, and which value."""

    def cut(begin: int, end: int) -> SlotGrid:
        varying = {
            key: Variety(of.compared[begin:end], {field: row[begin:end] for field, row in of.others.items()})
            for key, of in whole.varieties.items()
        }
        return replace(part(whole, begin, end), varieties=varying)

    begin = since - READ_BACK
    baseline = learn(cut(0, NOW // A_DAY * A_DAY), SERIES)
    observation = Observation(cut(begin, until), baseline, FIRST, {"served": "order <num> in <num>"}, {})
    found = [hit for hit in stuck(RULE, observation) if hit.slot + begin >= since]
    assert all(hit.of_budget is not None and 0 <= hit.of_budget <= 1 for hit in found)
    assert {firing_of(RULE, observation, hit).shown["field"] for hit in found} <= {"1"}
    return [(hit.slot + begin - NOW, hit.field) for hit in found]


@pytest.mark.parametrize("seed", range(1, 3))
def test_a_value_that_stands_still_is_told_within_half_an_hour(seed: int) -> None:
    others = lines(seed)
    assert told(blue(others)) == []
    others[0][NOW:] = 0
    slots = told(blue(others))
    assert slots
    assert slots[0][0] < 6
    assert {field for _, field in slots} == {0}


def test_a_value_of_a_few_that_often_repeats_is_not() -> None:
    others = lines()
    others[1][NOW:] = 0
    assert told(blue(others)) == []


def test_a_value_that_stood_still_on_three_days_is_not() -> None:
    others = lines()
    for day in (3, 5, 8):
        others[0][day * A_DAY : day * A_DAY + AN_HOUR] = 0
    others[0][NOW:] = 0
    assert told(blue(others)) == []


def test_a_quarter_of_an_hour_of_the_same_value_is_everyday() -> None:
    others = lines()
    others[0][NOW : NOW + 3] = 0
    assert told(blue(others)) == []


def test_fields_are_words_with_a_digit_and_are_counted_each() -> None:
    some = [f"parcel {number} 4.213 kg -> chute {number % 2}" for number in range(8)]
    assert different_values(some) == 8 | 1 << 4 | 2 << 8
    assert different_values(some[:2]) is None
    assert different_values(["no such thing"] * 8) is None
    assert (different_values([" ".join(str(number) for number in range(60))] * 8) or 0).bit_length() <= 60


def test_counts_of_merged_patterns_are_added_up() -> None:
    rows = [(FIRST, "a", "info", 20, 8 | 1 << 4), (FIRST, "a", "info", 3, 3 | 2 << 4), (FIRST + 9, "a", "info", 3, 3)]
    found = varieties(FIRST, 2, rows)["a", "rest"]
    assert found.compared.tolist() == [9, 0]
    assert {field: row.tolist() for field, row in found.others.items()} == {0: [9, 0], 1: [1, 0]}
