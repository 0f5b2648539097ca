"""The base of the fake servers: a real HTTP server on loopback, running inside `with`, without output on stderr.

Here: its start, its end and how an answer is written. What it answers: `node_server.py`, `journal_server.py`,
`loki_server.py`, `genai_server.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


class Loopback:
    """A fake on 127.0.0.1. Its `handler` finds it as `fake`; `stopping` is set when the test is over."""

    handler: ClassVar[type[BaseHTTPRequestHandler]]
    waits_for_handlers = False  # True: none outlives `stop`

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def host_port(self) -> str:
        """What an operator would write into BLUE_HOST."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Up, on the port it had before if it was up before."""
        self.stopping.clear()
        handler = type("Handler", (self.handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler, bind_and_activate=False)
        self._server.daemon_threads = not self.waits_for_handlers
        self._server.server_bind()
        self._server.server_activate()
        self._port = self._server.server_address[1]
        name = type(self).__name__
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Down: connections are refused, answers that hang or drip are cut."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Handler(BaseHTTPRequestHandler):
    """Writes a whole answer; a client that has gone meanwhile had what it wanted."""

    def send_body(
        self, status: int, body: bytes, headers: Mapping[str, str], *, truncate_at: int | None = None
    ) -> None:
        """`truncate_at`: so many bytes are sent, though more were promised."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body[:truncate_at])
        except (BrokenPipeError, ConnectionResetError):
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Nothing on stderr: what was asked, the fake keeps."""
