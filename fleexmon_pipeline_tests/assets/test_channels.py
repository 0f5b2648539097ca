"""Channels in whole runs: received messages, the check, and one bad URL that does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline.sensors import alert_when_due
from fleexmon_pipeline_tests.channels.receivers import Receiver
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, at, project
from fleexmon_pipeline_tests.reporting.rows import issue

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
NOW = at(DAY, "11:02")
SECRET = "T0PSECRET4711"


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened:
        opened.it_is(NOW)
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def test_an_issue_reaches_a_channel_once_and_the_sensor_knows(
    dagster: Project, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"json://{receiver.host_port}/{SECRET}")
    with database.connect() as connection:
        assert dagster.ask(alert_when_due) == []
        issue(connection, "Payments fail", NOW - timedelta(minutes=5))
        before = database.fingerprint('"ChannelMessage"')
        (request,) = dagster.ask(alert_when_due)
        assert database.fingerprint('"ChannelMessage"') == before, "asking writes nothing"

    first = dagster.run_requested("alert", request)
    second = dagster.run("alert")

    assert [one.json["title"] for one in receiver.got] == ["[high] Payments fail on blue (5 min)"]
    assert dagster.ask(alert_when_due) == []
    (materialized,) = first.asset_materializations_for_node("issue_alerts")
    assert materialized.metadata["messages_sent"].value == 1
    assert all(check.passed for check in second.get_asset_check_evaluations())


def test_a_channel_that_fails_is_a_failing_check_and_made_good_later(
    dagster: Project, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"ops=json://{receiver.host_port}/{SECRET}")
    receiver.fail(404)
    with database.connect() as connection:
        issue(connection, "Payments fail on blue", NOW - timedelta(minutes=5))

    (check,) = dagster.run("alert").get_asset_check_evaluations()
    dagster.it_is(NOW + timedelta(minutes=5))
    (request,) = dagster.ask(alert_when_due)
    (again,) = dagster.run_requested("alert", request).get_asset_check_evaluations()

    assert not check.passed
    details = str(check.metadata["details"].value)
    assert "ops (json) fails since 2026-02-03 11:02 UTC: HTTP 404" in details
    assert SECRET not in details
    assert again.passed
    assert len(receiver.got) == 2


def test_one_bad_url_silences_nobody(
    dagster: Project, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"bad=slack://{SECRET},good=json://{receiver.host_port}/x")
    with database.connect() as connection:
        issue(connection, "Payments fail on blue", NOW - timedelta(minutes=5))

    (check,) = dagster.run("alert").get_asset_check_evaluations()

    assert len(receiver.got) == 1
    assert not check.passed
    assert '"bad": its URL is not complete or not valid for Slack' in str(check.metadata["details"].value)
    assert SECRET not in str(check.metadata["details"].value)


def test_half_a_setting_of_github_silences_no_channel(
    dagster: Project, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"json://{receiver.host_port}/x")
    monkeypatch.setenv("ALERTS_REPO", "acme/shop-alerts")
    with database.connect() as connection:
        issue(connection, "Payments fail on blue", NOW - timedelta(minutes=5))

    dagster.run("alert", fails=True)

    assert len(receiver.got) == 1


def test_a_digest_is_announced_where_it_is_wanted(
    dagster: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "channels.yaml"
    url = f"json://{receiver.host_port}"
    file.write_text(f"- {{name: a, url: '{url}/a', digest: yes}}\n- {{name: b, url: '{url}/b'}}\n")
    monkeypatch.setenv("FLEEXMON_CHANNELS", str(file))
    dagster.it_is(at(DAY + timedelta(days=1), "08:00"))

    dagster.run("digest", "2026-02-03")
    dagster.run("digest", "2026-02-03")
    dagster.run("digest", "2026-01-20")

    assert [request.path for request in receiver.got] == ["/a"]
    assert "2026-02-03" in receiver.got[0].json["title"]


def test_a_backfill_sends_nothing(
    dagster: Project, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"json://{receiver.host_port}/x")
    with database.connect() as connection:
        issue(connection, "Of last week", NOW - timedelta(days=7), severity="critical")

    dagster.run("alert")

    assert receiver.got == []
