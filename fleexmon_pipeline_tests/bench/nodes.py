"""Nodes in processes of their own, which serve lines that were encoded before they were asked for.

Serving must cost the collector nothing but the bytes: no interpreter lock is shared, and an answer is one write.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection as Pipe
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import SLOT, Window, floor
from fleexmon_pipeline_tests.bench.patterns import corpus
from fleexmon_pipeline_tests.bench.place import SPAWN
from fleexmon_pipeline_tests.node_server import Record, stamp

NAMES = ("blue", "green")


def records(name: str, count: int, window: Window) -> Iterator[Record]:
    """Lines of a small service, 190 bytes each as JSON, spread evenly over the window; same arguments, same lines."""
    rnd = random.Random(name)
    step = window.length / count
    levels = rnd.choices(("info", "debug", "warn", "error"), weights=(90, 4, 4, 2), k=count)
    for n, (level, message) in enumerate(zip(levels, corpus(count, seed=len(name)), strict=True)):
        metadata = {"service": "shop", "requestId": f"{rnd.getrandbits(64):016x}", "durationMs": rnd.randrange(3_000)}
        yield {"timestamp": stamp(window.since + n * step), "level": level, "message": message, "metadata": metadata}


@contextmanager
def serving(lines: int, window: Window) -> Iterator[list[Node]]:
    """Blue and green, each with half of the lines."""
    with ExitStack() as started:
        yield [started.enter_context(_node(name, lines // len(NAMES), window)) for name in NAMES]


@contextmanager
def _node(name: str, count: int, window: Window) -> Iterator[Node]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(name, count, window, theirs), daemon=True)
    process.start()
    try:
        theirs.close()
        yield Node(name, f"http://127.0.0.1:{ours.recv()}/api/logs", "127.0.0.1")
    finally:
        process.terminate()
        process.join()


def _serve(name: str, count: int, window: Window, told: Pipe) -> None:
    slots: dict[datetime, list[bytes]] = {}
    for record in records(name, count, window):
        slot = floor(datetime.fromisoformat(record["timestamp"]), SLOT)
        slots.setdefault(slot, []).append(json.dumps(record, separators=(",", ":")).encode())
    server = _Server(("127.0.0.1", 0), _Handler)
    server.slots = {slot: b",".join(lines) for slot, lines in slots.items()}
    told.send(server.server_address[1])
    server.serve_forever()


class _Server(ThreadingHTTPServer):
    slots: dict[datetime, bytes]  # the records of a slot, comma-separated


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        since, until = (datetime.fromisoformat(query[name][0]) for name in ("since", "until"))
        body = b"[" + b",".join(lines for slot, lines in self.server.slots.items() if since <= slot < until) + b"]"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Nothing: the terminal is for the tables."""
