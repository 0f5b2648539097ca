"""Open ends of collection in Dagster: hours given up, records that a fix made readable, figures of the hour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline.catch_up import MAX_ATTEMPTS
from fleexmon_pipeline.collection import collect as collecting
from fleexmon_pipeline.collection import rows
from fleexmon_pipeline.collection.records import Line, RejectedError
from fleexmon_pipeline.collection.rejected import Chosen, retry
from fleexmon_pipeline.collection.sources.ask import ask as ask_node
from fleexmon_pipeline.sensors import catch_up
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, at, metadata, project, titles
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch) as opened:
        opened.it_is(at(DAY, "11:02"))
        yield opened


def test_an_hour_given_up_is_an_issue_until_its_lines_come(dagster: Project, blue: NodeServer) -> None:
    dagster.watch(blue)
    blue.answer(status=404)
    dagster.run("backfill_hours", TEN)
    assert titles(dagster.database) == []
    with dagster.database.connect() as connection:
        connection.execute('UPDATE "LogCoverage" SET attempts = %s', [MAX_ATTEMPTS - 1])
    dagster.it_is(at(DAY, "12:02"))
    blue.serve([])  # it answers again, but for that hour
    dagster.run("monitoring", TEN + HOUR)
    blue.answer(status=404)

    for _ in range(2):  # the second run's rules must not erase what collection said
        dagster.run("backfill_hours", TEN)
        assert titles(dagster.database) == ["Collection failed on blue: the lines of 1 hour are missing"]
    [row] = dagster.database.rows('SELECT type, status, "detectedAt" FROM "LogIssue"')
    assert row == {"type": "collection-gap", "status": "open", "detectedAt": at(DAY, "10:05")}

    blue.serve(lines(60, TEN, every=MINUTE))
    dagster.run("backfill_hours", TEN)
    assert titles(dagster.database) == []


def test_lines_of_rejected_records_are_analysed_by_the_catch_up(
    dagster: Project, blue: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(raw: bytes) -> Line:
        raise RejectedError("not a form of ours")

    dagster.watch(blue)
    refused = lines(5, TEN, level="warn", message="connect ECONNREFUSED 10.0.0.{n}:5432")
    blue.serve([{**line, "logger": "net"} for line in refused])
    with monkeypatch.context() as patch:
        patch.setattr(rows, "read", read)
        dagster.run("backfill_hours", TEN)
    assert titles(dagster.database) == []

    now = at(DAY, "11:02")
    assert retry(dagster.database.connect, Chosen(), now=now, oldest=DAY).stored == 5
    dagster.it_is(now + 4 * MINUTE)
    assert dagster.ask(catch_up) == []
    dagster.it_is(now + 5 * MINUTE)
    [request] = dagster.ask(catch_up)
    assert request.tags["fleexmon/reason"] == "rejected: 5 rejected records of blue became lines"
    dagster.run_requested("backfill_hours", request)

    assert titles(dagster.database) == ["Connection failures on blue: connect ECONNREFUSED <ip> (5 in 15 minutes)"]
    assert dagster.ask(catch_up) == []


def test_the_figures_of_an_hour_are_shown_with_its_lag_and_its_levels(dagster: Project, blue: NodeServer) -> None:
    dagster.watch(blue)
    blue.serve(lines(90, TEN, every=20 * timedelta(seconds=1)) + lines(3, TEN, level="error"))
    dagster.it_is(TEN + 42 * MINUTE)

    shown = metadata(dagster.run("backfill_hours", TEN), "raw_logs")

    assert shown["lag_seconds"] == (10 * MINUTE + timedelta(seconds=20)).total_seconds()
    assert "| blue | 93 | 0 | 8 of 8 | 620 s |" in str(shown["nodes"])
    hour = str(shown["hour"]).splitlines()
    assert len(hour) == 10  # eight slots have ended
    assert re.fullmatch(r"10:00  █{30}  18  3 error  15 info", hour[1])
    assert re.fullmatch(r"10:35 +0", hour[8])
    assert "lag_seconds" not in metadata(dagster.run("backfill_hours", TEN - 5 * HOUR), "raw_logs")


@pytest.mark.parametrize(("tick", "seconds"), [("slot", 60), ("catch-up", 180), ("late", 180), (None, 600)])
def test_only_ticks_are_in_a_hurry_and_those_that_catch_up_less(
    dagster: Project, blue: NodeServer, monkeypatch: pytest.MonkeyPatch, tick: str | None, seconds: int
) -> None:
    given: list[int] = []

    def ask(clients: object, node: Node, window: object, *, attempts: int) -> object:
        given.append(node.limits.answer_seconds)
        return ask_node(clients, node, window, attempts=attempts)  # type: ignore[arg-type]  # what collect gave us

    monkeypatch.setattr(collecting, "ask", ask)
    dagster.watch(blue)
    blue.serve(lines(3, TEN))
    dagster.run("monitoring", TEN, tick="slot")  # so that there is something to ask again for late lines
    given.clear()
    with dagster.database.connect() as connection:
        connection.execute("UPDATE \"LogCoverage\" SET status = 'partial'")
    dagster.run("monitoring", TEN, tick=tick)

    assert set(given) == {seconds}
