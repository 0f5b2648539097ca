"""archived_logs in Dagster: off, on, refusals, the schedule's requests, and retention of the archive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fleexmon_pipeline.partitions import key_of_day
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.schedules import archive_daily
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import (
    DAGSTERS_OWN,
    REPOSITORY,
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
KEY = key_of_day(DAY)
COVERAGE = 'SELECT node, slot, status, received, stored, rejected FROM "LogCoverage" ORDER BY node, slot'


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Hour 10 of a day is collected; nine days have passed since."""
    with project(database, tmp_path, monkeypatch) as opened, NodeServer() as node:
        node.serve(lines(120, TEN, every=timedelta(seconds=20)))
        opened.watch(node)
        opened.it_is(at(DAY, "12:02"))
        opened.run("backfill_hours", TEN)
        opened.it_is(at(DAY, "03:00") + timedelta(days=9))
        yield opened


def _requests(dagster: Project, database: Database) -> list[str]:
    """What the schedule asks for."""
    dagster.monkeypatch.setenv("DATABASE_URL", database.url)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(
            instance=instance,
            repository_def=REPOSITORY,
            scheduled_execution_time=at(DAY, "03:00") + timedelta(days=9),
            resources={"postgres": Postgres()},
        ) as context,
    ):
        asked = archive_daily.evaluate_tick(context)
    return [str(one.partition_key) for one in asked.run_requests or ()] or [str(asked.skip_message)]


def test_without_the_variable_nothing_is_archived(dagster: Project) -> None:
    before = contents(dagster.database)

    told = failures(dagster.run("archive", KEY, fails=True))

    assert "nothing was archived. FLEEXMON_ARCHIVE is not set: every line stays in the database." in told
    assert contents(dagster.database) == before
    assert _requests(dagster, dagster.database) == ["FLEEXMON_ARCHIVE is not set"]


def test_a_cold_day_is_archived_counted_again_and_deleted_at_its_end(dagster: Project, tmp_path: Path) -> None:
    dagster.monkeypatch.setenv("FLEEXMON_ARCHIVE", str(tmp_path / "archive"))
    counts = dagster.database.fingerprint('"LogPatternCount"', '"LogIssue"'), dagster.database.rows(COVERAGE)
    assert _requests(dagster, dagster.database) == [KEY]

    told = metadata(dagster.run("archive", KEY), "archived_logs")

    assert (told["lines"], told["removed"]) == (120, 120)
    assert 0 < float(str(told["bytes_per_line"])) < 200
    assert dagster.database.rows('SELECT count(*) AS n FROM "LogEntry"') == [{"n": 0}]
    assert _requests(dagster, dagster.database) == ["no cold day has lines to archive"]
    for job in ("backfill_hours", "monitoring"):  # collected again: stored twice, shown and counted once
        dagster.run(job, TEN)
        again = dagster.database.fingerprint('"LogPatternCount"', '"LogIssue"'), dagster.database.rows(COVERAGE)
        assert again == counts
    assert _requests(dagster, dagster.database) == [KEY]
    merged = metadata(dagster.run("archive", KEY), "archived_logs")
    assert (merged["lines"], merged["removed"]) == (120, 120)

    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", "8")
    kept = metadata(dagster.run("retain", key_of_day(DAY + timedelta(days=9))), "data_retention")
    assert kept["archived lines"] == 120
    assert dagster.database.rows('SELECT count(*) AS n FROM "ArchivedDay"') == [{"n": 0}]
    assert list((tmp_path / "archive").glob("**/*.parquet")) == []


def test_late_lines_of_an_archived_day_are_counted(dagster: Project, tmp_path: Path) -> None:
    dagster.monkeypatch.setenv("FLEEXMON_ARCHIVE", str(tmp_path / "archive"))
    dagster.run("archive", KEY)
    with NodeServer() as node:
        node.serve(lines(150, TEN, every=timedelta(seconds=20)))
        dagster.watch(node)
        dagster.run("monitoring", TEN)

    assert dagster.database.rows('SELECT sum(count)::int AS n FROM "LogPatternCount"') == [{"n": 150}]
    assert metadata(dagster.run("archive", KEY), "archived_logs")["lines"] == 150


def test_a_day_that_is_not_cold_and_a_store_that_is_away_are_refused(dagster: Project, tmp_path: Path) -> None:
    dagster.monkeypatch.setenv("FLEEXMON_ARCHIVE", str(tmp_path / "archive"))
    yesterday = key_of_day(DAY + timedelta(days=8))
    told = failures(dagster.run("archive", yesterday, fails=True))
    assert f"nothing was archived. {yesterday} is not cold: FLEEXMON_HOT_DAYS is 7." in told

    dagster.monkeypatch.setenv("FLEEXMON_HOT_DAYS", "soon")
    assert 'FLEEXMON_HOT_DAYS: "soon" is not a whole number.' in failures(dagster.run("archive", KEY, fails=True))
    dagster.monkeypatch.delenv("FLEEXMON_HOT_DAYS")

    (tmp_path / "archive").write_text("a file")
    told = failures(dagster.run("archive", KEY, fails=True))
    assert "not everything was archived. " in told
    assert dagster.database.rows('SELECT count(*) AS n FROM "LogEntry"') == [{"n": 120}]


def test_retention_says_what_it_could_not_delete(dagster: Project, tmp_path: Path) -> None:
    dagster.monkeypatch.setenv("FLEEXMON_ARCHIVE", str(tmp_path / "archive"))
    dagster.run("archive", KEY)
    dagster.monkeypatch.delenv("FLEEXMON_ARCHIVE")
    dagster.monkeypatch.setenv("LOG_RETENTION_DAYS", "8")

    told = failures(dagster.run("retain", key_of_day(DAY + timedelta(days=9)), fails=True))

    assert (
        f"everything else was deleted. {KEY} is past its retention and still archived: FLEEXMON_ARCHIVE is not set."
        in told
    )
    assert dagster.database.rows('SELECT count(*) AS n FROM "ArchivedDay"') == [{"n": 1}]
