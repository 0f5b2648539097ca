"""A tick of many nodes, some of which accept a request and never answer it: whether five minutes are enough.

Collection alone, and the whole tick with patterns and rules, as the schedule runs it.

All nodes are paths of one server in a process of its own, which sends lines that were encoded before. The second slot
is collected after the first, so that what hangs is known to be down.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpcore  # noqa: F401 - httpx loads it with its first client; loading modules is not what is measured
import yaml

from fleexmon_pipeline.collection.account import Account
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import connect, open_pool
from fleexmon_pipeline.settings import Limits, Node
from fleexmon_pipeline.window import HOUR, SLOT, Window, floor
from fleexmon_pipeline_tests.bench.nodes import records
from fleexmon_pipeline_tests.bench.place import SPAWN, apart, count, place
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
    ended = floor(datetime.now(UTC), SLOT)
    slot = Window(ended - SLOT, ended)
    with place() as url, _serving(lines, slot) as port:
        row["whole_tick"], row["whole_tick_peak_mb"] = apart(_whole_tick, url, port, nodes, slot, lines * nodes)
    return row


def _whole_tick(url: str, port: int, nodes: int, slot: Window, expected: int) -> float:
    """The schedule's job for a slot whose hour was silent before it."""
    # Not at the top: dagster's memory would be counted in every measurement's processes.
    from dagster import DagsterInstance  # noqa: PLC0415

    from fleexmon_pipeline.definitions import defs  # noqa: PLC0415
    from fleexmon_pipeline.ticks import TICK  # noqa: PLC0415

    file = Path(os.environ["FLEEXMON_HOME"]) / "nodes.yaml"
    entries = [{"name": node.name, "address": node.url.removesuffix("/api/logs")} for node in _nodes(port, nodes, 0)]
    file.write_text(yaml.safe_dump({"nodes": entries}))
    os.environ["FLEEXMON_NODES"] = str(file)
    hour = floor(slot.since, HOUR)
    if earlier := Window(hour, slot.since):
        collect(earlier, _nodes(port, nodes, 0), partial(connect, url), now=slot.since, run_id="bench")
    job = defs.resolve_job_def("monitoring")
    with DagsterInstance.get() as instance, redirect_stderr(StringIO()):  # where it tells every event
        begun = time.perf_counter()
        job.execute_in_process(instance=instance, partition_key=f"{hour:%Y-%m-%d-%H:00}", tags={TICK: "slot"})
        seconds = time.perf_counter() - begun
    counted = count(url, 'SELECT sum(count)::bigint FROM "LogPatternCount"')
    if counted != expected:
        raise RuntimeError(f"{expected:,} lines were expected, {counted:,} were counted")
    return seconds


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
def _serving(lines: int, *windows: Window) -> Iterator[int]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(lines, windows or (FIRST, SECOND), theirs), daemon=True)
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
        body = self.server.bodies.get(parse_qs(urlsplit(self.path).query)["since"][0], b"[]")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Nothing: the terminal is for the tables."""


def _serve(lines: int, windows: Sequence[Window], told: Pipe) -> None:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.bodies = {
        f"{window.since:%Y-%m-%dT%H:%M:%S.000Z}": json.dumps(list(records("node", lines, window))).encode()
        for window in windows
    }
    told.send(server.server_address[1])
    server.serve_forever()
