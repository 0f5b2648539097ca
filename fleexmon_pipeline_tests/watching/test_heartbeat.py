"""The heartbeat: its URL, its times, and that a tick never suffers from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from fleexmon_pipeline.settings import SettingError, heartbeat_url
from fleexmon_pipeline.watching import heartbeat
from fleexmon_pipeline.watching.heartbeat import beat
from fleexmon_pipeline_tests.channels.receivers import Receiver
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, at, project
from fleexmon_pipeline_tests.node_server import NodeServer

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
UUID = "8a2f6e0e-0815-4711-9d5c-0f2f6e0e0815"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened:
        opened.watch(blue)
        opened.it_is(at(DAY, "11:02"))
        yield opened


def url(receiver: Receiver) -> str:
    return f"http://{receiver.host_port}/{UUID}"


def called(receiver: Receiver) -> list[str]:
    return [request.path.partition("?")[0].removeprefix(f"/{UUID}") for request in receiver.got]


def test_a_tick_says_that_it_starts_and_that_it_is_done(
    dagster: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_HEARTBEAT_URL", url(receiver) + "/")

    done = dagster.run("monitoring", at(DAY, "10:00"), tick="slot")

    assert called(receiver) == ["/start", ""]
    assert {request.path.partition("?rid=")[2] for request in receiver.got} == {done.run_id}


@pytest.mark.parametrize("tick", [None, "late", "catch-up"])
def test_no_other_run_calls(
    dagster: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tick: str | None
) -> None:
    monkeypatch.setenv("FLEEXMON_HEARTBEAT_URL", url(receiver))

    dagster.run("monitoring", at(DAY, "10:00"), tick=tick)

    assert receiver.got == []


def test_a_failed_tick_only_started(dagster: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is called by a sensor: see `test_sensors.py`."""
    monkeypatch.setenv("FLEEXMON_HEARTBEAT_URL", url(receiver))
    monkeypatch.setattr("fleexmon_pipeline.assets.detected_issues._detect", lambda *_, **__: 1 / 0)

    dagster.run("monitoring", at(DAY, "10:00"), tick="slot", fails=True)

    assert called(receiver) == ["/start"]


@pytest.mark.parametrize("fault", ["hang", "500", "down", "wrong"])
def test_a_tick_does_not_suffer(
    dagster: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(heartbeat, "TIMEOUT", httpx.Timeout(0.3))
    monkeypatch.setenv("FLEEXMON_HEARTBEAT_URL", "no url" if fault == "wrong" else url(receiver))
    if fault == "hang":
        receiver.fail(hang=True, times=2)
    elif fault == "500":
        receiver.fail(500, times=2)
    elif fault == "down":
        receiver.stop()

    before = time.monotonic()
    done = dagster.run("monitoring", at(DAY, "10:00"), tick="slot")

    assert done.success
    assert time.monotonic() - before < 30


def test_a_failed_call_is_named_without_its_url(receiver: Receiver) -> None:
    receiver.fail(404)
    answered = beat(url(receiver), "success", run_id="r")
    receiver.stop()
    refused = beat(url(receiver), "success", run_id="r")

    assert answered == "it answered HTTP 404"
    assert refused == "no answer (ConnectError)"


@pytest.mark.parametrize(
    "value",
    [f"hc-ping.com/{UUID}", f"http://hc-ping.com/{UUID}", f"https://u:{UUID}@hc-ping.com", f"https:///{UUID}"],
    ids=["no-scheme", "http", "user", "no-host"],
)
def test_a_url_that_cannot_be_called_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(SettingError) as error:
        heartbeat_url({"FLEEXMON_HEARTBEAT_URL": value})

    assert UUID not in str(error.value)


def test_a_url_is_taken_without_its_last_slash() -> None:
    assert heartbeat_url({}) is None
    assert heartbeat_url({"FLEEXMON_HEARTBEAT_URL": f" https://hc-ping.com/{UUID}/ "}) == f"https://hc-ping.com/{UUID}"
