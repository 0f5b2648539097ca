"""The chain of hourly assets in Dagster: complete, repeatable, and the same for any division into runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fleexmon_pipeline.patterns import store
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.schedules import late_lines_hourly, monitoring_every_5_minutes, predictions_hourly
from fleexmon_pipeline.ticks import Tick
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import (
    DAGSTERS_OWN,
    HOURLY_CHAIN,
    Project,
    at,
    check,
    contents,
    fingerprints,
    hours,
    make_empty,
    metadata,
    project,
    requests_of,
    shuffled,
    titles,
)
from fleexmon_pipeline_tests.node_server import NodeServer, Record, lines

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings(DAGSTERS_OWN)]

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")
HOURS = 12
END = DAY + HOURS * HOUR
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch) as opened:
        opened.it_is(at(DAY, "11:02"))
        yield opened


def bad_hour(start: datetime) -> tuple[list[Record], list[Record]]:
    """What makes each of the original's four rules fire once: blue's errors, green's memory and connections."""
    errors = lines(20, start + MINUTE, every=SECOND, level="error", message="payment {n} failed: card declined")
    blue = lines(190, start, message="GET /products/{n} 200") + errors
    green = lines(100, start, message="GET /health 200")
    green += lines(4, start + 2 * MINUTE, level="warn", message="Memory usage at 9{n}% of 2048 MB")
    green += lines(2, start + 3 * MINUTE, level="warn", message="connect ECONNREFUSED 10.0.0.{n}:5432")
    return blue, green


def half_a_day() -> tuple[list[Record], list[Record]]:
    """Of both nodes: a steady murmur, incidents inside an hour, across an hour's end, and coming back."""
    nodes = []
    for name in ("blue", "green"):
        records = lines(HOURS * 60, DAY, every=MINUTE, message="GET /products/{n} 200")
        records += lines(HOURS * 20, DAY + 7 * SECOND, every=3 * MINUTE, message=f"session {{n}} of {name} opened")
        nodes.append(records)
    blue, green = nodes
    blue += lines(90, at(DAY, "01:10"), every=20 * SECOND, level="error", message="payment {n} failed: card declined")
    blue += lines(40, at(DAY, "07:30"), every=10 * SECOND, level="error", message="payment {n} failed: card declined")
    green += lines(30, at(DAY, "07:50"), every=30 * SECOND, level="warn", message="connect ECONNREFUSED 10.0.0.5:{n}")
    blue += lines(12, at(DAY, "08:58"), every=20 * SECOND, level="warn", message="Memory usage at {n}% of 2048 MB")
    blue += lines(2, at(DAY, "09:00"), every=0 * SECOND, message="two lines that are the same")
    green += lines(300, at(DAY, "09:20"), every=SECOND, message="GET /sitemap/{n} 200")
    green += lines(9, at(DAY, "09:59") + 59 * SECOND, every=SECOND / 8, level="fatal", message="out of order {n}")
    return blue, green


# -- one hour -------------------------------------------------------------------------------------------------------


def test_an_hour_becomes_lines_patterns_occurrences_and_issues(
    dagster: Project, blue: NodeServer, green: NodeServer
) -> None:
    of_blue, of_green = bad_hour(TEN)
    blue.serve(of_blue)
    green.serve(of_green)
    dagster.watch(blue, green)

    result = dagster.run("backfill_hours", TEN)

    rows = contents(dagster.database)
    assert len(rows["LogEntry"]) == len(of_blue) + len(of_green)
    assert all(row["analyzed"] for row in rows["LogEntry"])  # nobody else is there to judge them
    assert sum(int(str(row["count"])) for row in rows["LogPatternCount"]) == len(rows["LogEntry"])
    assert {(row["node"], row["status"]) for row in rows["LogCoverage"]} == {
        (node, status) for node in ("blue", "green") for status in ("complete", "empty")
    }
    assert len(rows["LogCoverage"]) == 24
    assert titles(dagster.database) == [
        "Connection failures on green: connect ECONNREFUSED <ip> (2 in 15 minutes)",
        "High error rate on blue: payment <num> failed: card declined (9.5%, 20 errors in 15 minutes)",
        "Memory warnings on green: Memory usage at <num> of <size> (4 in 15 minutes)",
        "Repeated error on blue: payment <num> failed: card declined (20 in 15 minutes)",
    ]
    assert {row["type"]: row["severity"] for row in rows["LogIssue"]} == {
        "high-error-rate": "high",
        "memory-warning": "high",
        "connection-failure": "medium",
        "repeated-error": "medium",
    }
    assert {row["source"] for row in rows["LogIssue"]} == {"detector"}
    ids = {row["id"] for row in rows["LogEntry"]}
    assert all(row["affectedLogs"] and set(row["affectedLogs"]) <= ids for row in rows["LogIssue"])  # type: ignore[call-overload]

    assert metadata(result, "raw_logs")["dagster/partition_row_count"] == len(rows["LogEntry"])
    assert "| blue | 210 | 0 | 12 of 12 | " in str(metadata(result, "raw_logs")["nodes"])
    assert metadata(result, "detected_issues")["open_issues"] == 4
    for name in ("every_node_answers", "everything_is_judged", "rules_are_sound"):
        assert check(result, name) == (True, "")


