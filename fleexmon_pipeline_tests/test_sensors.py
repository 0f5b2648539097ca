"""The requests of the sensors, and that these runs fill the gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import stamina
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from fleexmon_pipeline.catch_up import RUN_FAILED, waiting
from fleexmon_pipeline.partitions import key_of_hour
from fleexmon_pipeline.sensors import (
    MAX_HOURS_AT_ONCE,
    PARTITION_TAG,
    alert_when_due,
    catch_up,
    hours_of,
    remember_failures,
    watch_pipeline,
)
from fleexmon_pipeline.ticks import TICK
from fleexmon_pipeline.window import HOUR, floor
from fleexmon_pipeline_tests.channels.receivers import Receiver
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import (
    DAGSTERS_OWN,
    REPOSITORY,
    RESOURCES,
    Project,
    at,
    failures,
    job_def,
    project,
)
from fleexmon_pipeline_tests.node_server import NodeServer, lines
from fleexmon_pipeline_tests.reporting.rows import issue

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")
MINUTE = timedelta(minutes=1)
HERE = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")


@pytest.fixture
def blue() -> Iterator[NodeServer]:
    with NodeServer() as node:
        node.serve(lines(24 * 60, DAY, every=MINUTE))
        yield node


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened:
        opened.watch(blue)
        yield opened


@pytest.fixture
def without_waiting() -> Iterator[None]:
    """One attempt at a node that is down, in place of three with pauses."""
    with stamina.set_testing(True):
        yield


def partitions(requests: list[dg.RunRequest]) -> list[str | None]:
    return [request.partition_key for request in requests]


def test_while_all_is_well_nothing_is_asked_for(dagster: Project) -> None:
    dagster.it_is(at(DAY, "11:02"))
    assert dagster.ask(catch_up) == []  # nothing was ever collected: nothing was missed

    dagster.run("monitoring", TEN, tick="slot")

    assert dagster.ask(catch_up) == []


def test_what_was_missed_while_the_daemon_was_down_is_asked_for_oldest_first_and_made_good(dagster: Project) -> None:
    dagster.it_is(at(DAY, "08:02"))
    dagster.run("monitoring", at(DAY, "07:00"), tick="slot")

    dagster.it_is(at(DAY, "11:20"))
    requests = dagster.ask(catch_up)

    assert partitions(requests) == [f"2026-02-03-{hour:02}:00" for hour in (7, 8, 9, 10, 11)]
    assert {request.tags[TICK] for request in requests} == {"catch-up"}
    assert [request.tags["fleexmon/reason"] for request in requests[:2]] == [
        "12 slots were not asked for late lines", "12 slots of coverage are missing",
    ]  # fmt: skip
    for request in requests:
        dagster.run_requested("backfill_hours", request)
    (row,) = dagster.database.rows('SELECT count(*) AS lines FROM "LogEntry"')
    assert row["lines"] == 4 * 60 + 20
    assert dagster.ask(catch_up) == []


def test_a_long_absence_is_made_good_in_portions(dagster: Project) -> None:
    dagster.it_is(at(DAY, "00:07"))
    dagster.run("monitoring", DAY, tick="slot")

    dagster.it_is(at(DAY, "20:00"))

    assert partitions(dagster.ask(catch_up)) == [f"2026-02-03-{hour:02}:00" for hour in range(MAX_HOURS_AT_ONCE)]


def test_hours_of_a_backfill_under_way_are_not_asked_for_too(dagster: Project) -> None:
    """Dagster notes by the machine's time when a run began, so this is today."""
    now = floor(datetime.now(UTC), HOUR)
    hours = [now + n * HOUR for n in range(-12, 0)]
    dagster.it_is(hours[0] + 7 * MINUTE)
    dagster.run("monitoring", hours[0], tick="slot")
    for hour in hours[:8]:
        status = dg.DagsterRunStatus.STARTED if hour == hours[0] else dg.DagsterRunStatus.QUEUED
        dagster.instance.create_run_for_job(
            job_def("backfill_hours"), tags={PARTITION_TAG: key_of_hour(hour)}, status=status,
            remote_job_origin=RemoteJobOrigin(HERE, "backfill_hours"),
        )  # fmt: skip

    dagster.it_is(hours[11])
    meanwhile = partitions(dagster.ask(catch_up))
    dagster.it_is(now + 4 * HOUR)  # what is active for so long was a shell that was killed
    later = partitions(dagster.ask(catch_up))

    assert meanwhile == [key_of_hour(hour) for hour in hours[8:11]]
    assert later == [key_of_hour(hour) for hour in (hours[0], *hours[8:12], now)]


