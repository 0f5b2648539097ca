"""Agents' tools on the database of the pages' tests, called in process, and by the SDK's client over HTTP."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
import uvicorn

from fleexmon_pipeline.agents.calls import Caller, Calls, Reply
from fleexmon_pipeline.agents.server import PATH, application
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.web.pages.conftest import NOW, Site, site, story

__all__ = ["site", "story"]  # fixtures
TOKEN = "a-token-that-is-long-enough-for-us"
FIRST_ENTRY = re.compile(r"data-[0-9a-f]{6}")


@dataclass(frozen=True)
class Agent:
    calls: Calls
    database: Database

    def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        reply = self.reply(tool, **arguments)
        assert not reply.is_error, reply.text
        answer: dict[str, Any] = json.loads(reply.text)
        return answer

    def refused(self, tool: str, **arguments: Any) -> str:
        reply = self.reply(tool, **arguments)
        assert reply.is_error, reply.text
        return reply.text

    def reply(self, tool: str, **arguments: Any) -> Reply:
        return self.calls.answer(Caller("stdio", "test 1"), tool, arguments)

    def all_of(self, tool: str, name: str, **arguments: Any) -> list[Any]:
        """Every entry of a list, page by page."""
        entries, cursor = [], None
        for _ in range(200):
            answer = self.ask(tool, **arguments, **({"cursor": cursor} if cursor else {}))
            entries += answer[name]
            cursor = answer.get("next_cursor")
            if cursor is None:
                return entries
        raise AssertionError("the list does not end")


def calls_of(database: Database, now: datetime = NOW) -> Calls:
    return Calls(database.url, environment={"BLUE_HOST": "127.0.0.1:1", "LIVE_NODE": "green"}, now=lambda: now)


@pytest.fixture
def agent(story: Site) -> Iterator[Agent]:
    """Over the story: an incident whose texts and lines are hostile, and more."""
    calls = calls_of(story.database)
    yield Agent(calls, story.database)
    calls.close()


@pytest.fixture
def http_address(agent: Agent) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application(agent.calls, TOKEN), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}"
        server.should_exit = True
        thread.join()
