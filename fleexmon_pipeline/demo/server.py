"""Nodes on loopback that serve `GET /api/logs?since=ISO&until=ISO`, and the two nodes of the demo shop.

Here: the node API, start and stop. The lines: `shop.py`. No line at or after `now` is returned.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline.demo import shop
from fleexmon_pipeline.demo.page import Record
from fleexmon_pipeline.errors import FleexmonError

# Records with since <= timestamp < until, in time order, in lists of any length. Called in a thread per request.
Source = Callable[[datetime, datetime], Iterable[list[Record]]]
Clock = Callable[[], datetime]

_CHUNK = 64_000  # bytes: a day is 25 MB; its first lines are sent before the last are made


def utc_now() -> datetime:
    return datetime.now(UTC)


class QueryError(FleexmonError, ValueError):
    """An invalid query; the message is sent with status 400."""


class LogNode(ThreadingHTTPServer):
    """One node, bound to 127.0.0.1. OSError when the port is taken."""

    daemon_threads = True

    def __init__(self, name: str, source: Source, *, port: int, now: Clock) -> None:
        self.name, self.source, self.now = name, source, now
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # clients may disconnect at any time
            super().handle_error(request, client_address)


class RunningNode(NamedTuple):
    name: str
    port: int
    server: LogNode


def serve(name: str, source: Source, *, port: int = 0, now: Clock = utc_now) -> RunningNode:
    """Serve `source` in a thread until `stop`; port 0 takes a free one."""
    try:
        server = LogNode(name, source, port=port, now=now)
    except OSError as error:
        raise OSError(
            error.errno, f"{name}: 127.0.0.1:{port} cannot be used ({error.strerror}); choose another port"
        ) from error
    threading.Thread(target=server.serve_forever, args=(0.1,), name=f"node-{name}", daemon=True).start()
    return RunningNode(name, server.server_address[1], server)


def stop(nodes: Iterable[RunningNode]) -> None:
    """Accept no more requests; responses in progress end with the process."""
    for node in nodes:
        node.server.shutdown()
        node.server.server_close()


def start_demo_nodes(seed: int, ports: tuple[int, int] = (0, 0), *, now: Clock = utc_now) -> list[RunningNode]:
    """Blue and green of the demo shop, on these ports. OSError if one is taken; then neither is left running."""
    started: list[RunningNode] = []
    try:
        for name, port in zip(shop.NODES, ports, strict=True):
            started.append(serve(name, partial(shop.lines, seed, name), port=port, now=now))
    except OSError:
        stop(started)
        raise
    return started


def run(ports: tuple[int, int], seed: int, announce: Callable[[str, int], None]) -> None:
    """Serve the demo shop until SIGTERM or SIGINT; `announce(name, port)` for each node once it serves.

    Main thread only. OSError when a port is taken.
    """
    run_until_stopped(lambda: start_demo_nodes(seed, ports), announce)


def run_until_stopped(start: Callable[[], list[RunningNode]], announce: Callable[[str, int], None]) -> None:
    """Start nodes, announce them, wait for SIGTERM or SIGINT, stop them. Main thread only."""
    stopping = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        nodes = start()
        try:
            for node in nodes:
                announce(node.name, node.port)
            stopping.wait()
        finally:
            stop(nodes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120.0  # a collector may pause while it stores what it has read
    server: LogNode

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/healthz":
            self._answer(200, {"status": "ok", "node": self.server.name})
        elif path == "/api/logs":
            self._logs()
        else:
            self._answer(404, {"error": f"nothing at {path}; try /api/logs?since=…&until=… or /healthz"})

    def _logs(self) -> None:
        now = self.server.now()
        try:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            since, until = _window(query, now)
        except QueryError as error:
            self._answer(400, {"error": str(error)})
            return
        self._stream(self.server.source(since, min(until, now)))

    def _stream(self, batches: Iterable[list[Record]]) -> None:
        """Send a JSON array while it is made. HTTP/1.0 has no chunks: there, the connection's end marks its end."""
        chunked = self.request_version != "HTTP/1.0"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True

        def send(text: str) -> None:
            data = text.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)

        text, separator = "[", ""
        for records in batches:
            if records:
                text += separator + json.dumps(records, separators=(",", ":"))[1:-1]
                separator = ",\n"
            if len(text) >= _CHUNK:
                send(text)
                text = ""
        send(text + "]\n")
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, content: dict[str, str]) -> None:
        data = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the terminal belongs to `up`, and a collector polls every five minutes."""


def _window(query: dict[str, list[str]], now: datetime) -> tuple[datetime, datetime]:
    since, until = _moment(query, "since", None), _moment(query, "until", now)
    if since > until:
        raise QueryError(f"since ({since.isoformat()}) is after until ({until.isoformat()})")
    return since, until


def _moment(query: dict[str, list[str]], name: str, default: datetime | None) -> datetime:
    """A time of the query in UTC; one without an offset is UTC already."""
    if name not in query:
        if default is None:
            raise QueryError(f"{name} is missing; give a time such as {name}=2026-11-20T10:00:00Z")
        return default
    text = query[name][0]
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        shown = json.dumps(text[:40])
        raise QueryError(f"{name} is {shown}, not a time such as 2026-11-20T10:00:00Z (a + is %2B in a URL)") from None
