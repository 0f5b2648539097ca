"""The catch-up requests every gap once it is due, oldest first, at growing intervals, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fleexmon_pipeline.catch_up import (
    MAX_ATTEMPTS,
    RUN_FAILED,
    Due,
    backoff,
    due,
    forget_waiting,
    no_longer_waiting,
    note_waiting,
    waiting,
)
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests import stories
from fleexmon_pipeline_tests.conftest import Database

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
NOON = TEN + 2 * HOUR
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def cover(
    connection: Connection, since: datetime, until: datetime, *, node: str = "blue", status: str = "complete",
    attempts: int = 1, tried: datetime | None = None,
) -> None:  # fmt: skip
    """`tried`: when it was asked for last; whole slots late enough to have got the late lines too."""
    tried = tried or (TEN if status in ("partial", "missing") else until + 2 * HOUR + SLOT)
    stories.cover(connection, Window(since, until), node, status, attempts=attempts, updated=tried)


def asked(
    connection: Connection, now: datetime = NOON, *, nodes: tuple[str, ...] = ("blue",), since: datetime | None = None,
    limit: int = 100,
) -> list[Due]:  # fmt: skip
    return due(connection, nodes, since=since or TEN - 30 * 24 * HOUR, now=now, limit=limit)


# -- coverage -------------------------------------------------------------------------------------------------------


def test_nothing_is_missing_where_nothing_was_ever_asked_for(connection: Connection) -> None:
    assert asked(connection) == []
    cover(connection, TEN, NOON, node="green")
    assert asked(connection, nodes=("blue", "green")) == []


def test_a_gap_in_the_middle_is_asked_for_at_once_and_what_came_before_the_first_window_is_not(
    connection: Connection,
) -> None:
    cover(connection, TEN, TEN + 20 * MINUTE)
    cover(connection, TEN + 30 * MINUTE, NOON - 10 * MINUTE, status="empty")

    assert asked(connection) == [Due(TEN, 0, "2 slots of coverage are missing")]


def test_a_monitor_that_was_off_asks_for_all_of_it_but_not_for_what_is_about_to_be_done(connection: Connection) -> None:
    cover(connection, TEN, TEN + 10 * MINUTE)

    found = asked(connection, NOON + 12 * MINUTE)

    assert [(one.hour, one.reason[:2]) for one in found] == [(TEN, "10"), (TEN + HOUR, "12")]
    assert asked(connection, NOON + 15 * MINUTE)[-1].hour == NOON


def test_a_node_that_is_watched_no_more_is_not_asked(connection: Connection) -> None:
    cover(connection, TEN, NOON, node="green", status="missing")
    cover(connection, TEN, NOON)

    assert asked(connection) == []
    assert asked(connection, nodes=("blue", "green")) != []


def test_slots_of_all_nodes_make_one_request_for_their_hour(connection: Connection) -> None:
    cover(connection, TEN, TEN + HOUR, status="missing", attempts=3)
    cover(connection, TEN, TEN + 30 * MINUTE, node="green", status="partial", attempts=2)
    cover(connection, TEN + 30 * MINUTE, TEN + HOUR, node="green")

    (found,) = asked(connection, TEN + 70 * MINUTE, nodes=("blue", "green"))

    assert found == Due(TEN, 2, "18 slots of coverage are missing")


@pytest.mark.parametrize("attempts", [1, 2, 6, MAX_ATTEMPTS - 1])
def test_a_node_that_does_not_answer_is_asked_ever_more_seldom(connection: Connection, attempts: int) -> None:
    cover(connection, TEN, TEN + HOUR, status="missing", attempts=attempts, tried=NOON)
    next_try = NOON + backoff(attempts)
    cover(connection, TEN + HOUR, next_try, tried=TEN)  # nor has it answered since

    assert [one for one in asked(connection, next_try - MINUTE) if one.hour == TEN] == []
    assert asked(connection, next_try)[0] == Due(TEN, attempts, "12 slots of coverage are missing")


def test_an_hour_is_given_up_in_the_end_and_the_pauses_last_about_two_days(connection: Connection) -> None:
    cover(connection, TEN, TEN + HOUR, status="missing", attempts=MAX_ATTEMPTS, tried=TEN)
    cover(connection, TEN + HOUR, NOON + 10 * 24 * HOUR)

    assert asked(connection, NOON + 10 * 24 * HOUR) == []
    assert [backoff(n) for n in (0, 1, 2, 6, 7, 1000)] == [
        5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 320 * MINUTE, 6 * HOUR, 6 * HOUR,
    ]  # fmt: skip
    assert 24 * HOUR < sum((backoff(n) for n in range(MAX_ATTEMPTS)), timedelta()) < 60 * HOUR


def test_nothing_is_asked_for_that_is_older_than_lines_are_kept_whatever_the_minute(connection: Connection) -> None:
    cover(connection, TEN, NOON)
    cover(connection, TEN, TEN + 5 * MINUTE, status="missing")

    for since in (TEN + 5 * MINUTE, TEN + timedelta(minutes=3, seconds=27, microseconds=5)):
        assert asked(connection, NOON, since=since) == []
    assert [one.hour for one in asked(connection, NOON, since=TEN)] == [TEN]


def test_an_hour_that_was_not_asked_for_late_lines_is_asked_for_once_they_have_come(connection: Connection) -> None:
    cover(connection, TEN, TEN + HOUR, tried=TEN + HOUR)
    cover(connection, TEN + HOUR, NOON + 2 * HOUR)
    late = TEN + 2 * HOUR + 10 * MINUTE

    assert asked(connection, late + 5 * MINUTE) == []  # the schedule is about to
    assert asked(connection, late + 10 * MINUTE) == [Due(TEN, 1, "12 slots were not asked for late lines")]


# -- stages that could not finish -----------------------------------------------------------------------------------


def test_a_stage_that_could_not_finish_is_asked_for_later_and_later_and_then_no_more(connection: Connection) -> None:
    now, waits = NOON, []
    for attempt in range(1, MAX_ATTEMPTS):
        note_waiting(connection, "analyzed_logs", TEN, "GenAI is down", now=now)
        tried = now
        while asked(connection, now) == []:
            now += 5 * MINUTE
        waits.append(now - tried)
        assert asked(connection, now) == [Due(TEN, attempt, "analyzed_logs: GenAI is down")]
    note_waiting(connection, "analyzed_logs", TEN, "GenAI is down", now=now)

    assert waits == [min(5 * MINUTE * 2**n, 6 * HOUR) for n in range(MAX_ATTEMPTS - 1)]
    assert asked(connection, now + 30 * 24 * HOUR) == []
    assert waiting(connection, "analyzed_logs") == [(TEN, "GenAI is down")]


def test_the_ticks_of_a_running_hour_do_not_use_up_its_attempts(connection: Connection) -> None:
    for minute in range(60):
        note_waiting(connection, "analyzed_logs", TEN, f"{60 - minute} lines wait", now=TEN + minute * MINUTE)

    (found,) = asked(connection, NOON + 6 * HOUR)
    assert found.attempt < 6
    assert found.reason == "analyzed_logs: 1 lines wait"


def test_what_was_done_waits_no_longer_and_nothing_else_is_forgotten(connection: Connection) -> None:
    for asset, hour in (("a", TEN), ("a", TEN + HOUR), ("a", NOON), ("b", TEN + HOUR)):
        note_waiting(connection, asset, hour, "x" * 1000, now=NOON)

    no_longer_waiting(connection, "a", Window(TEN + 20 * MINUTE, NOON))

    assert waiting(connection, "a") == [(NOON, "x" * 500)]
    assert waiting(connection, "b") == [(TEN + HOUR, "x" * 500)]
    forget_waiting(connection, before=NOON)
    assert waiting(connection, "a") == [(NOON, "x" * 500)]
    assert waiting(connection, "b") == []


def test_after_a_failed_run_its_hour_waits_whatever_is_missing(connection: Connection) -> None:
    cover(connection, TEN, TEN + SLOT)
    cover(connection, TEN + HOUR, NOON)
    note_waiting(connection, RUN_FAILED, TEN, "run 1234 failed", now=NOON)

    assert asked(connection, NOON + 4 * MINUTE) == []
    assert asked(connection, NOON + 5 * MINUTE) == [Due(TEN, 1, "11 slots of coverage are missing")]


# -- both -----------------------------------------------------------------------------------------------------------


def test_the_oldest_come_first_each_hour_once_and_no_more_than_wanted(connection: Connection) -> None:
    for n in (5, 1, 3):
        note_waiting(connection, "detected_issues", TEN + n * HOUR, "changed before it", now=TEN)
    cover(connection, TEN, TEN + SLOT)
    cover(connection, TEN + 4 * HOUR, TEN + 4 * HOUR + SLOT)
    now = TEN + 4 * HOUR + 10 * MINUTE

    assert [one.hour for one in asked(connection, now)] == [TEN + n * HOUR for n in (0, 1, 2, 3, 5)]
    assert [one.hour for one in asked(connection, now, limit=2)] == [TEN, TEN + HOUR]
    assert asked(connection, now, limit=0) == []


def test_no_two_tries_of_an_hour_have_one_number(connection: Connection) -> None:
    """The number makes the run key, and Dagster never makes a second run for a key."""
    numbers = []
    for attempts in range(1, 5):
        cover(connection, TEN, TEN + HOUR, status="missing", attempts=attempts)
        cover(connection, TEN + HOUR, NOON + 9 * HOUR)
        numbers.append(asked(connection, NOON + 9 * HOUR)[0].attempt)
        note_waiting(connection, "analyzed_logs", TEN, "rows wait", now=TEN)
        numbers.append(asked(connection, NOON + 9 * HOUR)[0].attempt)
        no_longer = connection.execute('UPDATE "StaleWindow" SET "nextAt" = %s', [TEN])
        assert no_longer.rowcount == 1

    assert numbers == sorted(set(numbers))
