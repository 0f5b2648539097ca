"""Grafana Loki: the lines that a query selects, as a node.

Loki returns at most 5,000 lines at a time and finds them by time alone. So a page begins at the last time of the
previous page, and the lines of that time that were seen are skipped. Labels become metadata.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from typing import Any

import httpx
import msgspec

from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError, clip
from fleexmon_pipeline.collection.fetch import Answer, FetchError
from fleexmon_pipeline.collection.reading.events import TextLine
from fleexmon_pipeline.collection.sources.text_lines import LOOK_AROUND, records_of
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, Window

PAGE = 5_000  # lines; Loki's default limit
MIN_PAGE = 10
MAX_PAGE_BYTES = 64_000_000  # a page is decoded whole: its lines come stream by stream, not by time
MAX_LABELS = 100
MAX_LABEL_CHARACTERS = 2_000
LEVEL_LABELS = ("level", "detected_level", "severity")
MICROSECOND = timedelta(microseconds=1)


class _Stream(msgspec.Struct):
    stream: dict[str, str]
    values: list[tuple[Any, ...]]  # time in ns as text, line, and perhaps more


class _Data(msgspec.Struct):
    kind: str = msgspec.field(name="resultType", default="")
    result: list[msgspec.Raw] = []


class _Page(msgspec.Struct):
    data: _Data


class LokiLine(msgspec.Struct, frozen=True):
    nanoseconds: int
    text: str
    labels: dict[str, str]

    def key(self) -> tuple[object, ...]:
        return self.text, tuple(sorted(self.labels.items()))


_page = msgspec.json.Decoder(_Page)
_stream = msgspec.json.Decoder(_Stream)


def lines(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Raw, None, None]:
    """The events of `[since, until)` by Loki's time, as records."""
    yield from records_of(_lines(answer, client, node, window), window, own_record_first=False)


def _lines(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[TextLine, None, None]:
    """The lines of the window and of LOOK_AROUND before and after it, in time order."""
    bounds = (window.since - LOOK_AROUND, window.until + LOOK_AROUND)
    start, until = (((moment - EPOCH) // MICROSECOND) * 1_000 for moment in bounds)
    limit = PAGE
    seen: Counter[tuple[object, ...]] = Counter()  # lines at the time `start` that were already yielded
    lacking: str | None = None
    while start < until:
        page, limit = _page_of(answer, client, node, start, until, limit)
        wanted = [line for line in page if start <= line.nanoseconds < until]
        if len(wanted) < len(page):
            lacking = "returned lines outside the requested time range"
        left = seen.copy()
        for line in wanted:
            if line.nanoseconds == start and left[line.key()] > 0:
                left[line.key()] -= 1
            else:
                yield line_of(line)
        if answer.error or len(page) < limit or not wanted:
            break
        last = wanted[-1].nanoseconds
        if last > start:
            start, seen = last, Counter(line.key() for line in wanted if line.nanoseconds == last)
        else:  # Loki cannot page within one nanosecond
            lacking = f"more than {limit:,} lines share one nanosecond; Loki cannot return the rest"
            start, seen = start + 1, Counter()
    answer.error = answer.error or lacking


def _page_of(
    answer: Answer, client: httpx.Client, node: Node, start: int, until: int, limit: int
) -> tuple[list[LokiLine], int]:
    """A page in time order, and the limit it was requested with: lower than `limit` if that was too much for Loki."""
    while True:
        try:
            page = _fetch(answer, client, node, start, until, limit)
        except FetchError as error:
            if "max entries limit" not in str(error) or limit <= MIN_PAGE:
                raise
            page = None
        if page is not None:
            return page, limit
        if limit <= MIN_PAGE:
            raise FetchError(f"{limit} lines are more than {MAX_PAGE_BYTES:,} bytes")
        limit = max(limit // 5, MIN_PAGE)


def _fetch(
    answer: Answer, client: httpx.Client, node: Node, start: int, until: int, limit: int
) -> list[LokiLine] | None:
    """A page in time order; None if it is too large. If it breaks off, `answer.error` is set."""
    params = {"start": str(start), "end": str(until), "limit": str(limit), "direction": "forward"}
    url = httpx.URL(node.url).copy_merge_params(params)
    body = bytearray()
    with closing(answer.body(client, url, headers={"Accept": "application/json"})) as chunks:
        for chunk in chunks:
            body += chunk
            if len(body) > MAX_PAGE_BYTES:
                return None
    return [] if answer.error else sorted(read_page(bytes(body)), key=lambda line: line.nanoseconds)


def read_page(body: bytes) -> list[LokiLine]:
    try:
        data = _page.decode(body).data
        if data.kind != "streams":
            raise NotAnAnswerError(f"{clip(data.kind.encode()) or 'something'}, not streams: not a query for lines")
        streams = [_stream.decode(raw) for raw in data.result]
        return [LokiLine(int(value[0]), str(value[1]), stream.stream) for stream in streams for value in stream.values]
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, NotAnAnswerError):
            raise
        raise NotAnAnswerError(f"no streams of lines: {clip(body)}") from None


def line_of(line: LokiLine) -> TextLine:
    metadata: dict[str, Any] = {
        name: value[:MAX_LABEL_CHARACTERS] for name, value in islice(sorted(line.labels.items()), MAX_LABELS)
    }
    if line.nanoseconds % 1_000:
        metadata["timestampNs"] = str(line.nanoseconds)
    level = next((word for name in LEVEL_LABELS if (word := line.labels.get(name)) and word != "unknown"), None)
    moment = EPOCH + (line.nanoseconds // 1_000) * MICROSECOND
    stream = tuple(sorted((name, value) for name, value in line.labels.items() if name not in LEVEL_LABELS))
    return TextLine(moment, line.text, stream, level, metadata=metadata)
