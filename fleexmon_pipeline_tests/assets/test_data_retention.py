"""data_retention in Dagster: refusals, and pruning of run history that keeps the partitions of the UI."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from fleexmon_pipeline.partitions import HOURLY, key_of_day
from fleexmon_pipeline.window import HOUR, floor
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import (
    DAGSTERS_OWN,
    HOURLY_CHAIN,
    Project,
    at,
    contents,
    failures,
    metadata,
    project,
)
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Hours 10 (twice) and 11 are materialised."""
    with project(database, tmp_path, monkeypatch) as opened, NodeServer() as node:
        node.serve(lines(120, TEN, every=timedelta(minutes=1)))
        opened.watch(node)
        opened.it_is(at(DAY, "12:02"))
        opened.run("backfill_hours", TEN)
        opened.run("backfill_hours", TEN, TEN + HOUR)
        yield opened


@pytest.mark.parametrize("value", ["0", "1e3"])
def test_nonsense_deletes_nothing_and_is_named(dagster: Project, value: str) -> None:
    before = contents(dagster.database)
    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", value)
    dagster.it_is(DAY + timedelta(days=300))

    told = failures(dagster.run("retain", "2026-11-20", fails=True))

    assert "nothing was deleted. LOG_RETENTION_DAYS: " in told
    assert value in told
    assert "LOG_RETENTION_DAYS=30" in told
    assert contents(dagster.database) == before


def test_old_lines_go_and_a_second_run_finds_nothing_left(dagster: Project) -> None:
    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", "7")
    dagster.it_is(at(DAY, "02:00") + timedelta(days=9))

    first = dagster.run("retain", key_of_day(DAY + timedelta(days=9)))
    second = dagster.run("retain", key_of_day(DAY + timedelta(days=9)))

    assert (metadata(first, "data_retention")["LogEntry"], metadata(second, "data_retention").get("LogEntry", 0)) == (
        120,
        0,
    )
    assert contents(dagster.database)["LogEntry"] == []


def test_the_retention_of_a_past_day_keeps_what_that_day_kept(dagster: Project) -> None:
    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", "7")
    dagster.it_is(DAY + timedelta(days=200))

    dagster.run("retain", key_of_day(DAY + timedelta(days=5)))

    assert len(contents(dagster.database)["LogEntry"]) == 120


def test_pruning_run_history_keeps_every_partitions_newest_materialisation(dagster: Project) -> None:
    """The UI counts partitions by these rows: with `delete_run` the whole lineage would look never materialised."""
    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", "3650")
    now = datetime.now(UTC)
    dagster.it_is(now)
    make_older(dagster, timedelta(days=40))
    before, events = as_the_ui_sees_it(dagster.instance), count_events(dagster)
    assert before["raw_logs"]["materialized"] == {"2026-02-03-10:00", "2026-02-03-11:00"}
    shown = before["raw_logs"]["latest"]

    first = dagster.run("retain", key_of_day(now))
    second = dagster.run("retain", key_of_day(now))

    assert as_the_ui_sees_it(dagster.instance) == before
    pruned = metadata(first, "data_retention")["run_events"]
    assert isinstance(pruned, int)
    assert pruned > events / 2
    assert metadata(second, "data_retention")["run_events"] == 0
    assert metadata(first, "data_retention")["runs"] == 1  # the first of hour 10, which the second run did again
    assert dagster.instance.get_runs_count() == 3
    assert {run.run_id for run in dagster.instance.get_runs()} == {shown, first.run_id, second.run_id}

    dagster.run("predict", TEN)  # newer than all else of predictions, of an hour that is no longer listed
    make_older(dagster, timedelta(days=40))
    newest = newest_of_each(dagster.instance)
    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", "30")
    dagster.run("retain", key_of_day(now))

    assert newest_of_each(dagster.instance) == newest
    dagster.run("backfill_hours", floor(now, HOUR) - 2 * HOUR)
    make_older(dagster, timedelta(days=40))
    dagster.run("retain", key_of_day(now))

    kept = {run.run_id for run in dagster.instance.get_runs()}
    assert shown not in kept  # its hours are older than lines are kept, and a newer run shows the assets


def newest_of_each(instance: dg.DagsterInstance) -> list[dg.EventLogEntry | None]:
    return [instance.get_latest_materialization_event(dg.AssetKey(name)) for name in HOURLY_CHAIN]


def as_the_ui_sees_it(instance: dg.DagsterInstance) -> dict[str, dict[str, object]]:
    seen: dict[str, dict[str, object]] = {}
    for name in HOURLY_CHAIN:
        key = dg.AssetKey(name)
        latest = instance.get_latest_materialization_event(key)
        statuses = instance.get_status_by_partition(key, ["2026-02-03-10:00", "2026-02-03-11:00"], HOURLY)
        newest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        seen[name] = {
            "materialized": instance.get_materialized_partitions(key),
            "status": statuses,
            "newest": dict(newest),
            "latest": latest and latest.run_id,
        }
    return seen


def make_older(dagster: Project, by: timedelta) -> None:
    with history(dagster) as connection:
        connection.execute("UPDATE event_logs SET timestamp = timestamp - %s", [by])
        connection.execute("UPDATE runs SET end_time = end_time - %s", [by.total_seconds()])


def count_events(dagster: Project) -> int:
    with history(dagster) as connection:
        row = connection.execute("SELECT count(*) FROM event_logs").fetchone()
        return int(str(row[0])) if row else 0


def history(dagster: Project) -> psycopg.Connection[tuple[object, ...]]:
    """Dagster's own database, beside the test's."""
    return psycopg.connect(dagster.database.url.replace("?", "_dagster?", 1))


def test_an_hour_whose_lines_retention_took_keeps_its_counts_and_issues(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = datetime(2026, 2, 3, 10, tzinfo=UTC)
    with project(database, tmp_path, monkeypatch) as dagster, NodeServer() as blue:
        dagster.it_is(hour + timedelta(hours=1, minutes=5))
        dagster.watch(blue)
        blue.serve(lines(12, hour, level="error", message="connect ECONNREFUSED 10.0.0.5:5432"))
        dagster.run("backfill_hours", hour)
        with database.connect() as connection:
            connection.execute('DELETE FROM "LogEntry"')  # as retention does, 30 days later
        before = contents(database)
        dagster.it_is(hour + timedelta(days=40))
        blue.serve([])
        dagster.run("backfill_hours", hour)

        assert contents(database) == before
