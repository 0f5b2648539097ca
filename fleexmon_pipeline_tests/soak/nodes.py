"""Nodes in processes of their own: each tells its log well, or as badly as the plan has it.

Here: the answers. What is in them: `log.py`; what goes wrong when: `faults.py`.
"""

from __future__ import annotations

import gzip
import random
import signal
import socket
import struct
import threading
import time
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.bench.place import SPAWN
from fleexmon_pipeline_tests.running_product import free_port
from fleexmon_pipeline_tests.soak.faults import ANSWERS, KINDS, MANNERS, Plan
from fleexmon_pipeline_tests.soak.log import MINUTE, Log, at_epoch

# A process of its own within some ms: what it imports is there already, once for all of them; "__main__" too, which
# each of them would import anew otherwise (pytest: half a second).
FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(["__main__", "fleexmon_pipeline_tests.soak.simulate"])

HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"
SEPARATORS = {"array": b",", "object": b",", "lines": b"\n"}


class SoakNode:
    """A node's process, which may be killed and started again at the same port; what it did is counted here."""

    def __init__(self, log: Log, plan: Plan, clock: Synchronized[float] | None) -> None:
        """`clock`: epoch seconds that a script sets; None for real time."""
        self.log = log
        self.port = free_port()
        self.downs = 0
        self._counts: SynchronizedArray[int] = SPAWN.Array("q", len(KINDS))
        self._given = (log, plan, clock, self._counts, self.port)
        self._process: ForkServerProcess | None = None

    @property
    def node(self) -> Node:
        return Node(self.log.node, f"http://127.0.0.1:{self.port}/api/logs", "127.0.0.1")

    def start(self) -> None:
        if self._process is None:
            self._process = FORKED.Process(target=_serve, args=self._given, daemon=True)
            self._process.start()
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
                if not self._process.is_alive():
                    raise RuntimeError(f"{self.log.node} did not start")
                time.sleep(0.01)

    def kill(self) -> None:
        """-9: connections to it break, new ones are refused."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
            self.downs += 1

    def counts(self) -> Counter[str]:
        return Counter(dict(zip(KINDS, self._counts[:], strict=True)))


def _serve(log: Log, plan: Plan, clock: Synchronized[float] | None, counts: SynchronizedArray[int], port: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = _Server(("127.0.0.1", port), _Handler)
    server.log, server.plan, server.clock, server.counts = log, plan, clock, counts
    server.serve_forever()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    log: Log
    plan: Plan
    clock: Synchronized[float] | None
    counts: SynchronizedArray[int]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: Counter[str] = Counter()
        self.asking = threading.Lock()

    def now(self) -> datetime:
        return at_epoch(time.time() if self.clock is None else self.clock.value)

    def dice(self, target: str, now: datetime) -> random.Random:
        """The same question at the same time has the same answer, however threads take turns; the next try another."""
        question = f"{self.plan.seed} {self.log.node} {target} {now:%d%H%M}"
        with self.asking:
            self.asked[question] += 1
            return random.Random(f"{question} {self.asked[question]}")

    def count(self, kind: str) -> None:
        with self.counts.get_lock():
            self.counts[KINDS.index(kind)] += 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.close_connection = True
        try:
            self._answer()
        except OSError:
            return  # the client was killed, or gave up

    def _answer(self) -> None:
        server, now = self.server, self.server.now()
        query = parse_qs(urlsplit(self.path).query)
        window = Window(*(datetime.fromisoformat(query[name][0]) for name in ("since", "until")))
        dice = server.dice(self.path, now)
        # When the plan is over nothing fails any more, or the end could not be told from one more fault.
        fault = server.plan.spell(server.log.node, now)
        if fault not in ANSWERS:
            draw = dice.choices((*ANSWERS, None), (*ANSWERS.values(), 1 - sum(ANSWERS.values())))[0]
            fault = draw if now in server.plan.window else None
        manners = {kind for kind, share in MANNERS.items() if dice.random() < share}
        if fault:
            server.count(fault)
        if fault == "http 500":
            self._send(500, b"", [], set())
        elif fault == "html":
            self._send(200, HTML, [("Content-Type", "text/html")], set())
        elif fault == "reset":
            self._reset()
        else:
            self._tell(window, now, dice, manners, cut=fault == "cut")

    def _tell(self, window: Window, now: datetime, dice: random.Random, manners: set[str], *, cut: bool) -> None:
        server = self.server
        if "window ignored" in manners:
            window = Window(window.since - 20 * MINUTE, window.until + 10 * MINUTE)
        lines = server.log.seen(window, now)
        if "reordered" in manners:
            # A shuffle of an hour takes longer than its collection.
            lines = [*lines[1::2], *reversed(lines[::2])] if len(lines) > 20_000 else dice.sample(lines, len(lines))
        for kind in manners:
            server.count(kind)
        shape = "lines" if "lines" in manners and lines else "object" if "object" in manners else "array"
        body = SEPARATORS[shape].join(lines)
        body = {"array": b"[%b]", "object": b'{"took":3,"logs":[%b]}', "lines": b"%b\n"}[shape] % body
        headers = [("Content-Type", "application/x-ndjson" if shape == "lines" else "application/json")]
        if "gzip" in manners:
            body = gzip.compress(body, 1)
            headers.append(("Content-Encoding", "gzip"))
        self._send(200, body, headers, manners, int(len(body) * dice.uniform(0.1, 0.95)) if cut else None)

    def _send(
        self, status: int, body: bytes, headers: list[tuple[str, str]], manners: set[str], cut: int | None = None
    ) -> None:
        chunked = "chunked" in manners
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.send_header("Connection", "close")
        self.end_headers()
        told = body[:cut]
        if not chunked:
            self.wfile.write(told)
            return
        for start in range(0, len(told), 100_000):
            piece = told[start : start + 100_000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if cut is None:
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """A connection that ends with RST, before any header."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Nothing: the terminal is for the tables."""
