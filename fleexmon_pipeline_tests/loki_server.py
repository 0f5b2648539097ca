"""A Loki for tests: query_range over the lines it was given, in pages and by streams, as Loki 2.9 and 3 answer.

Here: what it is asked and how it may fail. What the product makes of it: `collection/test_sources_loki.py`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class LokiLine(NamedTuple):
    nanoseconds: int
    text: str
    labels: dict[str, str]


class LokiServer:
    """Answers `path` with lines, or as asked: `body` and `status` in place of them, `truncate_at` bytes of them."""

    def __init__(self, lines: Sequence[LokiLine] = (), *, path: str = "/loki/api/v1/query_range") -> None:
        self.lines = list(lines)
        self.path = path
        self.most = 5_000
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.body: bytes | None = None
        self.truncate_at: int | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def host_port(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LokiServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, query: dict[str, str]) -> tuple[int, bytes]:
        if self.body is not None or self.status != 200:
            return self.status, self.body or b""
        limit = int(query["limit"])
        if limit > self.most:
            told = (
                f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {self.most})\n"
            )
            return 400, told.encode()
        assert query["direction"] == "forward"
        start, end = int(query["start"]), int(query["end"])
        chosen = sorted((line for line in self.lines if start <= line.nanoseconds < end), key=lambda one: one[0])[
            :limit
        ]
        streams: dict[str, dict[str, Any]] = {}
        for line in reversed(chosen):  # the order of streams is nobody's promise
            stream = streams.setdefault(json.dumps(line.labels), {"stream": line.labels, "values": []})
            stream["values"].insert(0, [str(line.nanoseconds), line.text])
        data = {"resultType": "streams", "result": list(streams.values()), "stats": {"summary": {"bytesProcessed": 1}}}
        return 200, json.dumps({"status": "success", "data": data}).encode()


def _handler_of(loki: LokiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            loki.asked.append(query)
            loki.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, body = loki.answer(query) if parts.path == loki.path else (404, b"404 page not found\n")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body[: loki.truncate_at])
            except (BrokenPipeError, ConnectionResetError):
                return  # the client had what it wanted

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
            """Nothing on stderr."""

    return Handler