def test_an_hour_materialised_again_changes_no_row(dagster: Project, blue: NodeServer, green: NodeServer) -> None:
    of_blue, of_green = bad_hour(TEN)
    blue.serve(of_blue)
    green.serve(of_green)
    dagster.watch(blue, green)
    dagster.run("backfill_hours", TEN)
    before = fingerprints(dagster.database)
    requests = len(blue.requests)

    dagster.run("backfill_hours", TEN)
    after_backfill = len(blue.requests)
    dagster.run("monitoring", TEN, tick="slot")
    after_tick = len(blue.requests)
    dagster.run("monitoring", TEN, tick=Tick.LATE)

    assert fingerprints(dagster.database) == before
    assert requests < after_backfill == after_tick < len(blue.requests)  # a tick polls no slot that is complete


def test_an_hour_materialized_again_shows_the_same_metadata(
    dagster: Project, blue: NodeServer, green: NodeServer
) -> None:
    of_blue, of_green = bad_hour(TEN)
    blue.serve(of_blue)
    green.serve(of_green)
    dagster.watch(blue, green)

    first, again = (dagster.run("backfill_hours", TEN) for _ in range(2))

    for asset in HOURLY_CHAIN:
        assert metadata(again, asset) == metadata(first, asset)
    assert metadata(again, "raw_logs")["dagster/partition_row_count"] == 316
    assert metadata(again, "detected_issues")["open_issues"] == 4


def test_a_line_that_a_node_tells_late_is_fetched_when_the_hour_is_over(dagster: Project, blue: NodeServer) -> None:
    on_time = lines(60, TEN, every=MINUTE)
    late = lines(9, TEN + 7 * MINUTE, level="error", message="written by a process that buffers {n}")
    blue.serve(on_time)
    dagster.watch(blue)
    dagster.run("monitoring", TEN, tick="slot")
    blue.serve(on_time + late)

    dagster.it_is(at(DAY, "11:10"))
    of_ten, _ = requests_of(late_lines_hourly, at(DAY, "11:10"))
    result = dagster.run_requested("monitoring", of_ten)

    assert metadata(result, "raw_logs")["dagster/partition_row_count"] == 69
    assert metadata(result, "analyzed_logs")["lines"] == 69
    assert titles(dagster.database) == [
        "High error rate on blue: written by a process that buffers <num> (37.5%, 9 errors in 15 minutes)",
        "Repeated error on blue: written by a process that buffers <num> (9 in 15 minutes)",
    ]


def test_the_hour_that_runs_is_done_slot_by_slot(dagster: Project, blue: NodeServer) -> None:
    blue.serve(lines(60, TEN, every=MINUTE))
    dagster.watch(blue)

    dagster.it_is(at(DAY, "10:05") + 3 * SECOND)
    first = dagster.run("monitoring", TEN, tick="slot")
    dagster.it_is(at(DAY, "10:17"))
    second = dagster.run("monitoring", TEN, tick="slot")

    assert [metadata(run, "raw_logs")["dagster/partition_row_count"] for run in (first, second)] == [5, 15]
    assert [(one.since, one.until) for one in blue.requests] == [
        (TEN, at(DAY, "10:05")),
        (at(DAY, "10:05"), at(DAY, "10:15")),
    ]


# -- half a day, cut in different ways ---------------------------------------------------------------------------------


