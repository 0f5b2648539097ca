"""`fleexmon channels`: their states, a test message, and no secret in any output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner, Result

from fleexmon_pipeline.channels.channel import open_channels
from fleexmon_pipeline.channels.outbox import deliver_messages, enqueue_messages
from fleexmon_pipeline.cli import app
from fleexmon_pipeline_tests.channels.receivers import Receiver, message
from fleexmon_pipeline_tests.conftest import Database

SECRET = "T0PSECRET4711"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def configured(database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"ops=json://user:{SECRET}@{receiver.host_port}/{SECRET}")
    return database


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["channels", *arguments])
    assert result.exit_code == status, result.output
    assert SECRET not in result.output
    return result


def test_a_test_message_is_marked_and_its_answer_reported(configured: Database, receiver: Receiver) -> None:
    accepted = run("test", "ops").output
    receiver.fail(401, body=SECRET.encode())
    refused = run("test", "ops", status=1).output

    assert accepted == "ops (json): accepted the test message\n"
    assert refused == "ops (json): does not accept messages: HTTP 401: …\n"
    assert receiver.got[0].json["title"] == "TEST: test of the channel ops"


def test_a_test_message_needs_no_database(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("FLEEXMON_HOME", f"{tmp_path}/none")
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"json://{receiver.host_port}/x")

    document = json.loads(run("test", "json", "--json").output)
    listed = run("list").output

    assert document == {
        "channel": "json", "service": "JSON", "sent": True, "outcome": "sent", "reason": "", "retryAfter": None
    }  # fmt: skip
    assert "never used; 0 waiting" in listed


def test_a_successful_test_lets_what_waits_go_out(configured: Database, receiver: Receiver) -> None:
    receiver.fail(401)
    channels, now = open_channels(), datetime.now(UTC)
    with configured.connect() as connection:
        enqueue_messages(connection, [message(at=now)], channels, now=now)
        deliver_messages(connection, channels, now=now)
        before = run("list").output
        run("test", "ops")
        done = deliver_messages(connection, channels, now=now)

    assert "1 waiting" in before
    assert "failing: HTTP 401: no" in before
    assert len(done.sent) == 1


def test_a_list_is_json_for_programs(configured: Database) -> None:
    run("test", "ops")

    document = json.loads(run("list", "--json").output)

    (channel,) = document["channels"]
    assert (channel["name"], channel["scheme"], channel["severity"], channel["waiting"]) == ("ops", "json", "high", 0)
    assert channel["last_success"].endswith("Z")
    assert document["problems"] == []


def test_a_channel_that_cannot_be_used_is_named(
    configured: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", f"bad=slack://{SECRET},ops=json://{receiver.host_port}/x")

    listed = run("list", status=1).output
    run("test", "ops")
    wrong = run("test", "bad", status=2)

    assert 'wrong: FLEEXMON_CHANNELS: "bad": its URL is not complete or not valid for Slack.' in listed
    assert '"bad": its URL is not complete' in wrong.output


def test_an_unknown_channel_is_answered_with_those_that_are_known(configured: Database) -> None:
    assert 'NAME: "opps" is not a channel. Channels: ops.' in run("test", "opps", status=2).output


def test_nothing_configured_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("FLEEXMON_HOME", f"{tmp_path}/none")

    assert run("list").output == "no channel: FLEEXMON_CHANNELS is not set\n"