def test_nothing_is_asked_for_while_earlier_requests_wait_or_run(dagster: Project) -> None:
    dagster.it_is(at(DAY, "08:02"))
    dagster.run("monitoring", at(DAY, "07:00"), tick="slot")
    dagster.it_is(at(DAY, "11:20"))
    dagster.instance.create_run_for_job(
        job_def("backfill_hours"), tags={TICK: "catch-up"}, status=dg.DagsterRunStatus.STARTED
    )

    assert dagster.ask(catch_up) == []


def test_an_hour_whose_run_failed_is_asked_for_until_it_is_done(
    dagster: Project, blue: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster.it_is(at(DAY, "10:07"))
    dagster.run("monitoring", TEN, tick="slot")
    dagster.it_is(at(DAY, "11:02"))
    monkeypatch.setenv("BLUE_HOST", "http//10.0.0.5")
    failed = dagster.run("monitoring", TEN, tick="slot", fails=True)
    assert 'BLUE_HOST: "http//10.0.0.5" is not a node' in failures(failed)
    remember(dagster, failed)
    dagster.watch(blue)

    assert dagster.ask(catch_up) == []  # not at once
    dagster.it_is(at(DAY, "11:08"))
    (request,) = dagster.ask(catch_up)

    assert request.partition_key == "2026-02-03-10:00"
    dagster.run_requested("backfill_hours", request)
    with dagster.database.connect() as connection:
        assert waiting(connection, RUN_FAILED) == []
    assert dagster.ask(catch_up) == []


def test_a_failed_range_is_remembered_hour_by_hour_and_a_failed_day_not_here(
    dagster: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster.it_is(at(DAY, "11:02"))
    monkeypatch.setenv("LOG_RETENTION_DAYS", "0")
    remember(dagster, dagster.run("retain", "2026-02-03", fails=True))
    monkeypatch.setenv("LOG_RETENTION_DAYS", "30")
    monkeypatch.setenv("BLUE_HOST", "?")
    remember(dagster, dagster.run("backfill_hours", at(DAY, "03:00"), at(DAY, "05:00"), fails=True))

    with dagster.database.connect() as connection:
        assert [hour for hour, _ in waiting(connection, RUN_FAILED)] == [at(DAY, f"0{n}:00") for n in (3, 4, 5)]


def remember(dagster: Project, failed: dg.ExecuteInProcessResult) -> None:
    """What the daemon does when it sees a run fail."""
    run = dagster.instance.get_run_by_id(failed.run_id)
    assert run is not None
    context = dg.build_run_status_sensor_context(
        "remember_failures", failed.get_run_failure_event(), dagster.instance, run, resources=RESOURCES
    )
    with context.for_run_failure() as of_failure:
        remember_failures(of_failure)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"dagster/partition": "2026-02-03-10:00"}, [TEN]),
        (
            {
                "dagster/asset_partition_range_start": "2026-02-03-09:00",
                "dagster/asset_partition_range_end": "2026-02-03-10:00",
            },
            [TEN - HOUR, TEN],
        ),
        ({"dagster/partition": "2026-02-03"}, []),
        ({"dagster/partition": "2026-02-03-10:05"}, []),  # its run failed, and would fail each time
        ({}, []),
    ],
)
def test_the_hours_of_a_run_are_read_from_its_tags(tags: dict[str, str], expected: list[datetime]) -> None:
    assert hours_of(tags) == expected


def test_alerts_are_not_asked_for_where_nobody_is_to_be_told(dagster: Project) -> None:
    assert dagster.ask(alert_when_due) == []


def test_a_node_that_stays_down_is_asked_for_later_and_later_each_time_with_another_key(
    dagster: Project, blue: NodeServer, without_waiting: None
) -> None:
    dagster.it_is(at(DAY, "10:07"))
    dagster.run("monitoring", TEN, tick="slot")
    blue.stop()
    now = at(DAY, "11:20")
    tries: dict[str | None, datetime] = {}
    dagster.it_is(at(DAY, "11:05"))
    dagster.run("monitoring", TEN, tick="late")

    while len(tries) < 3:
        now += 5 * MINUTE
        dagster.it_is(now)
        for request in dagster.ask(catch_up):
            if request.partition_key == "2026-02-03-10:00":
                assert request.run_key not in tries
                tries[request.run_key] = now
                dagster.run_requested("backfill_hours", request)

    times = list(tries.values())
    assert times[1] - times[0] < times[2] - times[1]
    blue.start()
    dagster.it_is(now + 6 * HOUR)
    request = dagster.ask(catch_up)[0]
    dagster.run_requested("backfill_hours", request)
    (row,) = dagster.database.rows("""SELECT count(*) FILTER (WHERE status = 'complete') AS complete FROM "LogCoverage"
        WHERE slot >= '2026-02-03 10:00' AND slot < '2026-02-03 11:00'""")
    assert row["complete"] == 12


