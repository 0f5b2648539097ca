"""Faults of GitHub, channels and the agent: down, or wrong answers. Each message arrives once after they recover."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from fleexmon_pipeline.sensors import alert_when_due
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.channels.receivers import Receiver
from fleexmon_pipeline_tests.chaos.world import HOURS, TEN, World
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN
from fleexmon_pipeline_tests.genai_server import GenAIServer, completion
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, FakeGitHub, serve_github

pytestmark = [pytest.mark.filterwarnings(DAGSTERS_OWN), pytest.mark.usefixtures("ends_well"), pytest.mark.chaos]


GITHUB: dict[str, Callable[[FakeGitHub], None]] = {
    "answers HTTP 503": lambda hub: hub.fail("*", status=503, times=1_000),
    "drops every connection": lambda hub: hub.fail("*", times=1_000),
    'responds with "not found"': lambda hub: hub.fail("*", status=404, times=1_000),
    "answers pages of HTML, as a proxy does": lambda hub: hub.fail("*", status=200, text="<html>Sign in", times=1_000),
    "executes a request, but its response is lost": lambda hub: hub.fail("POST", after=True, times=2),
    "responds with a lower rate limit": lambda hub: hub.fail(
        "*", status=403, headers={"Retry-After": "5"}, times=1_000
    ),
}


@pytest.mark.parametrize("fault", GITHUB)
def test_github_is_down_while_there_are_incidents(world: World, fault: str) -> None:
    """GitHub"""
    with serve_github() as hub:
        for name, value in (("ALERTS_REPO", REPO), ("GH_TOKEN", TOKEN), ("GITHUB_API_URL", hub.url)):
            world.project.monkeypatch.setenv(name, value)
        GITHUB[fault](hub)
        world.run()
        world.project.run("alert", tick="alert")
        assert "lost" in fault or hub.issues == []

        hub.faults.clear()
        alerts_when_due(world)
        incidents = world.database.rows('SELECT id FROM "Incident"')
        assert len(hub.issues) == len(incidents) > 0
        for name in ("ALERTS_REPO", "GH_TOKEN", "GITHUB_API_URL"):
            world.project.monkeypatch.delenv(name)


def alerts_when_due(world: World) -> None:
    """What the sensor for alerts requests in the next 70 minutes."""
    now = TEN + HOURS * HOUR
    for n in range(8):
        world.project.it_is(now + n * timedelta(minutes=10))
        for request in world.project.ask(alert_when_due):
            world.project.run_requested("alert", request)


CHANNEL: dict[str, Callable[[Receiver], None]] = {
    "does not answer": lambda receiver: receiver.fail(hang=True, times=2),
    "ends within its answer": lambda receiver: receiver.fail(200, die=True, times=3),
    "answers pages of HTML with HTTP 500": lambda receiver: receiver.fail(500, body=b"<html>" * 99_999, times=3),
    "redirects to somewhere else": lambda receiver: receiver.fail(
        302, headers={"Location": "http://127.0.0.1:9/"}, times=3
    ),
}


@pytest.mark.parametrize("fault", CHANNEL)
def test_a_channel_is_slow_or_lies_while_there_are_incidents(world: World, fault: str) -> None:
    """A channel"""
    with Receiver() as receiver:
        world.project.monkeypatch.setenv("FLEEXMON_CHANNELS", f"ops=json://{receiver.host_port}/x")
        CHANNEL[fault](receiver)
        world.run()
        world.project.run("alert", tick="alert")
        receiver.faults.clear()
        alerts_when_due(world)

        waiting = world.database.rows("""SELECT * FROM "ChannelMessage" WHERE status NOT IN ('sent', 'merged')""")
        (opened,) = world.database.rows("""SELECT count(*) AS n FROM "ChannelMessage" WHERE event = 'opened'""")
        told = Counter(request.json["title"] for request in receiver.got)
        assert waiting == []
        assert opened["n"] == len(world.database.rows('SELECT id FROM "Incident"')) > 0
        assert len(told) >= opened["n"]
        world.project.monkeypatch.delenv("FLEEXMON_CHANNELS")


def test_several_faults_at_once(world: World) -> None:
    """A node hangs, GitHub and GenAI's agent answer nonsense, a run is killed with -9 and PostgreSQL, too"""
    with serve_github() as hub, GenAIServer(key="key-of-tests") as agent:
        variables = {
            "ALERTS_REPO": REPO, "GH_TOKEN": TOKEN, "GITHUB_API_URL": hub.url, "GENAI_AGENT_URL": agent.url,
            "GENAI_API_KEY": "key-of-tests",
        }  # fmt: skip
        for name, value in variables.items():
            world.project.monkeypatch.setenv(name, value)
        world.green.answer(hang_after=9_000)
        hub.fail("*", status=200, text="<html>Sign in", times=1_000)
        agent.always = lambda handler, _: handler.reply(200, completion("I am a teapot. {}"), {})
        process = world.start_run()
        world.until(lambda: bool(world.database.rows('SELECT 1 FROM "LogEntry" LIMIT 1')))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        world.kill_postgres()
        world.start_postgres()
        world.run()
        world.project.run("alert", tick="alert")
        assert world.open()

        hub.faults.clear()
        alerts_when_due(world)
        incidents = world.database.rows('SELECT id FROM "Incident"')
        assert len(hub.issues) == len(incidents) > 0
        agent.always = None
        world.serve()
        world.nobody_helps()
        for name in variables:
            world.project.monkeypatch.delenv(name)


@pytest.mark.parametrize("fault", ["does not exist", "answers nonsense"])
def test_the_agent_fails(world: World, fault: str) -> None:
    """GenAI's agent"""
    with GenAIServer(key="key-of-tests") as agent:
        there, nowhere = agent.url, "http://127.0.0.1:9"
        world.project.monkeypatch.setenv("GENAI_AGENT_URL", nowhere if fault == "does not exist" else there)
        world.project.monkeypatch.setenv("GENAI_API_KEY", "key-of-tests")
        agent.always = lambda handler, _: handler.reply(200, completion("I am a teapot. {}"), {})
        assert world.run()  # rules work without it
        assert world.open()

        agent.always = None
        world.project.monkeypatch.setenv("GENAI_AGENT_URL", there)
        world.nobody_helps()
        world.project.monkeypatch.delenv("GENAI_AGENT_URL")


def test_an_hour(world: World) -> None:
    """No fault at all, for comparison"""
    assert world.run()
