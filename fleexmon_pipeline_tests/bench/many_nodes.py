"""A tick of many nodes, some of which accept a request and never answer it: whether five minutes are enough.

All nodes are paths of one server in a process of its own, which sends lines that were encoded before. The second slot
is collected after the first, so that what hangs is known to be down.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection as Pipe
from urllib.parse import parse_qs, urlsplit

import httpcore  # noqa: F401 - httpx loads it with its first client; loading modules is not what is measured

from fleexmon_pipeline.collection.account import Account
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import open_pool
from fleexmon_pipeline.settings import Limits, Node
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.bench.nodes import records
from fleexmon_pipeline_tests.bench.place import SPAWN, apart, place
from fleexmon_pipeline_tests.bench.table import Row, Table

FIRST = Window(datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 1, 10, tzinfo=UTC) + SLOT)
SECOND = Window(FIRST.until, FIRST.until + SLOT)
TICK = Limits(answer_seconds=60)  # as in a tick


def measure(nodes: int, lines_a_second: Sequence[int]) -> Table:
    return Table(
        f"a tick of {nodes:,} nodes: seconds until all are stored or given up; 300 are there",
        "all nodes answer; some accept and never answer, for the first time and when they are known to be down",
        [_measure(nodes, rate, nodes // 5) for rate in lines_a_second],
    )


def _measure(nodes: int, rate: int, hanging: int) -> Row:
    lines = rate * int(SLOT.total_seconds())
    row: Row = {"lines_a_second_and_node": rate, "nodes": nodes, "lines": lines * nodes}
    with place() as url, _serving(lines) as port:
        row["all_answer"], row["peak_mb"] = apart(_tick, url, _nodes(port, nodes, 0), FIRST, lines * nodes)
    with place() as url, _serving(lines) as port:
        some = _nodes(port, nodes, hanging)
        row["hanging"] = hanging
        row["hang_first"] = apart(_tick, url, some, FIRST, lines * (nodes - hanging))[0]
        row["hang_again"] = apart(_tick, url, some, SECOND, lines * (nodes - hanging))[0]
    return row


def _nodes(port: int, count: int, hanging: int) -> list[Node]:
    """Every n-th hangs, so that they stand among the others."""
    every = count // hanging if hanging else 0
    kinds = ["hangs" if every and place % every == 0 else "works" for place in range(count)]
    return [
        Node(f"node-{place}", f"http://127.0.0.1:{port}/{kind}/{place}/api/logs", "127.0.0.1", limits=TICK)
        for place, kind in enumerate(kinds)
    ]


def _tick(url: str, nodes: list[Node], window: Window, stored: int) -> float:
    with open_pool(url) as pool:
        begun = time.perf_counter()
        account: Account = collect(window, nodes, pool.connection, now=window.until, run_id="bench", slots="incomplete")
        seconds = time.perf_counter() - begun
    found = sum(node.stored for node in account.nodes.values())
    if found != stored:
        raise RuntimeError(f"{stored:,} lines were expected, {found:,} were stored")
    return seconds


@contextmanager
def _serving(lines: int) -> Iterator[int]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(lines, theirs), daemon=True)
    process.start()
    try:
        theirs.close()
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    bodies: dict[str, bytes]  # by the start of the window


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path.startswith("/hangs/"):
            threading.Event().wait()
        body = self.server.bodies[parse_qs(urlsplit(self.path).query)["since"][0]]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Nothing: the terminal is for the tables."""


def _serve(lines: int, told: Pipe) -> None:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.bodies = {
        f"{window.since:%Y-%m-%dT%H:%M:%S.000Z}": json.dumps(list(records("node", lines, window))).encode()
        for window in (FIRST, SECOND)
    }
    told.send(server.server_address[1])
    server.serve_forever()