def test_asking_whether_an_alert_is_due_writes_nothing(dagster: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_REPO", "acme/shop-alerts")
    monkeypatch.setenv("GH_TOKEN", "token-of-tests")
    dagster.it_is(at(DAY, "11:02"))
    assert dagster.ask(alert_when_due) == []  # no issue yet
    with dagster.database.connect() as connection:
        issue(connection, "High error rate: 9.1%", at(DAY, "10:58"))

    (request,) = dagster.ask(alert_when_due)

    assert request.tags[TICK] == "alert"
    assert dagster.database.rows('SELECT key FROM "Outbox"') == []


def test_a_pipeline_whose_runs_fail_opens_an_issue_that_ends_when_they_succeed(
    dagster: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster.it_is(at(DAY, "11:02"))
    with monkeypatch.context() as patched:
        patched.setattr("fleexmon_pipeline.assets.detected_issues._detect", lambda *_, **__: 1 / 0)
        for _ in range(2):
            dagster.run("monitoring", TEN, tick="slot", fails=True)
    cursor = watch(dagster, range(0, 14, 2))
    opened = issues_of_the_pipeline(dagster)
    dagster.it_is(at(DAY, "11:02"))
    dagster.run("monitoring", TEN, tick="slot")
    watch(dagster, range(14, 32, 2), cursor)

    assert opened == [{"type": "pipeline-runs-fail", "status": "open", "nodes": ["fleexmon"]}]
    assert issues_of_the_pipeline(dagster) == [{**opened[0], "status": "resolved"}]
    (incident,) = dagster.database.rows('SELECT title, nodes FROM "Incident"')
    assert str(incident["title"]).startswith("Runs fail on fleexmon: monitoring (2x) (")


def test_a_deployment_that_fails_its_check_is_reported_by_its_own_rule_alone(dagster: Project) -> None:
    for check in ("deployments_are_sound", "rules_are_sound"):
        dagster.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(dg.AssetKey("detected_issues"), check, passed=False, metadata={})
        )
    watch(dagster, range(62, 80, 2))

    (issue,) = dagster.database.rows("""SELECT title FROM "LogIssue" WHERE type = 'pipeline-check-fails'""")
    assert "rules_are_sound" in str(issue["title"])
    assert "deployments_are_sound" not in str(issue["title"])


def watch(dagster: Project, minutes: range, cursor: str | None = None) -> str | None:
    """The sensor as the daemon asks it, with its last cursor. Dagster records runs by the system's clock."""
    start = datetime.now(UTC)
    for minute in minutes:
        dagster.it_is(start + minute * MINUTE)
        context = dg.build_sensor_context(
            instance=dagster.instance, repository_def=REPOSITORY, resources=RESOURCES, cursor=cursor
        )
        with context as opened:
            cursor = watch_pipeline.evaluate_tick(opened).cursor
    return cursor


def issues_of_the_pipeline(dagster: Project) -> list[dict[str, object]]:
    return dagster.database.rows(
        """SELECT type, status, metadata -> 'nodes' AS nodes FROM "LogIssue" WHERE type LIKE 'pipeline-runs%%'"""
    )


@pytest.mark.parametrize("cursor", [None, "", "{}", "[1]", '{"at": 5}', "no json"])
def test_a_cursor_that_cannot_be_read_begins_anew(dagster: Project, cursor: str | None) -> None:
    assert watch(dagster, range(1), cursor) is not None


def test_a_failed_tick_is_called_and_another_run_is_not(dagster: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    dagster.it_is(at(DAY, "11:02"))
    monkeypatch.setattr("fleexmon_pipeline.assets.detected_issues._detect", lambda *_, **__: 1 / 0)
    with Receiver() as receiver:
        monkeypatch.setenv("FLEEXMON_HEARTBEAT_URL", f"http://{receiver.host_port}/uuid")
        for tick in ("slot", "late"):
            remember(dagster, dagster.run("monitoring", TEN, tick=tick, fails=True))

    assert [request.path.partition("?")[0] for request in receiver.got] == ["/uuid/start", "/uuid/fail"]
