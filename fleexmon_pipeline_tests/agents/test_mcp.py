"""The MCP server with the SDK's own client over stdin and HTTP, and requests that HTTP refuses."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import anyio
import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from fleexmon_pipeline.agents.answer import MAX_TOKENS
from fleexmon_pipeline.agents.marked import tokens_of
from fleexmon_pipeline.agents.tools import TOOLS
from fleexmon_pipeline_tests.agents.conftest import TOKEN, Agent
from fleexmon_pipeline_tests.web.pages.conftest import SECRET

Mode = Literal["legacy", "auto"]
MODES: list[Mode] = ["legacy", "auto"]  # the handshake of most clients, and the protocol of 2026
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_incidents", "arguments": {}}}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def investigate(client: Client) -> None:
    """As an agent would: what is wrong, what is behind it, and what else was said."""
    listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == list(TOOLS)
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.tools)
    assert "data" in (client.instructions or "")
    incidents = json.loads(text_of(await client.call_tool("list_incidents", {})))["incidents"]
    case = await client.call_tool("show_incident", {"id": incidents[0]["id"]})
    assert not case.is_error
    assert tokens_of(text_of(case)) <= MAX_TOKENS
    assert SECRET not in text_of(case)
    for line in json.loads(text_of(case))["evidence"][:2]:
        assert not (await client.call_tool("show_log_line", {"id": line["line"]})).is_error
    cursor, lines = None, 0
    while lines == 0 or cursor:
        found = json.loads(text_of(await client.call_tool("search_logs", {"cursor": cursor} if cursor else {})))
        cursor, lines = found.get("next_cursor"), lines + len(found["lines"])
    assert lines == 100
    refused = await client.call_tool("show_incident", {"id": "ffffffff"})
    assert refused.is_error
    assert "not found" in text_of(refused)


def run(steps: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with anyio.fail_after(90):
            await steps()

    anyio.run(bounded)


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_investigates_over_stdin_and_stdout(agent: Agent, mode: Mode) -> None:
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "fleexmon_pipeline.cli", "mcp"],
        env={**os.environ, "DATABASE_URL": agent.database.url},
    )

    async def steps() -> None:
        async with Client(command, mode=mode) as client:
            await investigate(client)

    run(steps)

    assert {row["transport"] for row in agent.database.rows('SELECT transport FROM "AgentCall"')} == {"stdio"}


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_investigates_over_http(agent: Agent, http_address: str, mode: Mode) -> None:
    async def steps() -> None:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
            Client(streamable_http_client(http_address, http_client=http), mode=mode) as client,
        ):
            await investigate(client)

    run(steps)

    recorded = agent.database.rows('SELECT DISTINCT transport, client FROM "AgentCall"')
    assert [row["transport"] for row in recorded] == ["http"]
    assert str(recorded[0]["client"]).startswith("python-httpx2" if mode == "legacy" else "mcp ")


FOREIGN: list[tuple[dict[str, str], int]] = [
    ({}, 401),
    ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": f"Bearer {TOKEN}x"}, 401),
    ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
    ({"Authorization": f"Basic {TOKEN}"}, 401),
    ({"Authorization": TOKEN}, 401),
    ({"Authorization": f"Bearer {TOKEN}", "Host": "evil.example.com"}, 403),
    ({"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1.evil.example.com:3002"}, 403),
    ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example.com"}, 403),
    ({"Authorization": f"Bearer {TOKEN}", "Origin": "null"}, 403),
    ({"Authorization": f"Bearer {TOKEN}", "Sec-Fetch-Site": "cross-site"}, 403),
    ({"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"}, 415),
]


def test_who_is_foreign_or_has_no_token_is_turned_away(agent: Agent, http_address: str) -> None:
    for headers, status in FOREIGN:
        refused = httpx.post(http_address, json=CALL, headers={**JSON, **headers})

        assert refused.status_code == status, headers
        assert TOKEN not in refused.text
    assert agent.database.rows('SELECT id FROM "AgentCall"') == []
    assert httpx.post(http_address, json=CALL, headers={**JSON, "Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_request_that_is_too_large_or_no_json_is_refused(agent: Agent, http_address: str) -> None:
    headers = {**JSON, "Authorization": f"Bearer {TOKEN}"}
    large = httpx.post(http_address, content=b"[" + b" " * 100_000 + b"]", headers=headers)
    broken = httpx.post(http_address, content=b"{", headers=headers)
    deep = httpx.post(http_address, content=b"[" * 30_000, headers=headers)

    assert (large.status_code, broken.status_code) == (413, 400)
    assert 400 <= deep.status_code < 500
    assert httpx.get(http_address.removesuffix("/mcp"), headers=headers).status_code == 404


def test_tokens_that_are_no_text_do_not_break_the_door(agent: Agent, http_address: str) -> None:
    with httpx.Client() as client:
        request = client.build_request("POST", http_address, json=CALL, headers=JSON)
        request.headers.raw.append((b"authorization", b"Bearer \xff\xfe"))
        assert client.send(request).status_code == 401


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch) -> Any:
    from typer.testing import CliRunner  # noqa: PLC0415

    from fleexmon_pipeline.commands.agents.mcp import app  # noqa: PLC0415
    from fleexmon_pipeline.commands.terminal import explained_errors  # noqa: PLC0415

    def invoke(*arguments: str, **variables: str) -> Any:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with explained_errors():
            return CliRunner().invoke(app, list(arguments))

    return invoke


def test_http_needs_a_token(run_command: Any, tmp_path: Any) -> None:
    without = run_command("--http")
    short = run_command("--http", FLEEXMON_MCP_TOKEN="short")

    assert "FLEEXMON_MCP_TOKEN: is not set" in str(without.exception)
    assert "20 to 200" in str(short.exception)
    assert '"short"' not in str(short.exception)


def test_the_last_calls_are_printed(agent: Agent, run_command: Any) -> None:
    agent.ask("coverage")
    agent.refused("show_incident", id="ffffffff")

    printed = run_command("--calls", "5", DATABASE_URL=agent.database.url).stdout.splitlines()

    assert "coverage" in printed[0]
    assert "refused" in printed[1]
    assert "not found" in printed[1]
