"""A run is for exactly the partition of its key, or it fails: Dagster itself rounds keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, failures, job_def, project
from fleexmon_pipeline_tests.node_server import NodeServer

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

TEN = datetime(2026, 2, 3, 10, tzinfo=UTC)
START_TAG, END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened:
        opened.it_is(TEN + HOUR)
        opened.watch(blue)
        yield opened


@pytest.mark.parametrize(
    ("job", "tags", "reason"),
    [
        (
            "monitoring",
            {"dagster/partition": "2026-02-03-10:05"},
            "2026-02-03-10:05 is not a partition: keys are whole hours in UTC. Use 2026-02-03-10:00.",
        ),
        (
            "monitoring",
            {START_TAG: "2026-02-03-09:00", END_TAG: "2026-02-03-10:30"},
            "2026-02-03-10:30 is not a partition: keys are whole hours in UTC. Use 2026-02-03-10:00.",
        ),
        (
            "retain",
            {"dagster/partition": "2026-2-3"},
            "2026-2-3 is not a partition: keys are whole days in UTC. Use 2026-02-03.",
        ),
        (
            "monitoring",
            {START_TAG: "2026-02-03-10:00", END_TAG: "2026-02-03-09:00"},
            "2026-02-03-10:00...2026-02-03-09:00 is not a range: it ends before it starts. Swap the two keys.",
        ),
    ],
)
def test_a_key_that_is_no_partition_fails_the_run_and_names_the_right_one(
    dagster: Project, blue: NodeServer, job: str, tags: dict[str, str], reason: str
) -> None:
    result = job_def(job).execute_in_process(tags=tags, instance=dagster.instance, raise_on_error=False)

    assert not result.success
    assert reason in failures(result)
    assert blue.requests == []
