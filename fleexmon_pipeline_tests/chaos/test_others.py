"""Faults of GitHub and of the agent: down, or lying. What people read comes once, when they are back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleexmon_pipeline.sensors import alert_when_due
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.chaos.world import HOURS, TEN, World
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN
from fleexmon_pipeline_tests.genai_server import GenAIServer, completion
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, serve_github

pytestmark = [pytest.mark.filterwarnings(DAGSTERS_OWN), pytest.mark.usefixtures("ends_well"), pytest.mark.chaos]


@pytest.mark.parametrize("fault", ["answers HTTP 503", "drops every connection", "says that it is not found"])
def test_github_is_down_while_there_are_incidents(world: World, fault: str) -> None:
    """GitHub"""
    with serve_github() as hub:
        for name, value in (("ALERTS_REPO", REPO), ("GH_TOKEN", TOKEN), ("GITHUB_API_URL", hub.url)):
            world.project.monkeypatch.setenv(name, value)
        status = {"answers HTTP 503": 503, "drops every connection": None, "says that it is not found": 404}[fault]
        hub.fail("*", status=status, times=1_000)
        world.run()
        world.project.run("alert", tick="alert")
        assert hub.issues == []

        hub.faults.clear()
        now = TEN + HOURS * HOUR
        for n in range(8):
            world.project.it_is(now + n * timedelta(minutes=10))
            for request in world.project.ask(alert_when_due):
                world.project.run_requested("alert", request)
        incidents = world.database.rows('SELECT id FROM "Incident"')
        assert len(hub.issues) == len(incidents) > 0
        for name in ("ALERTS_REPO", "GH_TOKEN", "GITHUB_API_URL"):
            world.project.monkeypatch.delenv(name)


@pytest.mark.parametrize("fault", ["is not there", "answers nonsense"])
def test_the_agent_fails(world: World, fault: str) -> None:
    """GenAI's agent"""
    with GenAIServer(key="key-of-tests") as agent:
        there, nowhere = agent.url, "http://127.0.0.1:9"
        world.project.monkeypatch.setenv("GENAI_AGENT_URL", nowhere if fault == "is not there" else there)
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
