"""The check notices a miner that does not fit its lines, and is quiet about one that does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleexmon_pipeline.assets.checks import check_patterns
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.patterns.health import MinerHealth, miner_health
from fleexmon_pipeline.window import DAY, SLOT
from fleexmon_pipeline_tests.conftest import Database

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def count(connection: Connection, pattern: str, lines: int, *, at: datetime = TEN, alias: str | None = None) -> None:
    connection.execute(
        """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion", "aliasOf")
        VALUES (%s, %s, 'info', %s, %s, 2, %s) ON CONFLICT DO NOTHING""",
        [pattern, f"text of {pattern}", at, at, alias],
    )
    if lines:
        connection.execute(
            "INSERT INTO \"LogPatternCount\" VALUES (%s, 'blue', %s, 'info', %s, '{}')", [at, pattern, lines]
        )


def test_figures_of_a_day_with_aliases_resolved(database: Database) -> None:
    with database.connect() as connection:
        assert miner_health(connection).problems() == []
        count(connection, "old", 7, at=TEN - DAY)
        count(connection, "general", 0, at=TEN - DAY - SLOT)
        count(connection, "a", 3, alias="general")
        count(connection, "b", 4, alias="general")
        count(connection, "alone", 1, at=TEN - timedelta(hours=23))

        found = miner_health(connection)

    assert found == MinerHealth(8, 2, 1, 7, "text of general", 1, older=True)


FINE = {"lines": 10_000, "patterns": 100, "single": 10, "largest": 900, "largest_template": "GET `x` <num>", "new": 4}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"single": 3_000}, "30% of 10,000 lines have a pattern of their own"),
        ({"largest": 6_000}, "60% of 10,000 lines belong to one pattern"),
        ({"new": 501}, "501 new patterns in a day"),
        ({"new": 501, "older": False}, ""),
        ({"lines": 900, "largest": 900}, ""),
    ],
)
def test_what_people_are_told(change: dict[str, int], told: str) -> None:
    check = check_patterns(MinerHealth(**{**FINE, "older": True, **change}))  # type: ignore[arg-type]

    assert check.passed == (not told)
    assert told in str(check.metadata)
