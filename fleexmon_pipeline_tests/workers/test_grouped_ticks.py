"""A tick of several runs, one for each group of nodes, and then one for the rest of the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fleexmon_pipeline.schedules import late_lines_hourly, monitoring_every_5_minutes
from fleexmon_pipeline.ticks import GROUP, Group, group_of, groups_of
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline.workers.grouped_ticks import analyze_collected
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import (
    DAGSTERS_OWN,
    RESOURCES,
    Project,
    contents,
    job_def,
    make_empty,
    project,
    requests_of,
)
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

TEN = datetime(2026, 2, 3, 10, tzinfo=UTC)
TICK_AT = TEN + timedelta(minutes=20)
MINUTE = timedelta(minutes=1)
NODES = 6


@pytest.fixture
def watched(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with ExitStack() as stack:
        opened = stack.enter_context(project(database, tmp_path, monkeypatch))
        nodes = [stack.enter_context(NodeServer()) for _ in range(NODES)]
        for number, node in enumerate(nodes):
            records = lines(20 * 60, TEN, message=f"GET /part-{number}/{{n}} 200")
            node.serve(records + lines(90, TEN + 5 * MINUTE, level="error", message="payment {n} failed: declined"))
        sources = ",".join(f"node-{number}={node.host_port}" for number, node in enumerate(nodes))
        monkeypatch.setenv("LOG_SOURCES", sources)
        opened.it_is(TICK_AT)
        yield opened


def execute(opened: Project, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    return job_def("monitoring").execute_in_process(
        partition_key=request.partition_key, tags=dict(request.tags), instance=opened.instance,
        asset_selection=list(request.asset_selection) if request.asset_selection else None,
    )  # fmt: skip


class Sensor:
    def __init__(self, opened: Project) -> None:
        self.opened, self.cursor = opened, None

    def ask(self) -> list[dg.RunRequest]:
        with dg.build_sensor_context(instance=self.opened.instance, cursor=self.cursor, resources=RESOURCES) as context:
            result = analyze_collected(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor  # type: ignore[assignment]
        return list(result.run_requests or ())


def test_several_runs_give_what_one_gives(watched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEEXMON_GROUPS", "3")
    requests, sensor = requests_of(monitoring_every_5_minutes, TICK_AT), Sensor(watched)
    asked = []
    for request in requests:
        asked.append(len(sensor.ask()))
        execute(watched, request)
    (analysis,) = sensor.ask()
    execute(watched, analysis)
    again = sensor.ask()
    by_groups = contents(watched.database)
    make_empty(watched.database)
    monkeypatch.delenv("FLEEXMON_GROUPS")

    (alone,) = requests_of(monitoring_every_5_minutes, TICK_AT)
    execute(watched, alone)

    assert [request.tags[GROUP] for request in requests] == ["1 of 3", "2 of 3", "3 of 3"]
    assert (asked, again) == ([0, 0, 0], [])
    assert len(by_groups["LogEntry"]) == NODES * (20 * 60 + 90)
    assert by_groups["LogIssue"]
    assert by_groups == contents(watched.database)


def test_a_group_that_hangs_does_not_hold_up_the_others(watched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEEXMON_GROUPS", "2")
    hangs, answers = requests_of(monitoring_every_5_minutes, TICK_AT)
    hanging = watched.instance.create_run_for_job(
        job_def("monitoring"), tags={**hangs.tags, "dagster/partition": str(hangs.partition_key)},
        status=dg.DagsterRunStatus.STARTED,
    )  # fmt: skip
    execute(watched, answers)
    sensor = Sensor(watched)

    at_once = sensor.ask()
    watched.it_is(datetime.now(UTC) + timedelta(minutes=4))
    early = sensor.ask()
    watched.instance.report_run_failed(hanging)
    complete = sensor.ask()

    assert (len(at_once), len(early), len(complete)) == (0, 1, 1)
    assert early[0].run_key != complete[0].run_key
    assert early[0].asset_selection == [dg.AssetKey("analyzed_logs"), dg.AssetKey("detected_issues")]


def test_a_group_that_is_executed_again_is_still_one_group(watched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEEXMON_GROUPS", "2")
    first, second = requests_of(monitoring_every_5_minutes, TICK_AT)

    def run(request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
        tags = {**request.tags, "dagster/partition": str(request.partition_key)}
        watched.instance.create_run_for_job(job_def("monitoring"), tags=tags, status=status)

    sensor = Sensor(watched)
    run(first, dg.DagsterRunStatus.SUCCESS)
    run(first, dg.DagsterRunStatus.SUCCESS)
    after_two_of_one = sensor.ask()
    run(second, dg.DagsterRunStatus.FAILURE)
    run(second, dg.DagsterRunStatus.SUCCESS)

    assert (after_two_of_one, len(sensor.ask())) == ([], 1)


def test_a_group_without_nodes_is_collected_at_once(watched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEEXMON_GROUPS", "64")
    requests = requests_of(monitoring_every_5_minutes, TICK_AT)
    names = [f"node-{number}" for number in range(NODES)]
    of_none = [r for r in requests if not any(Group(int(r.tags[GROUP].split()[0]), 64).has(name) for name in names)]

    assert len(of_none) >= 64 - NODES
    assert execute(watched, of_none[0]).success
    assert watched.database.rows('SELECT node FROM "LogCoverage"') == []


def test_by_default_a_tick_is_one_run_as_it_was() -> None:
    requests = [*requests_of(monitoring_every_5_minutes, TICK_AT), *requests_of(late_lines_hourly, TEN + 10 * MINUTE)]

    assert [request.run_key for request in requests] == [
        "tick-2026-02-03T10:15", "late-10-2026-02-03-09:00", "late-70-2026-02-03-08:00",
    ]  # fmt: skip
    assert all(request.asset_selection is None and GROUP not in request.tags for request in requests)


def test_late_lines_are_asked_for_by_group_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEEXMON_GROUPS", "4")

    requests = requests_of(late_lines_hourly, TEN + HOUR + 10 * MINUTE)

    assert len({request.run_key for request in requests}) == len(requests) == 8


def test_each_node_is_in_one_group_and_groups_are_of_similar_size() -> None:
    groups = [group for group, _ in groups_of("tick", 8)]
    names = [f"web-{number}" for number in range(1_000)]

    sizes = Counter(group.number for name in names for group in groups if group.has(name))

    assert sum(sizes.values()) == 1_000
    assert 90 < min(sizes.values()) <= max(sizes.values()) < 160
    assert group_of({GROUP: "3 of 8"}) == Group(3, 8)
    assert group_of({}) is None
