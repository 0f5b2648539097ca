"""Problems of the pipeline, and cases that only look like problems for a moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fleexmon_pipeline.watching.conditions import (
    NAMES,
    ExpectedSchedule,
    Facts,
    FailingChannel,
    FailingCheck,
    JobRuns,
    lasting,
    problems,
)
from fleexmon_pipeline.watching.disk import Disk, full_in
from fleexmon_pipeline_tests.stories import TEN as NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GB = 10**9


def names(**facts: Any) -> list[str]:
    return [problem.name for problem in problems(Facts(**facts), now=NOW)]


def runs(*outcomes: str, job: str = "monitoring", every: timedelta = 5 * MINUTE) -> JobRuns:
    """The newest first; `+` succeeded, `-` failed."""
    return JobRuns(job, [(NOW - every * (n + 1), outcome == "+") for n, outcome in enumerate(outcomes)])


def test_nothing_known_is_nothing_wrong() -> None:
    assert names() == []


@pytest.mark.parametrize(
    ("outcomes", "wrong"),
    [("+", False), ("-", False), ("-+-", False), ("--", True), ("---+", True), ("+---", False), ("", False)],
)
def test_runs_fail_when_two_in_a_row_did(outcomes: str, wrong: bool) -> None:
    assert names(jobs=[runs(*outcomes)]) == (["pipeline-runs-fail"] if wrong else [])


def test_failures_of_another_week_are_over() -> None:
    assert names(jobs=[runs("-", "-", every=2 * DAY)]) == []


@pytest.mark.parametrize(
    ("last", "running_since", "wrong"),
    [
        (NOW - 19 * MINUTE, NOW - DAY, False),
        (NOW - 21 * MINUTE, NOW - DAY, True),
        (None, NOW - 5 * MINUTE, False),  # just installed
        (None, NOW - DAY, True),
        (None, None, False),  # never started
    ],
    ids=["fresh", "late", "new", "never", "not-installed"],
)
def test_a_schedule_stalls_when_its_last_success_is_too_old(last: Any, running_since: Any, wrong: bool) -> None:
    schedule = ExpectedSchedule("monitoring_every_5_minutes", 20 * MINUTE, last)

    assert names(schedules=[schedule], running_since=running_since) == (["pipeline-schedule-stalled"] if wrong else [])


@pytest.mark.parametrize(("age", "wrong"), [(2 * HOUR, False), (4 * HOUR, True)])
def test_analysis_waits_when_an_hour_waits_for_long(age: timedelta, wrong: bool) -> None:
    assert names(waiting_for_analysis=[NOW - age]) == (["pipeline-analysis-waits"] if wrong else [])


@pytest.mark.parametrize(("backlog", "queued", "wrong"), [(23, 0, False), (24, 0, True), (0, 4, False), (0, 5, True)])
def test_work_piles_up(backlog: int, queued: int, wrong: bool) -> None:
    facts = {"backlog": backlog, "queued": [NOW - HOUR] * queued + [NOW - MINUTE] * 20}

    assert names(**facts) == (["pipeline-backlog"] if wrong else [])


@pytest.mark.parametrize(("age", "wrong"), [(30 * MINUTE, False), (2 * HOUR, True)])
def test_a_check_fails_when_it_has_for_an_hour(age: timedelta, wrong: bool) -> None:
    assert names(checks=[FailingCheck("c", "a", NOW - age)]) == (["pipeline-check-fails"] if wrong else [])


@pytest.mark.parametrize(("age", "wrong"), [(4 * MINUTE, False), (6 * MINUTE, True)])
def test_a_channel_fails_when_it_has_for_a_while(age: timedelta, wrong: bool) -> None:
    assert names(channels=[FailingChannel("ops", NOW - age, 3)]) == (["pipeline-channel-fails"] if wrong else [])


@pytest.mark.parametrize(
    ("disk", "severity"),
    [
        (None, None),
        (Disk(50 * GB, 100 * GB, None), None),
        (Disk(50 * GB, 100 * GB, 4 * DAY), None),
        (Disk(50 * GB, 100 * GB, 2 * DAY), "high"),
        (Disk(2 * GB, 100 * GB, None), "critical"),
        (Disk(2 * GB, 100 * GB, HOUR), "critical"),
    ],
    ids=["unknown", "steady", "slowly", "soon", "full", "full-soon"],
)
def test_a_disk_fills(disk: Disk | None, severity: str | None) -> None:
    found = problems(Facts(disk=disk), now=NOW)

    assert [str(problem.severity) for problem in found] == ([severity] if severity else [])
    assert all("GB of 100.0 GB free" in problem.title for problem in found)


def test_every_condition_has_a_name_texts_and_one_problem_at_most() -> None:
    facts = Facts(
        running_since=NOW - DAY, jobs=[runs("-", "-"), runs("-", "-", job="predict")],
        schedules=[ExpectedSchedule("a", HOUR, NOW - DAY), ExpectedSchedule("b", HOUR, None)],
        waiting_for_analysis=[NOW - DAY],
        backlog=99, checks=[FailingCheck("c", "a", NOW - DAY)], channels=[FailingChannel("ops", NOW - DAY, 3)],
        disk=Disk(1, 100 * GB, HOUR),
    )  # fmt: skip

    found = problems(facts, now=NOW)

    assert tuple(problem.name for problem in found) == NAMES
    assert all(problem.title and problem.description and problem.recommendation for problem in found)
    assert all("fleexmon" in problem.title for problem in found)
    assert "monitoring (2x), predict (2x)" in found[0].title


# -- what lasts ---------------------------------------------------------------------------------------------------


def test_a_problem_counts_once_it_has_lasted() -> None:
    (problem,) = problems(Facts(jobs=[runs("-", "-")]), now=NOW)
    seen: dict[str, Any] = {}
    last, reported = None, []
    for minutes in range(0, 16, 2):
        now = NOW + minutes * MINUTE
        found, seen = lasting([problem], seen, last=last, now=now)
        last = now
        reported.append(len(found))

    assert reported == [0, 0, 0, 0, 0, 1, 1, 1]


def test_what_was_over_meanwhile_begins_anew() -> None:
    (problem,) = problems(Facts(jobs=[runs("-", "-")]), now=NOW)
    _, seen = lasting([problem], {}, last=None, now=NOW)
    _, seen = lasting([], seen, last=NOW, now=NOW + 2 * MINUTE)

    found, _ = lasting([problem], seen, last=NOW + 2 * MINUTE, now=NOW + 11 * MINUTE)

    assert found == []


@pytest.mark.parametrize("pause", [8 * HOUR, -HOUR], ids=["asleep", "clock-set-back"])
def test_after_a_pause_nobody_knows_whether_it_lasted(pause: timedelta) -> None:
    """A machine that wakes up finds every schedule late, and caught up a minute later."""
    (problem,) = problems(Facts(jobs=[runs("-", "-")]), now=NOW)
    _, seen = lasting([problem], {}, last=None, now=NOW)

    found, since = lasting([problem], seen, last=NOW, now=NOW + pause)

    assert (found, since) == ([], {problem.name: NOW + pause})


# -- the disk ------------------------------------------------------------------------------------------------------


def samples(*free: float) -> list[Any]:
    return [(NOW + n * HOUR, int(gigabytes * GB)) for n, gigabytes in enumerate(free)]


def test_a_steady_loss_is_continued() -> None:
    assert full_in(samples(*(50 - n for n in range(24)))) == 27 * HOUR


def test_a_file_that_came_and_went_is_no_trend() -> None:
    free = [50.0] * 24
    free[20:23] = [10.0] * 3

    assert full_in(samples(*free)) is None


def test_a_single_jump_is_no_trend() -> None:
    assert full_in(samples(*[50.0] * 23, 20.0)) is None


@pytest.mark.parametrize("free", [[50, 40, 30], [], [50.0] * 24, [float(n) for n in range(24)]])
def test_too_little_or_no_loss_is_no_forecast(free: list[float]) -> None:
    assert full_in(samples(*free)) is None
