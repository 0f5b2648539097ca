"""The suite notices damage: rows are changed by hand, and the broken invariants are named."""

from __future__ import annotations

import pytest

from fleexmon_pipeline_tests.chaos.world import World
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN

pytestmark = [pytest.mark.filterwarnings(DAGSTERS_OWN), pytest.mark.chaos]


def test_what_is_broken_by_hand_is_named(world: World) -> None:
    assert world.run()
    world.nobody_helps()
    assert world.violations() == {}

    with world.database.connect() as connection:
        connection.execute("""
            DELETE FROM "LogEntry" WHERE id IN (SELECT unnest("affectedLogs") FROM "LogIssue" LIMIT 1)""")
        connection.execute("""
            INSERT INTO "LogEntry" (timestamp, level, message, source, hostname)
            SELECT timestamp, level, message, source, hostname FROM "LogEntry" WHERE source = 'blue' LIMIT 1""")
        connection.execute("""DELETE FROM "LogCoverage" WHERE node = 'green' AND slot = '2026-02-03 10:05'""")

    assert set(world.violations()) == {
        "coverage says what is stored", "counts sum to lines", "every line was judged", "no line is there twice",
        "evidence exists", "every slot was asked for",
    }  # fmt: skip
