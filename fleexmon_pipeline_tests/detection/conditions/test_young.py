"""Thresholds on a new node: only messages that the hours before did not have are news."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.baselines.young import certainly_above
from fleexmon_pipeline_tests.detection.conditions.world import (
    AN_HOUR,
    NOW,
    SLOTS,
    Rows,
    fired,
    hits,
    node,
    row,
    traffic,
)

HOURS = 6  # that the node is known


def young(errors: float, then: float, seed: int = 1) -> Rows:
    """40 lines a slot, of which this share are errors, and from ten o'clock on another share."""
    rnd = np.random.default_rng(seed)
    rows = traffic(40, seed)
    share = np.where(np.arange(SLOTS) < NOW, errors, then)
    rows["declined", "error"] = rnd.poisson(40 * share / (1 - share)).astype(np.int64)
    for lines in rows.values():
        lines[: NOW - HOURS * AN_HOUR] = 0
    return rows


def told(rows: Rows, since: int = NOW) -> set[str]:
    return fired(node(rows), since=since, known_from=NOW - HOURS * AN_HOUR)


@pytest.mark.parametrize("seed", range(1, 6))
def test_six_percent_are_no_news_where_there_are_always_six(seed: int) -> None:
    assert told(young(0.06, 0.06, seed)) == set()


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("before", [0.005, 0.06])
def test_a_jump_to_a_third_is_news_in_the_first_hours(before: float, seed: int) -> None:
    assert "high-error-rate" in told(young(before, 0.33, seed))


def test_the_jump_is_news_within_a_quarter_of_an_hour() -> None:
    found = hits(node(young(0.01, 0.4)), since=NOW, known_from=NOW - HOURS * AN_HOUR)
    assert min(slot for rule, slot in found if rule == "high-error-rate") < 3


@pytest.mark.parametrize(("errors", "fires"), [(1, False), (3, False), (4, True)])
def test_one_of_eleven_is_nothing_and_four_are_something(errors: int, fires: bool) -> None:
    rows = young(0.0, 0.0)
    for lines in rows.values():
        lines[:] = 0
    rows["served", "info"][NOW] = 11 - errors
    row(rows, "declined", "error")[NOW] = errors
    rows["served", "info"][NOW + 1] = 1  # "more than 10 lines" are twelve or more
    assert ("high-error-rate" in told(rows)) is fires


def test_where_nothing_came_before_a_threshold_holds_bare() -> None:
    rows = young(0.0, 0.0)
    for lines in rows.values():
        lines[:NOW] = 0
    row(rows, "declined", "error")[NOW] = 6
    assert "repeated-error" in fired(node(rows), since=NOW, known_from=NOW)


def test_a_repeated_error_of_a_young_node_is_told_against_its_own_hours() -> None:
    rows = young(0.1, 0.1)
    assert "repeated-error" not in told(rows)
    row(rows, "disk full", "error")[NOW : NOW + 3] = 4
    assert "repeated-error" in told(rows)


@pytest.mark.parametrize(
    ("errors", "lines", "above"), [(3, 3, False), (4, 4, True), (4, 36, True), (4, 37, False), (60, 1000, False),
                                   (65, 1000, True)]
)  # fmt: skip
def test_a_share_counts_with_its_uncertainty(errors: int, lines: int, above: bool) -> None:
    assert bool(certainly_above(np.array([errors]), np.array([lines]), 0.05)[0]) is above
