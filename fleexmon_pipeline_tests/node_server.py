"""A node for tests: a real HTTP server on loopback that answers as well or as badly as a test needs.

Here: what a node may send and how it may fail on the wire. What the product makes of it: the tests of `collection/`.
"""

from __future__ import annotations

import gzip
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline_tests.loopback import Handler, Loopback

Record = dict[str, Any]
Shape = Literal["array", "object", "ndjson"]

PATH = "/api/logs"


def lines(
    count: int,
    start: datetime,
    *,
    every: timedelta = timedelta(seconds=1),
    level: str = "info",
    message: str = "GET /products/{n} 200",
    metadata: Mapping[str, Any] | None = None,
) -> list[Record]:
    """`count` records from `start` on, in time order; `{n}` in the message becomes 0, 1, 2, …"""
    return [
        {
            "timestamp": stamp(start + n * every),
            "level": level,
            "message": message.replace("{n}", str(n)),
            "metadata": dict(metadata or {}),
        }
        for n in range(count)
    ]


def stamp(moment: datetime) -> str:
    """`2026-11-20T10:00:00.000Z`, with µs where there are some."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


class Request(NamedTuple):
    """What the node was asked. Times are None where the query had none that can be read; header names in lower case."""

    since: datetime | None
    until: datetime | None
    headers: dict[str, str]
    target: str  # path and query, as sent


@dataclass(frozen=True)
class Answer:
    """How to answer; see NodeServer.answer."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    shape: Shape = "array"
    delay: float = 0.0
    drip: float = 0.0
    truncate_at: int | None = None
    hang_after: int | None = None
    gzip: bool = False
    chunked: bool = False
    stream: Callable[[], Iterable[bytes]] | None = None
    drip_after: bytes | None = None


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    timeout = 10.0  # a client that neither reads nor leaves must not keep `stop` waiting for ever
    fake: NodeServer

    def do_GET(self) -> None:  # noqa: N802 - the parent's name
        query = parse_qs(urlsplit(self.path).query)
        request = Request(
            since=_moment(query.get("since", [None])[0]),
            until=_moment(query.get("until", [None])[0]),
            headers={name.lower(): value for name, value in self.headers.items()},
            target=self.path,
        )
        self.fake.requests.append(request)
        self.close_connection = True
        try:
            answer = self.fake.next_answer()
            if answer.drip_after is None:
                self._send(answer, request)
            else:
                self._drip(answer.drip_after)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            return  # the client gave up, as many of these tests want it to

    def _send(self, answer: Answer, request: Request) -> None:
        body = answer.body
        if body is None:
            body = _shaped(self.fake.records_of(request), answer.shape) if answer.status == 200 else b""
        if answer.gzip:
            body = gzip.compress(body)
        if answer.delay and not self._sleep(answer.delay):
            return
        if answer.stream is not None:
            self.send_response(answer.status)
            self.send_header("Connection", "close")
            self.end_headers()
            for piece in answer.stream():
                self.wfile.write(piece)
            return
        usual = {
            "Content-Type": "application/x-ndjson" if answer.shape == "ndjson" else "application/json",
            "Connection": "close",
            **({"Content-Encoding": "gzip"} if answer.gzip else {}),
            **({"Transfer-Encoding": "chunked"} if answer.chunked else {"Content-Length": str(len(body))}),
        }
        self.send_response(answer.status)
        for name, value in {**usual, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        end = min(limit for limit in (len(body), answer.truncate_at, answer.hang_after) if limit is not None)
        for piece in _pieces(body[:end], 1_000 if answer.drip else 1_000_000):
            if answer.drip and not self._sleep(answer.drip):
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if answer.chunked else piece)
        if answer.hang_after is not None:
            while self._sleep(0.5):
                pass
        elif answer.chunked and end == len(body):
            self.wfile.write(b"0\r\n\r\n")

    def _drip(self, start: bytes) -> None:
        self.wfile.write(start)
        while self._sleep(0.02):
            self.wfile.write(b"x")

    def _sleep(self, seconds: float) -> bool:
        """False as soon as the node is stopped or the client has gone."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.fake.stopping.wait(min(left, 0.02)) or self._client_has_gone():
                return False
        return True

    def _client_has_gone(self) -> bool:
        # MSG_DONTWAIT would wait all the same, for the handler's `timeout`: Python polls before it asks.
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


class NodeServer(Loopback):
    """A node on 127.0.0.1, up inside `with`. Without `serve` it has no lines.

    with NodeServer() as node:
        node.serve(lines(200, start=TEN_O_CLOCK))
        collect([node_of("BLUE_HOST", "blue", node.host_port)])
    """

    handler = _Handler
    waits_for_handlers = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._records: Sequence[object] = ()
        self._filtered = True
        self._answers: list[tuple[Answer, int | None]] = []
        self._answering = threading.Lock()

    def serve(self, records: Sequence[object], *, filtered: bool = True) -> None:
        """Have these records, and forget scripted answers.

        A request gets those with since <= timestamp < until, in the order given. A record whose timestamp is not ISO
        text is in every answer, whatever the window; so is every record with `filtered=False`: a node that ignores the
        query.
        """
        self._records, self._filtered = records, filtered
        with self._answering:
            self._answers.clear()

    def answer(
        self,
        *,
        status: int = 200,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        shape: Shape = "array",
        delay: float = 0.0,
        drip: float = 0.0,
        truncate_at: int | None = None,
        hang_after: int | None = None,
        gzip: bool = False,
        chunked: bool = False,
        stream: Callable[[], Iterable[bytes]] | None = None,
        drip_after: bytes | None = None,
        times: int | None = None,
    ) -> None:
        """Answer so from now on, or `times` times and then as before. Called twice with `times`: one after the other.

        body: these bytes; None sends the served records in `shape`: a JSON array, {"logs": […]}, or a record a line.
        headers: in place of the usual ones; {"Location": …} with status=302 redirects.
        delay: seconds before the first byte. drip: seconds before each kB of the body.
        truncate_at: the connection is cut after so many bytes of the body, though more were promised.
        hang_after: nothing more comes after so many bytes of the body, and the connection stays open.
        stream: makes a body that is too large to be in memory; its end is the connection's.
        drip_after: these bytes of the protocol itself, and then an `x` every 20 ms, for ever.
        gzip: the body compressed, and said so. chunked: Transfer-Encoding: chunked in place of Content-Length.
        """
        script = Answer(
            status, body, headers or {}, shape, delay, drip, truncate_at, hang_after, gzip, chunked, stream, drip_after
        )
        with self._answering:
            if times is None:
                self._answers.clear()
            self._answers.append((script, times))

    @property
    def url(self) -> str:
        """What is asked for lines: `http://127.0.0.1:41234/api/logs`."""
        return f"http://{self.host_port}{PATH}"

    def next_answer(self) -> Answer:
        with self._answering:
            if not self._answers:
                return Answer()
            script, times = self._answers[0]
            if times is not None:
                self._answers[0:1] = [(script, times - 1)] if times > 1 else []
            return script

    def records_of(self, request: Request) -> list[object]:
        if not self._filtered:
            return list(self._records)
        return [record for record in self._records if _inside(record, request)]


def _inside(record: object, request: Request) -> bool:
    moment = _moment(record.get("timestamp")) if isinstance(record, dict) else None
    if moment is None:
        return True
    return (request.since is None or request.since <= moment) and (request.until is None or moment < request.until)


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _shaped(records: list[object], shape: Shape) -> bytes:
    if shape == "ndjson":
        return b"".join(json.dumps(record).encode() + b"\n" for record in records)
    return json.dumps({"logs": records} if shape == "object" else records).encode()
