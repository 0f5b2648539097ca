"""The soak itself, small: every kind of fault once, and a comparison that would see what is lost or double."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer
from fleexmon_pipeline_tests.soak.compare import compare
from fleexmon_pipeline_tests.soak.faults import Spell, draw
from fleexmon_pipeline_tests.soak.log import Log
from fleexmon_pipeline_tests.soak.simulate import simulate

pytestmark = pytest.mark.long

SINCE = datetime(2026, 3, 3, tzinfo=UTC)
WINDOW = Window(SINCE, SINCE + 2 * HOUR)
HOUR_OF_LINES = Window(SINCE, SINCE + HOUR)
AFTERWARDS = SINCE + 4 * HOUR
COLUMNS = "timestamp, level, message, source, hostname, metadata"


def test_two_hours_of_every_fault_lose_nothing_and_double_nothing() -> None:
    drawn = draw(7, WINDOW, ["blue", "green"])
    # Three quarters of an hour, so that no kill, nor a spell in which nobody asks, can come before all of them.
    cut = Spell("blue", "cut", Window(SINCE + HOUR / 4, SINCE + HOUR))
    plan = replace(drawn, spells=(*drawn.spells, cut))
    logs = [Log(name, 7, 6, WINDOW, plan.skews.get(name, ()), every=29) for name in ("blue", "green")]

    outcome = simulate(plan, logs)

    assert [(found.lost, found.double, found.unsound) for found in outcome.found] == [(0, 0, [])] * 2
    assert outcome.unfinished == []
    assert all(found.is_sound and found.made > 700 for found in outcome.found)
    assert outcome.events["database killed -9"] > 0
    assert outcome.events["runs failed"] > 0
    assert outcome.events["cut"] > 0


@pytest.fixture
def log(database: Database, blue: NodeServer) -> Log:
    """An hour of lines, collected."""
    log = Log("blue", 1, 10, HOUR_OF_LINES, every=29)
    blue.answer(body=b"[" + b",".join(log.seen(HOUR_OF_LINES, AFTERWARDS)) + b"]")
    node = Node("blue", blue.url, "127.0.0.1")
    collect(HOUR_OF_LINES, [node], lambda: connect(database.url), now=AFTERWARDS, run_id="test")
    return log


def test_a_sound_table_is_called_sound(database: Database, log: Log) -> None:
    with database.connect() as connection:
        [found] = compare(connection, [log], HOUR_OF_LINES)

    assert found.is_sound, found
    assert found.made == found.stored == 600
    assert found.planted == found.rejected > 30


@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        ("DELETE FROM \"LogEntry\" WHERE message LIKE '% 100'", {"lost": 1}),
        (
            f'INSERT INTO "LogEntry" ({COLUMNS}) SELECT {COLUMNS} FROM "LogEntry" WHERE message LIKE \'% 100\'',
            {"double": 1},
        ),
        ("UPDATE \"LogEntry\" SET level = 'fatal' WHERE message LIKE '% 100'", {"lost": 1, "double": 1}),
        ('DELETE FROM "RejectedLog" WHERE id = (SELECT min(id::text)::uuid FROM "RejectedLog")', {}),
        ('UPDATE "LogCoverage" SET stored = 1, received = 1 + rejected', {}),
        ('UPDATE "LogCoverage" SET status = \'partial\' WHERE slot = (SELECT min(slot) FROM "LogCoverage")', {}),
        ('DELETE FROM "LogCoverage" WHERE slot = (SELECT min(slot) FROM "LogCoverage")', {}),
    ],
    ids=["a row gone", "a row twice", "a row changed", "a rejected record gone", "counts", "status", "a slot gone"],
)
def test_what_is_not_sound_is_seen(database: Database, log: Log, harm: str, seen: dict[str, int]) -> None:
    with database.connect() as connection:
        connection.execute(harm.encode())
        [found] = compare(connection, [log], HOUR_OF_LINES)

    assert not found.is_sound
    assert (found.lost, found.double) == (seen.get("lost", 0), seen.get("double", 0))


def test_the_same_seed_is_the_same_soak() -> None:
    assert draw(3, WINDOW, ["a", "b"]) == draw(3, WINDOW, ["a", "b"])
    assert str(draw(3, WINDOW, ["a", "b"])) != str(draw(4, WINDOW, ["a", "b"]))
