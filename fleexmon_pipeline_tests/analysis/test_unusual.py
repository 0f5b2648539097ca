"""A pattern that is far louder than in any comparable hour is asked about; one that is as loud as ever is not."""

from __future__ import annotations

from datetime import datetime

import pytest

from fleexmon_pipeline.analysis.unusual import Surge, surges
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window
from fleexmon_pipeline_tests.analysis.judging import NOW, TEN, WINDOW, Judge, plant

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
