"""Questions about a pattern that is far more or less frequent than in any comparable hour, and no others."""

from __future__ import annotations

from datetime import datetime

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.surges import Surge, surges
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window
from fleexmon_pipeline_tests.genai.judging import NOW, TEN, WINDOW, Judge, plant
from fleexmon_pipeline_tests.genai_server import issue

WEEK = 7 * DAY


def watched(connection: Connection, since: datetime, until: datetime = TEN, node: str = "blue") -> None:
    connection.execute(
        'INSERT INTO "LogCoverage" (node, slot, status, "updatedAt") SELECT %s, slot, \'complete\', slot '
        "FROM generate_series(%s::timestamp, %s::timestamp - interval '5 minutes', '5 minutes') slot",
        (node, since, until),
    )


def counted(connection: Connection, slot: datetime, lines: int, pattern: str = "slow", node: str = "blue") -> None:
    connection.execute(
        'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, %s)', (slot, node, pattern, "info", lines, [])
    )


@pytest.fixture
def usual(connection: Connection) -> Connection:
    """10 lines in each hour of a week, 40 in the hour after ten."""
    plant(connection, "slow", template="slow answer", first_seen=TEN - WEEK, level="info")
    watched(connection, TEN - WEEK)
    for hour in Window(TEN - WEEK, TEN).hours():
        counted(connection, hour.since, 40 if hour.since.hour == 11 else 10)
    return connection


def seen(connection: Connection, lines: int, window: Window = WINDOW) -> dict[str, Surge]:
    return surges(connection, window, {"slow": {"blue": lines}})


def test_twice_the_most_of_any_comparable_hour_is_a_surge(usual: Connection) -> None:
    assert seen(usual, 81) == {"slow": Surge("blue", 81, 40)}
    assert seen(usual, 80) == {}


def test_the_same_time_of_day_counts_and_other_hours_of_the_week_do_not(usual: Connection) -> None:
    usual.execute('UPDATE "LogPatternCount" SET count = 500 WHERE slot = %s', (TEN - 3 * DAY + 5 * HOUR,))
    assert seen(usual, 81) == {"slow": Surge("blue", 81, 40)}

    usual.execute('UPDATE "LogPatternCount" SET count = 500 WHERE slot = %s', (TEN - 3 * DAY - HOUR,))
    assert seen(usual, 81) == {}


def test_what_merged_into_a_pattern_is_its_past_too(usual: Connection) -> None:
    plant(usual, "leaf", template="slow answer of bob", alias_of="slow", level="info")
    counted(usual, TEN - HOUR, 60, pattern="leaf")

    assert seen(usual, 81) == {}


def test_without_a_past_nothing_is_known_to_be_unusual(connection: Connection) -> None:
    plant(connection, "slow", template="slow answer", first_seen=TEN - HOUR, level="info")
    watched(connection, TEN - 11 * HOUR)
    assert seen(connection, 5_000) == {}

    watched(connection, TEN - 12 * HOUR, TEN - 11 * HOUR)
    assert seen(connection, 5_000) == {"slow": Surge("blue", 5_000, 0)}
    assert seen(connection, 9) == {}  # few are chance
    assert surges(connection, WINDOW, {"slow": {"new-node": 5_000}}) == {}


def test_a_surge_is_asked_about_once_an_hour_and_said_to_be_one(judged: Judge, usual: Connection) -> None:
    plant(usual, "slow", *["slow answer"] * 90, level="info")

    first = judged()
    again = judged(now=NOW + SLOT)

    assert (first.calls, again.calls) == (1, 0)
    (record,) = judged.server.records()
    assert record["surge"] == {"node": "blue", "lines": 90, "most_before": 40}
    assert "new" not in record


# -- drops --------------------------------------------------------------------------------------------------------

EVERY_HOUR = 60


