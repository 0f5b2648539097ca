"""Grafana Loki: the lines that a query selects, as a node.

Loki answers at most 5,000 lines at once, and finds them by time alone, so a page begins at the last time of the page
before, and what was seen of that time is left out. Labels become metadata.
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

from fleexmon_pipeline.collection.answers import NotAnAnswerError, clip
from fleexmon_pipeline.collection.fetch import Answer, FetchError
from fleexmon_pipeline.collection.record_runs import Raw
from fleexmon_pipeline.collection.sources.text_lines import record_of
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, Window

PAGE = 5_000  # lines; Loki's own limit unless it was changed
LEAST_PAGE = 10
MOST_BYTES_OF_A_PAGE = 64_000_000  # it is decoded whole: its lines come stream by stream, not by time
MOST_LABELS = 100
MOST_OF_A_LABEL = 2_000  # characters
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


class _Line(msgspec.Struct, frozen=True):
    nanoseconds: int
    text: str
    labels: dict[str, str]

    def key(self) -> tuple[object, ...]:
        return self.text, tuple(sorted(self.labels.items()))


_page = msgspec.json.Decoder(_Page)
_stream = msgspec.json.Decoder(_Stream)


def lines(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Raw, None, None]:
    """The lines of `[since, until)` by Loki's time, as records, in time order."""
    start, until = (((moment - EPOCH) // MICROSECOND) * 1_000 for moment in (window.since, window.until))
    limit = PAGE
    seen: Counter[tuple[object, ...]] = Counter()  # of those at `start`, how many were given already
    lacking: str | None = None
    while start < until:
        found, limit = _page_of(answer, client, node, start, until, limit)
        asked_for = [line for line in found if start <= line.nanoseconds < until]
        if len(asked_for) < len(found):
            lacking = "answered lines of other times than it was asked for"
        left = seen.copy()
        for line in asked_for:
            if line.nanoseconds == start and left[line.key()] > 0:
                left[line.key()] -= 1
            else:
                yield _record(line)
        if answer.error or len(found) < limit or not asked_for:
            break
        last = asked_for[-1].nanoseconds
        if last > start:
            start, seen = last, Counter(line.key() for line in asked_for if line.nanoseconds == last)
        else:  # Loki has no way to ask for the rest of them
            lacking = f"Loki gives {limit:,} lines of one nanosecond, and cannot be asked for more of it"
            start, seen = start + 1, Counter()
    answer.error = answer.error or lacking


def _page_of(
    answer: Answer, client: httpx.Client, node: Node, start: int, until: int, limit: int
) -> tuple[list[_Line], int]:
    """A page, in time order, and the limit that it was asked for with: smaller than given where that was too much."""
    while True:
        try:
            found = _ask(answer, client, node, start, until, limit)
        except FetchError as error:
            if "max entries limit" not in str(error) or limit <= LEAST_PAGE:
                raise
            found = None
        if found is not None:
            return found, limit
        if limit <= LEAST_PAGE:
            raise FetchError(f"{limit} lines are more than {MOST_BYTES_OF_A_PAGE:,} bytes")
        limit = max(limit // 5, LEAST_PAGE)


def _ask(answer: Answer, client: httpx.Client, node: Node, start: int, until: int, limit: int) -> list[_Line] | None:
    """A page, in time order; None when it is too large. When it breaks off `answer.error` says so."""
    asked = {"start": str(start), "end": str(until), "limit": str(limit), "direction": "forward"}
    url = httpx.URL(node.url).copy_merge_params(asked)
    body = bytearray()
    with closing(answer.body(client, url, headers={"Accept": "application/json"})) as chunks:
        for chunk in chunks:
            body += chunk
            if len(body) > MOST_BYTES_OF_A_PAGE:
                return None
    return [] if answer.error else sorted(_read(bytes(body)), key=lambda line: line.nanoseconds)


def _read(body: bytes) -> list[_Line]:
    try:
        data = _page.decode(body).data
        if data.kind != "streams":
            raise NotAnAnswerError(f"{clip(data.kind.encode()) or 'something'}, not streams: not a query for lines")
        streams = [_stream.decode(raw) for raw in data.result]
        return [_Line(int(value[0]), str(value[1]), stream.stream) for stream in streams for value in stream.values]
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, NotAnAnswerError):
            raise
        raise NotAnAnswerError(f"no streams of lines: {clip(body)}") from None


def _record(line: _Line) -> bytes:
    metadata: dict[str, Any] = {
        name: value[:MOST_OF_A_LABEL] for name, value in islice(sorted(line.labels.items()), MOST_LABELS)
    }
    if line.nanoseconds % 1_000:
        metadata["timestampNs"] = str(line.nanoseconds)
    level = next((word for name in LEVEL_LABELS if (word := line.labels.get(name)) and word != "unknown"), None)
    moment = EPOCH + (line.nanoseconds // 1_000) * MICROSECOND
    return record_of(moment, level, line.text, metadata, own_level_first=False)
