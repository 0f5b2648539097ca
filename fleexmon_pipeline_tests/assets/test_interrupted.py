"""Runs in separate processes, as a shell starts them: two at once, and one that is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, contents, make_empty, project
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings(DAGSTERS_OWN)]

DAY = datetime(2026, 2, 3, tzinfo=UTC)
HOURS = 12
LAST = DAY + (HOURS - 1) * HOUR
MINUTE = timedelta(minutes=1)


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch) as opened, NodeServer() as blue, NodeServer() as green:
        for node in (blue, green):
            records = lines(HOURS * 60, DAY, every=MINUTE, message="GET /products/{n} 200")
            records += lines(300, DAY + 3 * HOUR, every=MINUTE, level="error", message="payment {n} failed: declined")
            records += lines(2, DAY + 9 * HOUR, every=timedelta(0), message="two lines that are the same")
            node.serve(records)
        opened.watch(blue, green)
        yield opened


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]


def test_two_runs_of_a_range_at_once_give_what_one_gives(dagster: Project) -> None:
    both = [dagster.materialize(DAY, LAST) for _ in range(2)]
    for process in both:
        finish(process)
    by_two = contents(dagster.database)
    make_empty(dagster.database)

    dagster.run("backfill_hours", DAY, LAST)

    assert len(by_two["LogEntry"]) == 2 * (HOURS * 60 + 300 + 2)
    assert len(by_two["LogIssue"]) > 2
    assert by_two == contents(dagster.database)


@pytest.mark.parametrize(
    ("under_way", "enough"), [('"LogCoverage"', 100), ('"LogPatternCount"', 200)], ids=["raw_logs", "analyzed_logs"]
)
def test_a_run_that_is_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    dagster: Project, under_way: str, enough: int
) -> None:
    process = dagster.materialize(DAY, LAST)
    done = 0
    while done < enough:
        assert process.poll() is None, "it was done before it could be killed"
        (row,) = dagster.database.rows(f"SELECT count(*) AS done FROM {under_way}")
        done = int(str(row["done"]))
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (held,) = dagster.database.rows('SELECT count(*) FILTER (WHERE analyzed) AS judged FROM "LogEntry"')
    assert int(str(held["judged"])) < 2 * (HOURS * 60 + 300 + 2)

    dagster.run("backfill_hours", DAY, LAST)
    after_the_kill = contents(dagster.database)
    make_empty(dagster.database)
    dagster.run("backfill_hours", DAY, LAST)

    assert len(after_the_kill["LogEntry"]) == 2 * (HOURS * 60 + 300 + 2)
    assert after_the_kill == contents(dagster.database)
