"""The asset of issues: a version in the lines starts a comparison, in any order of hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from fleexmon_pipeline.partitions import key_of_hour
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.comparison.test_deployments import tell
from fleexmon_pipeline_tests.comparison.two_nodes import NOON, Rates, lines, store
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, check, job_def, project, shuffled

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

HOURS = [NOON + hour * HOUR for hour in range(5)]
DIVERGED = """SELECT title, status, "detectedAt", "resolvedAt" FROM "LogIssue" WHERE type = 'deployment-diverges'"""
SAID = """SELECT fingerprint, slot, title, metadata FROM "IssueOccurrence" ORDER BY fingerprint, slot"""


def new_error(node: str, slot: int, rates: Rates) -> Rates:
    return rates | ({("schema", "error"): 0.7} if node == "green" and slot >= 3 else {})


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Green starts with version 1.4.2 at ten past noon, and has a new error soon after."""
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened:
        with database.connect() as connection:
            store(connection, lines(1, new_error, days=2, hours=5))
            tell(connection, 2, "start", "Starting shop, version 1.4.2")
        yield opened


def judge(dagster: Project, hour: datetime) -> dg.ExecuteInProcessResult:
    return job_def("monitoring").execute_in_process(
        partition_key=key_of_hour(hour), asset_selection=[dg.AssetKey("detected_issues")], instance=dagster.instance
    )


def test_a_version_in_the_lines_is_watched_and_hours_in_any_order_tell_the_same(
    dagster: Project, database: Database
) -> None:
    dagster.it_is(NOON + 3 * HOUR)
    *_, last = [judge(dagster, hour) for hour in HOURS[:3]]
    (found,) = database.rows(DIVERGED)
    passed, details = check(last, "deployments_are_sound")

    assert (passed, found["detectedAt"]) == (False, NOON + HOUR * 2 / 3)
    assert str(found["title"]).removeprefix("Deployment of 1.4.2 on green differs from blue: ") in details

    dagster.it_is(NOON + 6 * HOUR)
    for hour in HOURS:
        judge(dagster, hour)
    (over,) = database.rows(DIVERGED)
    said = database.rows(SAID)
    assert (over["status"], over["resolvedAt"]) == ("resolved", NOON + HOUR * 2 / 3 + 2.5 * HOUR)

    with database.connect() as connection:
        connection.execute('TRUNCATE "Deployment", "DetectedHour", "IssueOccurrence", "IssueEpisode", "LogIssue"')
        connection.execute('TRUNCATE "StaleWindow"')
    for hour in shuffled(HOURS, 3):
        judge(dagster, hour)
    waiting = {row["hour"] for row in database.rows('SELECT hour FROM "StaleWindow"')}
    for hour in HOURS:
        if hour in waiting:
            judge(dagster, hour)

    assert waiting
    assert waiting < set(HOURS)
    assert database.rows(SAID) == said
    assert database.rows(DIVERGED) == [over]