def test_half_a_day_is_the_same_as_one_range_and_as_hours_in_any_order(
    dagster: Project, blue: NodeServer, green: NodeServer
) -> None:
    of_blue, of_green = half_a_day()
    blue.serve(of_blue)
    green.serve(of_green)
    dagster.watch(blue, green)
    dagster.it_is(END + 2 * MINUTE)

    with dg.DagsterInstance.ephemeral() as dagster.instance:  # in memory: a run takes a third of the time
        dagster.run("backfill_hours", DAY, END - HOUR)
        as_a_range = contents(dagster.database)
        make_empty(dagster.database)
        # Twice: a young node's figures are compared with the four hours before, which may have come later. The catch-up
        # asks for such hours again.
        for hour in (*shuffled(hours(DAY, HOURS), seed=7), *shuffled(hours(DAY, HOURS), seed=8)):
            dagster.run("backfill_hours", hour)
        as_hours = contents(dagster.database)

    assert len(as_a_range["LogEntry"]) == len(of_blue) + len(of_green)
    # The payments that fail again are the issue of the night; three messages are new after six hours.
    assert len(as_a_range["LogIssue"]) == 12
    for table, rows in as_a_range.items():
        assert as_hours[table] == rows, table


def test_hours_materialized_again_under_new_masks_change_no_row(
    dagster: Project, blue: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an update with another MASK_VERSION does. Patterns merged at ten; at eight and nine they were still apart."""
    records = lines(240, at(DAY, "08:00"), every=MINUTE, message="GET /products/{n} 200")
    names = ("mail", "index", "backup", "report", "audit", "import")
    for name, clock in itertools.product(names, ("08:20", "09:20", "10:20")):
        records += lines(8, at(DAY, clock), every=SECOND, level="error", message=f"job {name} left the queue of today")
    blue.serve(records)
    dagster.watch(blue)
    dagster.it_is(at(DAY, "12:02"))
    aliases = 'SELECT id, "aliasOf", "aliasSince" FROM "LogPattern" ORDER BY id'

    with dg.DagsterInstance.ephemeral() as dagster.instance:
        with monkeypatch.context() as older:
            older.setattr(store, "MASK_VERSION", MASK_VERSION - 1)
            # Twice: what a young node is judged by includes the hours before, which come later here.
            for clock in ("10:00", "08:00", "09:00", "11:00", "08:00", "09:00", "10:00", "11:00"):
                dagster.run("backfill_hours", at(DAY, clock))
        before, aliases_before = contents(dagster.database), dagster.database.rows(aliases)
        dagster.run("backfill_hours", at(DAY, "08:00"), at(DAY, "11:00"))

    assert {row["aliasSince"] for row in aliases_before if row["aliasOf"]} == {at(DAY, "10:20")}
    assert [title for title in titles(dagster.database) if "job mail left" in title]
    assert dagster.database.rows(aliases) == aliases_before
    for table, rows in contents(dagster.database).items():
        assert rows == before[table], table


def test_hours_are_the_same_as_a_range_and_as_the_schedules_live_them(
    dagster: Project, blue: NodeServer, green: NodeServer
) -> None:
    """Every 5 minutes a tick, and what else is due in between; three hours of them, since a tick takes 0.5 s."""
    of_blue, of_green = half_a_day()
    blue.serve(of_blue)
    green.serve(of_green)
    dagster.watch(blue, green)
    first, last = at(DAY, "07:00"), at(DAY, "09:00")

    def live(moment: datetime) -> None:
        dagster.it_is(moment + 2 * SECOND)
        due = [monitoring_every_5_minutes] if moment.minute % 5 == 0 else []
        due += [late_lines_hourly] if moment.minute == 10 else []
        due += [predictions_hourly] if moment.minute == 12 else []
        for schedule in due:
            for request in requests_of(schedule, moment):
                if "2026-02-03-07:00" <= str(request.partition_key) <= "2026-02-03-09:00":
                    dagster.run_requested(schedule.job_name, request)

    with dg.DagsterInstance.ephemeral() as dagster.instance:
        for minutes in range(5, 3 * 60 + 13):
            live(first + minutes * MINUTE)
        lived = contents(dagster.database)
        make_empty(dagster.database)
        dagster.run("backfill_hours", first, last)
        as_a_range = contents(dagster.database)

    assert titles(dagster.database) == [
        "Connection failures on green: connect ECONNREFUSED <ip> (30 in 15 minutes)",
        "High error rate on blue: payment <num> failed: card declined (66.7%, 40 errors in 15 minutes)",
        "High error rate on green: out of order <num> (28.6%, 8 errors in 15 minutes)",
        "Memory warnings on blue: Memory usage at <num> of <size> (12 in 15 minutes)",
        "Repeated error on blue: payment <num> failed: card declined (40 in 15 minutes)",
        "Repeated error on green: out of order <num> (8 in 15 minutes)",
    ]
    for table, rows in as_a_range.items():
        assert lived[table] == rows, table
