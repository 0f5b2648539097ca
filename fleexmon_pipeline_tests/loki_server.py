"""A Loki for tests: query_range over the lines it was given, in pages and by streams, as Loki 2.9 and 3 answer.

Here: what it is asked and how it may fail. What the product makes of it: `collection/sources/test_loki.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline_tests.loopback import Handler, Loopback


class LokiLine(NamedTuple):
    nanoseconds: int
    text: str
    labels: dict[str, str]


class _Handler(Handler):
    fake: LokiServer

    def do_GET(self) -> None:  # noqa: N802 - the parent's name
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.fake.asked.append(query)
        self.fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        known = parts.path == self.fake.path
        status, body = self.fake.answer(query) if known else (404, b"404 page not found\n")
        self.send_body(status, body, {"Content-Type": "application/json"}, truncate_at=self.fake.truncate_at)


class LokiServer(Loopback):
    """Answers `path` with lines, or as asked: `body` and `status` in place of them, `truncate_at` bytes of them."""

    handler = _Handler

    def __init__(self, lines: Sequence[LokiLine] = (), *, path: str = "/loki/api/v1/query_range") -> None:
        super().__init__()
        self.lines = list(lines)
        self.path = path
        self.most = 5_000
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.body: bytes | None = None
        self.truncate_at: int | None = None

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
