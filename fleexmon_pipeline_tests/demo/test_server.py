"""The demo nodes over HTTP: the node API for collection, bad queries, start and stop."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fleexmon_pipeline.demo import shop
from fleexmon_pipeline.demo.page import Record
from fleexmon_pipeline.demo.server import RunningNode, serve, start_demo_nodes, stop

NOW = datetime(2026, 11, 20, 10, 7, 30, 250_000, tzinfo=UTC)
SINCE = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[RunningNode]]:
    running = start_demo_nodes(1, now=lambda: NOW)
    yield running
    stop(running)


def ask(node: RunningNode, path: str = "/api/logs", **query: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{node.port}{path}", params=query, timeout=10, trust_env=False)


def expected(name: str, since: datetime, until: datetime) -> list[Record]:
    return [record for minute in shop.lines(1, name, since, until) for record in minute]


def test_each_node_tells_its_own_window(nodes: list[RunningNode]) -> None:
    for node, name in zip(nodes, ("blue", "green"), strict=True):
        answer = ask(node, since=SINCE.isoformat(), until="2026-11-20T11:05:00+01:00")
        assert node.name == name
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == expected(name, SINCE, SINCE + timedelta(minutes=5)) != []


@pytest.mark.parametrize("until", [{}, {"until": "2026-11-20T23:00:00Z"}, {"until": "2026-11-20T23:00:00"}])
def test_the_future_is_not_told(nodes: list[RunningNode], until: dict[str, str]) -> None:
    told = ask(nodes[0], since="2026-11-20T10:07:00Z", **until).json()
    assert told == expected("blue", datetime(2026, 11, 20, 10, 7, tzinfo=UTC), NOW) != []
    assert ask(nodes[0], since="2026-11-20T10:08:00Z", until="2026-11-20T10:09:00Z").json() == []
    assert ask(nodes[0], since="2027-11-20T10:08:00Z", until="2027-11-20T10:09:00Z").json() == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "since is missing"),
        ({"since": ""}, 'since is ""'),
        ({"since": "yesterday"}, 'since is "yesterday"'),
        ({"since": "1763632800"}, "since is"),
        ({"since": "2026-11-20T10:00:00 00:00"}, "%2B"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since is"),
        ({"since": "2026-11-20T10:00:00Z", "until": "<b>"}, "until is"),
        ({"since": "2026-11-20T10:00:00Z", "until": "2026-11-20T09:00:00Z"}, "is after until"),
    ],
)
def test_a_bad_question_is_refused_with_a_reason(nodes: list[RunningNode], query: dict[str, str], said: str) -> None:
    answer = ask(nodes[0], **query)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_other_paths(nodes: list[RunningNode]) -> None:
    assert ask(nodes[1], "/healthz").json() == {"status": "ok", "node": "green"}
    assert ask(nodes[1], "/").status_code == 404
    assert "/api/logs" in ask(nodes[1], "/").json()["error"]


def test_http_1_0_gets_the_same_answer(nodes: list[RunningNode]) -> None:
    with socket.create_connection(("127.0.0.1", nodes[0].port), timeout=10) as connection:
        connection.sendall(b"GET /api/logs?since=2026-11-20T10:07:00Z HTTP/1.0\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read() == ask(nodes[0], since="2026-11-20T10:07:00Z").content
        answer.close()


def test_the_first_lines_arrive_before_the_last_are_made() -> None:
    proceed = threading.Event()

    def slow(_since: datetime, _until: datetime) -> Iterator[list[Record]]:
        yield [{"message": "x" * 100_000}]
        assert proceed.wait(10)
        yield [{"message": "end"}]

    node = serve("slow", slow, now=lambda: NOW)
    try:
        url = f"http://127.0.0.1:{node.port}/api/logs?since=2026-11-20T10:00:00Z"
        with httpx.stream("GET", url, timeout=10, trust_env=False) as answer:
            pieces = answer.iter_bytes()
            first = next(pieces)
            proceed.set()
            rest = b"".join(pieces)
        assert first.startswith(b'[{"message":"xxx')
        assert rest.endswith(b'"end"}]\n')
    finally:
        stop([node])


def test_a_client_that_leaves_disturbs_nothing(nodes: list[RunningNode], capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", nodes[0].port), timeout=10) as connection:
            connection.sendall(b"GET /api/logs?since=2026-11-19T10:00:00Z HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(100)
    assert ask(nodes[0], "/healthz").status_code == 200
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_named_and_leaves_no_node_running(nodes: list[RunningNode]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match=f"green: 127.0.0.1:{nodes[0].port} cannot be used"):
        start_demo_nodes(1, (port, nodes[0].port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    code = "from fleexmon_pipeline.demo.server import run; run((0, 0), 1, lambda *node: print(*node, flush=True))"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        announced = dict(process.stdout.readline().split() for _ in range(2))
        assert announced.keys() == {"blue", "green"}
        answer = httpx.get(f"http://127.0.0.1:{announced['green']}/healthz", timeout=10, trust_env=False)
        assert answer.json()["node"] == "green"
        os.kill(process.pid, number)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0
