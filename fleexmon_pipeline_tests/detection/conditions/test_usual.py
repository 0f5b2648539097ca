"""Baselines consider more than the time of day: the levels of a pattern, and last week's job."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.baselines.baseline import PatternBaseline, joined_patterns
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    DAYS,
    NOW,
    SERIES,
    Rows,
    fired,
    node,
    part,
    row,
    traffic,
)

WEEK = 7 * A_DAY


def access_log(refused: float = 0.5) -> Rows:
    """One pattern for all requests; those that are refused have another level."""
    rows = traffic()
    rows["request", "info"] = rows.pop(("opened", "info")) * 3
    rows["request", "warn"] = np.random.default_rng(3).poisson(refused, len(rows["request", "info"])).astype(np.int64)
    return rows


def test_refused_requests_that_rise_are_unusual_though_the_pattern_is_frequent() -> None:
    rows = access_log()
    assert fired(node(rows)) == set()
    rows["request", "warn"][NOW : NOW + 6] += 25
    assert fired(node(rows)) == {"unusual-warning"}


def test_requests_that_rise_say_nothing_of_the_refused() -> None:
    rows = access_log()
    for lines in rows.values():
        lines[NOW : NOW + 6] *= 2
    assert "unusual-warning" not in fired(node(rows))


def test_a_pattern_has_what_is_normal_by_group() -> None:
    baseline = learn(part(node(access_log()), 0, DAYS * A_DAY), SERIES)
    assert baseline is not None
    assert set(baseline.patterns["request"]) == {"rest", "warn"}
    assert baseline.patterns["request"]["warn"].lines < baseline.patterns["request"]["rest"].lines / 10


def test_of_merged_patterns_the_one_with_more_lines_stands_for_each_group() -> None:
    few, many, other = PatternBaseline(2, 0.1), PatternBaseline(9, 0.3), PatternBaseline(1, 0.5)
    assert joined_patterns([{"warn": few}, {"warn": many, "rest": other}]) == {"warn": many, "rest": other}


def weekly(begin: int, *, minutes_late: int = 0) -> Rows:
    """A job of half an hour that ran a week ago, and now again."""
    rows = traffic()
    rnd = np.random.default_rng(4)
    for start in (begin - WEEK, begin + minutes_late // 5):
        row(rows, "reindexed", "info")[start : start + 6] += rnd.poisson(150, 6)
    return rows


@pytest.mark.parametrize("minutes_late", [0, -15, 20])
def test_last_weeks_job_is_no_news_on_its_second_time(minutes_late: int) -> None:
    rows = weekly(NOW, minutes_late=minutes_late)
    assert fired(node(rows)) == set()


def test_the_same_job_at_another_hour_is_news() -> None:
    rows = weekly(NOW, minutes_late=-6 * 60)
    assert "flooding-pattern" in fired(node(rows), since=NOW - 7 * AN_HOUR, until=NOW)


def test_what_was_a_week_ago_excuses_no_other_pattern() -> None:
    rows = weekly(NOW)
    row(rows, "rejected", "error")[NOW : NOW + 6] += 20
    assert "unusual-error-rate" in fired(node(rows))


FAILURE = "could not sync <*> <num>, will try later"


def with_failure(level: str, template: str, *, days_before: list[int]) -> Rows:
    """The message comes a dozen times an hour on these days at noon, and again now."""
    rows = traffic()
    lines = row(rows, template, level)
    for begin in (NOW, *(NOW + 2 * AN_HOUR - days * A_DAY for days in days_before)):
        lines[begin : begin + AN_HOUR] = 3
    return rows


@pytest.mark.parametrize(
    ("template", "days_before", "told"),
    [(FAILURE, [3], True), (FAILURE, [1, 2, 3], False), ("stored <*> <num>", [3], False)],
    ids=["once before", "on most days", "no failure"],
)
def test_a_known_message_of_failure_is_told_when_it_comes_back(
    template: str, days_before: list[int], told: bool
) -> None:
    found = fired(node(with_failure("info", template, days_before=days_before)))
    assert ("unusual-failure-message" in found) is told
    assert "new-failure-message" not in found
