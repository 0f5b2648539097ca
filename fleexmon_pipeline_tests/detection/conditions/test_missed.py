"""Messages that come at regular times and did not: a job at eight, an hourly check, a heartbeat."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.baselines.promises import learn_promise, overdue
from fleexmon_pipeline.numerics import Ints
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    DAYS,
    FIRST,
    NOW,
    SLOTS,
    Rows,
    fired,
    hits,
    node,
    row,
    traffic,
)

EIGHT, TODAY = 8 * AN_HOUR, DAYS * A_DAY
SINCE, UNTIL = TODAY + 7 * AN_HOUR, TODAY + 12 * AN_HOUR
OVERDUE = "message-overdue"


def daily(rows: Rows, *, days: range = range(DAYS + 1), late: int = 0) -> Rows:
    """A job at eight, some minutes sooner or later, that logs for a quarter of an hour."""
    job = row(rows, "backed up", "info")
    for day in days:
        begin = day * A_DAY + EIGHT + day % 2 + (late if day == DAYS else 0)
        job[begin : begin + 3] = 5
    return rows


def every(slots: int, *, until: int = SLOTS) -> Rows:
    rows = traffic()
    row(rows, "checked", "info")[7:until:slots] = 2
    return rows


def test_a_job_that_does_not_come_is_told_within_half_an_hour_for_an_hour() -> None:
    assert OVERDUE not in fired(node(daily(traffic())), since=SINCE, until=UNTIL)

    told = [
        slot
        for rule, slot in hits(node(daily(traffic(), days=range(DAYS))), since=SINCE, until=UNTIL)
        if rule == OVERDUE
    ]

    due = TODAY + EIGHT - NOW
    assert due < min(told) <= due + 15
    assert max(told) - min(told) == AN_HOUR - 1


def test_a_job_that_comes_later_is_overdue_until_then() -> None:
    told = [slot for rule, slot in hits(node(daily(traffic(), late=18)), since=SINCE, until=UNTIL) if rule == OVERDUE]
    assert told
    assert max(told) < TODAY + EIGHT + 18 - NOW


def test_a_job_that_runs_on_another_node_today_has_come() -> None:
    other = node(daily(traffic(seed=2), days=range(DAYS, DAYS + 1)), "green")
    assert OVERDUE not in fired(node(daily(traffic(), days=range(DAYS))), [other], since=SINCE, until=UNTIL)


def test_what_another_node_logs_later_changes_nothing() -> None:
    blue = node(daily(traffic(), days=range(DAYS)))
    rows = traffic(seed=2)
    row(rows, "backed up", "info")[TODAY + 11 * AN_HOUR + 6 :] = 5
    assert {hit for hit in hits(blue, [node(rows, "green")], since=SINCE, until=UNTIL) if hit[0] == OVERDUE} == {
        hit for hit in hits(blue, [node(traffic(seed=2), "green")], since=SINCE, until=UNTIL) if hit[0] == OVERDUE
    }


def test_a_job_in_other_words_has_come() -> None:
    rows = daily(traffic(), days=range(DAYS))
    row(rows, "backup is done", "info")[TODAY + EIGHT : TODAY + EIGHT + 3] = 5
    told = hits(node(rows), since=SINCE, until=UNTIL, first_seen={"backup is done": TODAY + EIGHT})
    assert OVERDUE not in {rule for rule, _ in told}


def test_where_nobody_looked_it_may_have_come() -> None:
    known = np.ones(SLOTS, bool)
    known[TODAY + EIGHT : TODAY + EIGHT + 3] = False
    assert OVERDUE not in fired(node(daily(traffic(), days=range(DAYS)), known=known), since=SINCE, until=UNTIL)


@pytest.mark.parametrize("slots", [6, 12, 36, 72])
def test_what_comes_every_half_hour_to_every_six_hours_and_stops(slots: int) -> None:
    assert OVERDUE not in fired(node(every(slots)), since=SINCE, until=UNTIL)
    assert OVERDUE in fired(node(every(slots, until=TODAY + 2 * AN_HOUR)), since=TODAY + 3 * AN_HOUR, until=SLOTS)


def test_a_heartbeat_that_stops_while_the_node_goes_on() -> None:
    rows = traffic()
    row(rows, "alive", "info")[: TODAY + 9 * AN_HOUR] = 5
    assert OVERDUE in fired(node(rows), since=SINCE, until=UNTIL)


def test_it_does_not_matter_how_hours_are_cut() -> None:
    for rows in (daily(traffic(), days=range(DAYS)), every(36, until=TODAY + 2 * AN_HOUR)):
        since, until = TODAY + 4 * AN_HOUR, TODAY + 12 * AN_HOUR
        together = {hit for hit in hits(node(rows), since=since, until=until) if hit[0] == OVERDUE}
        parts = [hits(node(rows), since=begin, until=begin + AN_HOUR) for begin in range(since, until, AN_HOUR)]
        assert {hit for part in parts for hit in part if hit[0] == OVERDUE} == together
        assert together


def on(days: range) -> Rows:
    """A job at eight on these days, exactly."""
    rows = traffic()
    for day in days:
        row(rows, "backed up", "info")[day * A_DAY + EIGHT : day * A_DAY + EIGHT + 3] = 5
    return rows


def test_a_daily_job_is_due_on_its_fourth_day() -> None:
    assert OVERDUE in fired(node(on(range(DAYS - 3, DAYS))), since=SINCE, until=UNTIL)
    assert OVERDUE not in fired(node(on(range(DAYS - 2, DAYS))), since=SINCE, until=UNTIL)


def test_a_job_seen_on_weekdays_alone_is_not_due_on_saturday() -> None:
    monday = next(day for day in range(7) if (FIRST // A_DAY + day + 3) % 7 == 0)
    job, known = np.zeros(5 * A_DAY, np.int64), np.ones(5 * A_DAY, bool)
    job[np.arange(5) * A_DAY + EIGHT] = 1
    promise = learn_promise(job, known, FIRST + monday * A_DAY)
    nothing, looked_at = np.zeros(A_DAY, np.int64), np.ones(A_DAY, bool)
    assert promise is not None
    late = [overdue(promise, nothing, looked_at, FIRST + (monday + day) * A_DAY).any() for day in (5, 6, 7)]
    assert late == [False, False, True]


# -- what is a promise --------------------------------------------------------------------------------------------


def starts(*days: float) -> Ints:
    found = np.zeros(14 * A_DAY, np.int64)
    found[[round(day * A_DAY) + 97 for day in days]] = 1
    return found


@pytest.mark.parametrize(
    ("days", "period"),
    [
        (range(14), A_DAY),
        ([day for day in range(14) if day != 9], A_DAY),  # failed once
        ([day for day in range(14) if (FIRST // A_DAY + day + 3) % 7 < 5], A_DAY),  # on weekdays only
        ([day for day in range(0, 14, 2) if (FIRST // A_DAY + day + 3) % 7 < 5], None),  # releases, on weekdays
        ([11, 12, 13], A_DAY),
        ([11, 12.02, 13], None),  # half an hour later once: too few to be sure of
        ([4, 8, 12], None),
        ([0, 1, 2, 4, 7, 8, 11, 13], None),
        ([0, 2 + 0.03, 4 - 0.02, 6 + 0.02, 8, 10 + 0.03, 12], None),  # about noon, by hand
        (range(3), None),  # too few
        (range(9), None),  # over since long
    ],
    ids=[
        "daily",
        "failed once",
        "weekdays",
        "every other weekday",
        "three days",
        "not exactly",
        "three times",
        "at random",
        "by hand",
        "thrice",
        "ended",
    ],
)
def test_what_is_a_promise(days: list[float], period: int | None) -> None:
    promise = learn_promise(starts(*days), np.ones(14 * A_DAY, bool), FIRST)
    assert (promise.period if promise else None) == period


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_takes_a_quarter_to_three_quarters_of_an_hour_and_begins_again_keeps_no_clock(seed: int) -> None:
    starts = np.cumsum(np.random.default_rng(seed).integers(3, 10, size=SLOTS // 6))
    lines = np.zeros(SLOTS, np.int64)
    lines[starts[starts < SLOTS]] = 1

    assert learn_promise(lines, np.ones(SLOTS, bool), FIRST) is None


def test_what_a_clock_starts_each_half_hour_is_due() -> None:
    rng = np.random.default_rng(1)
    lines = np.zeros(SLOTS, np.int64)
    lines[np.arange(3, SLOTS - 2, 6) + rng.integers(0, 2, size=len(range(3, SLOTS - 2, 6)))] = 1

    assert learn_promise(lines, np.ones(SLOTS, bool), FIRST) is not None