@pytest.fixture
def steady(connection: Connection) -> Connection:
    """60 lines of two patterns in each hour of two days, and of one in the hour from ten: 'paid' no longer comes."""
    for pattern in ("paid", "viewed"):
        plant(connection, pattern, template=f"order <num> {pattern}", first_seen=TEN - 2 * DAY, level="info")
        for hour in Window(TEN - 2 * DAY, TEN).hours():
            counted(connection, hour.since + SLOT, EVERY_HOUR, pattern)
    plant(connection, "viewed", *["order 7 viewed"] * EVERY_HOUR, level="info")
    watched(connection, TEN - 2 * DAY, TEN + HOUR)
    return connection


def dropped(judged: Judge) -> list[dict[str, object]]:
    judged()
    return judged.server.records() if judged.server.questions else []


def test_a_pattern_that_no_longer_comes_is_asked_about_once(judged: Judge, steady: Connection) -> None:
    last = plant(steady, "paid", "order 7 paid", level="info", slot=TEN - SLOT)
    judged.server.answer(issue(0, title="Orders are no longer paid"))

    first = judged()
    again = judged(now=NOW + SLOT)

    (record,) = judged.server.records()
    assert (record["template"], record["nodes"]) == ("order <num> paid", {"blue": 0})
    assert record["drop"] == {"node": "blue", "lines": 0, "least_before": EVERY_HOUR}
    assert record["samples"] == ["order 7 paid"]
    (found,) = first.occurrences
    assert (found.fingerprint, found.slot, found.affected) == ("genai:pattern:paid@blue", TEN + HOUR - SLOT, 0)
    assert found.evidence == last
    assert (again.calls, again.occurrences) == (0, first.occurrences)


def test_in_a_part_of_an_hour_nothing_has_failed_to_come(judged: Judge, steady: Connection) -> None:
    assert judged(window=Window(TEN, TEN + HOUR - SLOT)).calls == 0
    steady.execute("UPDATE \"LogCoverage\" SET status = 'partial' WHERE slot = %s", (TEN,))
    assert judged().calls == 0


def test_lines_that_come_late_take_back_what_was_said(judged: Judge, steady: Connection) -> None:
    judged.server.answer(issue(0))
    assert judged().occurrences

    counted(steady, TEN, 40, "paid")

    assert judged(now=NOW + SLOT).occurrences == []


@pytest.mark.parametrize(
    "harm",
    [
        # one in five still comes
        "INSERT INTO \"LogPatternCount\" VALUES ('2026-11-20 10:00', 'blue', 'paid', 'info', 12, '{}')",
        # it was as rare in an hour of yesterday, or did not come
        "UPDATE \"LogPatternCount\" SET count = 49 WHERE pattern = 'paid' AND slot = '2026-11-19 14:05'",
        "DELETE FROM \"LogPatternCount\" WHERE pattern = 'paid' AND slot = '2026-11-19 14:05'",
        # everything else is rarer too: the traffic is
        "UPDATE \"LogPatternCount\" SET count = 20 WHERE pattern = 'viewed' AND slot = '2026-11-20 10:00'",
        # an error that stops is good news
        "UPDATE \"LogPatternCount\" SET level = 'error' WHERE pattern = 'paid'",
        # nobody knows what is usual
        "DELETE FROM \"LogCoverage\" WHERE slot < '2026-11-19 23:00'",
    ],
)
def test_what_is_no_drop(judged: Judge, steady: Connection, harm: str) -> None:
    steady.execute(harm.encode())

    assert dropped(judged) == []


def test_of_many_that_stop_together_the_most_frequent_are_asked_about(judged: Judge, steady: Connection) -> None:
    for number in range(8):
        plant(steady, f"step-{number}", template=f"step {number} done", first_seen=TEN - 2 * DAY, level="info")
        for hour in Window(TEN - 2 * DAY, TEN).hours():
            counted(steady, hour.since + SLOT, 100 + number, f"step-{number}")

    assert {record["template"] for record in dropped(judged)} == {"step 7 done", "step 6 done", "step 5 done"}
