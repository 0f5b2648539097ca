"""Runs that no worker has are failed and requested again, with a real broker and without one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG as TASK

from fleexmon_pipeline import definitions
from fleexmon_pipeline.commands.doctor.outside import broker
from fleexmon_pipeline.partitions import key_of_hour
from fleexmon_pipeline.ticks import TICK
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline.workers.lost_runs import fail_lost_runs
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, FixedClock, job_def
from fleexmon_pipeline_tests.running_product import FLEEXMON, free_port
from fleexmon_pipeline_tests.workers.machines import Machines, launcher

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)
needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server here")

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
FAILED, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


@pytest.fixture
def machines(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    found = Machines(tmp_path, DATABASE_URL=database.url)
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("FLEEXMON_BROKER", found.broker)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def instance(machines: Machines) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(machines.home("one"))) as opened:
        yield opened


def started(instance: dg.DagsterInstance, task: str | None = None) -> str:
    tags = {"dagster/partition": key_of_hour(NOW), **({TASK: task} if task else {})}
    return instance.create_run_for_job(job_def("backfill_hours"), tags=tags, status=STARTED).run_id


class Sensor:
    """As the daemon evaluates it, with its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.clock = instance, None, FixedClock()

    def evaluate(self, now: datetime) -> dg.SensorResult:
        self.clock.time = now
        resources = {"clock": self.clock}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            result = fail_lost_runs(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor  # type: ignore[assignment]
        return result


@needs_redis
def test_a_run_that_was_never_handed_over_is_failed_after_half_a_minute_and_requested_once(
    machines: Machines, instance: dg.DagsterInstance
) -> None:
    machines.start_redis()
    run, sensor = started(instance), Sensor(instance)

    at_first = sensor.evaluate(NOW)
    soon = sensor.evaluate(NOW + timedelta(seconds=15))
    still_there = instance.get_run_by_id(run)
    late = sensor.evaluate(NOW + timedelta(seconds=31))
    afterwards = sensor.evaluate(NOW + timedelta(seconds=46))

    assert [len(result.run_requests or ()) for result in (at_first, soon, late, afterwards)] == [0, 0, 1, 0]
    assert still_there is not None
    assert still_there.status == STARTED
    (request,) = late.run_requests or ()
    assert (request.partition_key, request.tags[TICK]) == (key_of_hour(NOW), "catch-up")
    assert int(request.tags["dagster/priority"]) > 0, "it would wait behind all hours of a long backfill"
    assert instance.get_run_by_id(run).status == FAILED  # type: ignore[union-attr]


@needs_redis
def test_a_run_that_the_broker_forgot_or_a_dead_worker_took_is_failed_and_one_that_waits_is_not(
    machines: Machines, instance: dg.DagsterInstance
) -> None:
    machines.start_redis()
    forgotten = started(instance, "a task of an earlier life")
    starting = {"dagster/partition": key_of_hour(NOW - HOUR)}
    waits, taken = (
        instance.create_run_for_job(job_def("backfill_hours"), tags=starting, status=dg.DagsterRunStatus.STARTING)
        for _ in range(2)
    )
    app = launcher(instance).celery
    instance.add_run_tags(waits.run_id, {TASK: app.send_task("execute_job", queue="dagster").task_id})
    instance.add_run_tags(taken.run_id, {TASK: app.send_task("execute_job", queue="another").task_id})
    sensor = Sensor(instance)

    for seconds in (0, 31):
        sensor.evaluate(NOW + timedelta(seconds=seconds))

    statuses = [instance.get_run_by_id(run).status for run in (forgotten, taken.run_id, waits.run_id)]  # type: ignore[union-attr]
    assert statuses == [FAILED, FAILED, dg.DagsterRunStatus.STARTING]


def test_while_the_broker_is_down_no_run_is_failed(machines: Machines, instance: dg.DagsterInstance) -> None:
    run, sensor = started(instance, "a task"), Sensor(instance)

    told = [str(sensor.evaluate(NOW + timedelta(minutes=n)).skip_reason) for n in (0, 1)]
    (finding,) = broker({"FLEEXMON_BROKER": machines.broker}, NOW)

    assert all("the broker does not answer" in text for text in told)
    assert instance.get_run_by_id(run).status == STARTED  # type: ignore[union-attr]
    assert finding.state == "wrong"
    assert "Redis does not respond" in finding.told


@needs_redis
def test_doctor_names_the_workers_that_answer(machines: Machines, instance: dg.DagsterInstance) -> None:
    machines.start_redis()
    environment = {"FLEEXMON_BROKER": machines.broker}
    (nobody,) = broker(environment, NOW)
    machines.start_worker("one")
    machines.until(lambda: bool(launcher(instance).workers()), 60, "the worker answers")
    (found,) = broker(environment, NOW)

    assert (nobody.state, found.state) == ("wrong", "ok")
    assert found.told.startswith("1 worker: one-")
    assert machines.stop("one") == 0


def test_one_machine_has_neither_the_sensor_nor_a_word_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        return {sensor.name for sensor in definitions.build_defs().sensors or ()}

    alone = names()
    monkeypatch.setenv("FLEEXMON_BROKER", "redis://127.0.0.1:1/0")

    assert names() - alone == {"fail_lost_runs"}
    assert list(broker({}, NOW)) == []


@pytest.mark.parametrize("variable", ["DATABASE_URL", "FLEEXMON_BROKER", "DAGSTER_HOME"])
def test_a_worker_says_what_it_lacks(variable: str, database: Database, tmp_path: Path) -> None:
    machines = Machines(tmp_path, DATABASE_URL=database.url)
    environment = {**machines.variables, "DAGSTER_HOME": str(machines.home("one"))}
    del environment[variable]

    done = subprocess.run(
        [FLEEXMON, "worker"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"fleexmon: {variable}: is not ")


def test_a_worker_does_not_wait_for_runs_that_never_come(database: Database, tmp_path: Path) -> None:
    machines = Machines(tmp_path, DATABASE_URL=database.url, FLEEXMON_BROKER=f"redis://127.0.0.1:{free_port()}/0")
    home = machines.home("one")
    yaml = (home / "dagster.yaml").read_text()
    begin = yaml.index("run_launcher:")
    (home / "dagster.yaml").write_text(yaml[:begin] + yaml[yaml.index("run_queue:") :])

    done = subprocess.run(
        [FLEEXMON, "worker"], env={**machines.variables, "DAGSTER_HOME": str(home)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "names another launcher" in done.stderr
