"""Read records from a file as collection would read them from a node, without a node or a database.

Here: the forms of a file. Memory is bounded: only the current record is in memory, and a line, a record or a compressed
file that is too long is refused with the reason. Reading a record: `collection/records.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any, BinaryIO

from fleexmon_pipeline.collection.answers.record_runs import MAX_KEPT_BYTES, reason_of
from fleexmon_pipeline.collection.answers.refused import EmptyBodyError, NotAnAnswerError, clip
from fleexmon_pipeline.collection.answers.splitter import Splitter, is_records
from fleexmon_pipeline.collection.answers.spread_records import SpreadRecords
from fleexmon_pipeline.collection.reading.date_order import DateWatcher
from fleexmon_pipeline.collection.reading.events import TextLine, joined
from fleexmon_pipeline.collection.reading.listings import is_verbose, journal_entries, listing_in
from fleexmon_pipeline.collection.reading.text_levels import level_in_text
from fleexmon_pipeline.collection.reading.text_times import time_in_text
from fleexmon_pipeline.collection.records import OUR_DEFAULT, OUR_TEXT, Line, Origins, RejectedError, explain
from fleexmon_pipeline.collection.sources import journal, loki
from fleexmon_pipeline.collection.sources.docker_lines import RUNTIME, SERVICE, docker_line, whole
from fleexmon_pipeline.collection.sources.text_lines import record_of
from fleexmon_pipeline.collection.times.orders import IN_DOUBT, reading_dates
from fleexmon_pipeline.collection.times.value import read_time
from fleexmon_pipeline.encoding import EncodingError, file_chunks
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.settings import Limits
from fleexmon_pipeline.window import EPOCH

HEAD = 64_000  # bytes by which a file's form is recognised
_BINARY = re.compile(rb"\0|[\x01-\x06\x0e-\x1a\x1c-\x1f]{4}")
_KINDS = {b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF": "a PDF document",
          b"PK\x03\x04": "a ZIP archive", b"\x7fELF": "a program", b"SQLite format 3": "a SQLite database",
          b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz"}  # fmt: skip


class Form(StrEnum):
    """The form of a file: an answer of a node, journald's export or JSON, Loki or logcli, Docker, lines of text."""

    NODE = "node"
    JOURNAL = "journal"
    LOKI = "loki"
    DOCKER = "docker"
    TEXT = "text"


class UnreadableError(FleexmonError):
    """The input is not a log; the message says what it is, and what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """A record: the line and where its parts were found, or why not."""

    raw: bytes
    line: Line | None = None
    origins: Origins | None = None
    reason: str = ""


@dataclass
class Input:
    """`for result in input.results()`. Afterwards `broken` is None, or the reason why records may be missing, and
    `dates.order` tells how dates such as `03/04/2027` were read."""

    stream: BinaryIO
    form: Form | None = None
    limits: Limits = field(default_factory=Limits)
    broken: str | None = None
    dates: DateWatcher = field(default_factory=DateWatcher)

    def results(self) -> Iterator[Result]:
        """Raises UnreadableError before the first result."""
        chunks = self._opened()
        head = b""
        while len(head) < HEAD and (chunk := next(chunks, b"")):
            head += chunk
        if not head.strip():
            raise UnreadableError("is empty. Check the path or the pipe")
        if kind := _kind_of(head):
            raise UnreadableError(f"is {kind}, not a log. Pass log records: JSON, or lines of text")
        listing = listing_in(head) if self.form in (None, Form.NODE) else None
        form = Form.NODE if listing else self.form or guess(head)
        chunks = self._watched(chain([head], chunks))
        chunks = listing.ndjson(chunks) if listing else chunks
        try:
            yield from self._node(chunks) if form is Form.NODE else self._events(form, chunks)
        except (EmptyBodyError, NotAnAnswerError) as error:
            raise UnreadableError(f"{error}. For lines of text use --as text") from None
        except EncodingError as error:
            self.broken = str(error)

    def _opened(self) -> Iterator[bytes]:
        try:
            chunks = file_chunks(self.stream, self.limits.ratio)
            return chain([next(chunks, b"")], chunks)
        except EncodingError as error:
            raise UnreadableError(f"cannot be decompressed: {error}") from None

    def _watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.dates.look(chunk)
            yield chunk

    def _result_of(self, raw: bytes) -> Result:
        with reading_dates(self.dates.order):
            return result_of(raw)

    def _node(self, chunks: Iterable[bytes]) -> Iterator[Result]:
        splitter = Splitter(self.limits.record_bytes)
        for run in splitter.runs(chunks):
            for raw in run:
                yield self._result_of(bytes(raw))
            for raw, reason in run.too_long:
                yield Result(raw, reason=reason)
        self.broken = splitter.broken

    def _events(self, form: Form, chunks: Iterator[bytes]) -> Iterator[Result]:
        rejected: list[Result] = []
        lines = self._lines(form, chunks, rejected)
        for line in joined(whole(lines) if form is Form.DOCKER else lines):
            text = (line.text or "").encode("utf-8", "surrogatepass")
            if reason := line.metadata.get(NO_TIME):
                yield Result(text, reason=reason)
            elif form is Form.TEXT and text[:1] == b"{":
                yield self._result_of(text)
            else:
                origins = _origins(line)
                result = self._result_of(record_of(line, own_record_first=form is not Form.LOKI))
                is_record = text[:1] == b"{" and result.origins is not None and result.origins.message != "message"
                yield result if is_record else Result(result.raw, result.line, origins, result.reason)
            yield from rejected
            rejected.clear()
        yield from rejected

    def _lines(self, form: Form, chunks: Iterator[bytes], rejected: list[Result]) -> Iterator[TextLine]:
        """Lines of text with their times. Lines without a time are added to `rejected`."""
        first = next(chunks)
        body = chain([first], chunks)
        if form is Form.JOURNAL and not first.lstrip().startswith(b"{"):
            yield from _of_verbose(body) if is_verbose(first) else _of_export(body, self.limits.record_bytes)
            return
        if form is Form.LOKI and b'"logs"' not in first[:200] and b'"data"' in first[:400]:
            yield from _of_loki_answer(body, self.limits.answer_bytes)
            return
        previous: datetime | None = None
        before = ""  # the text of the line before
        for raw, reason in self._whole_records(body) if form is Form.TEXT else self._raw_lines(body):
            if reason:
                rejected.append(Result(raw, reason=reason))
                continue
            if not raw.strip() and previous is None:
                continue
            try:
                with reading_dates(self.dates.order):
                    line = _READERS[form](raw, previous)
            except RejectedError as error:
                if form is Form.TEXT and previous is not None and _goes_on_with(raw, before):
                    text = raw.decode("utf-8", "backslashreplace")
                    yield TextLine(previous, text, is_timed=False, metadata={NO_TIME: str(error)})
                else:
                    rejected.append(Result(raw, reason=str(error)))
                continue
            previous, before = line.moment, line.text or ""
            yield line

    def _whole_records(self, chunks: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
        """Raw lines, with the lines of a record that spans several joined."""
        spread = SpreadRecords(of_json_only=False)
        for raw, reason in self._raw_lines(chunks):
            if not reason and not spread.has_begun and raw[:1] not in _BEGIN_RECORDS:
                yield raw, reason
                continue
            yield from ((line, "") for line in (spread.rest() if reason else spread.whole([raw])))
            if reason:
                yield raw, reason
        yield from ((line, "") for line in spread.rest())

    def _raw_lines(self, chunks: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
        """Lines without their ends, or the beginning of one that is too long and the reason."""
        rest, length = b"", 0  # of the current line: the kept bytes, and its length so far
        limit = self.limits.record_bytes
        for chunk in chunks:
            *whole, tail = chunk.split(b"\n")
            for part in whole:
                length += len(part)
                line = rest + part if length <= limit else rest or part[:MAX_KEPT_BYTES]
                yield line.removesuffix(b"\r")[:limit], "" if length <= limit else reason_of(length, limit)
                rest, length = b"", 0
            length += len(tail)
            rest = rest + tail if length <= limit else (rest or tail)[:MAX_KEPT_BYTES]
        if rest:
            yield rest, "" if length <= limit else reason_of(length, limit)


def result_of(raw: bytes) -> Result:
    try:
        line, origins = explain(raw)
    except RejectedError as error:
        return Result(raw, reason=str(error))
    return Result(raw, line, origins)


def _origins(line: TextLine) -> Origins:
    """The origins of the line's parts. A level found in the text becomes the line's own, so that it is searched
    once."""
    level = OUR_DEFAULT if line.level is None else OF_SOURCE
    if line.text and (line.level is None or line.level_is_default):
        found = level_in_text(line.text)
        level = OUR_TEXT if found else level
        if line.text[0] != "{":  # a record's own level may count more
            line.level, line.level_is_default = found or line.level or "info", False
    return Origins(OF_SOURCE, level, OF_SOURCE)


def guess(head: bytes) -> Form:
    """The form of a file by its beginning."""
    if head.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP=")) or is_verbose(head):
        return Form.JOURNAL
    if head.lstrip().startswith(b"{") and b'"streams"' in head[:400] and b'"data"' in head[:400]:
        return Form.LOKI
    first_line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    if SERVICE.match(first_line) or RUNTIME.match(first_line):
        return Form.DOCKER
    if _EVENTS.match(head):
        return Form.NODE
    is_text = not _BEGINS.match(first_line) and time_in_text(first_line) is not None
    return Form.NODE if is_records(head) and not is_text else Form.TEXT


_EVENTS = re.compile(rb"(?:(?:event|id|retry|):[^\n]{0,200}\r?\n+){0,8}data: ?[\[{]")  # that a server sends
_BEGINS = re.compile(r"#|\{|\[\s*[\[{\"]")  # of JSON, or of a header: `[1] 2026/11/20` is text


def _kind_of(head: bytes) -> str | None:
    for magic, kind in _KINDS.items():
        if head.startswith(magic):
            return kind
    return "binary data" if head[:2] not in (b"\xff\xfe", b"\xfe\xff") and _BINARY.search(head[:8_000]) else None


# -- lines of each form ---------------------------------------------------------------------------------------------


def _of_export(chunks: Iterator[bytes], limit: int) -> Iterator[TextLine]:
    for fields in journal.parse(chunks, limit):
        moment = fields.get("__REALTIME_TIMESTAMP", [b""])[0]
        if re.fullmatch(rb"[0-9]{1,16}", moment):
            yield journal.line_of(fields, EPOCH + int(moment) * journal.MICROSECOND)


def _of_verbose(chunks: Iterable[bytes]) -> Iterator[TextLine]:
    return (journal.line_of(fields, moment) for fields, moment in journal_entries(chunks))


def _journal_json(raw: bytes, _: datetime | None) -> TextLine:
    """`journalctl -o json`: a field is text, a list of bytes, or a list of those."""
    record = _object(raw)
    moment = read_time(record.get("__REALTIME_TIMESTAMP") or record.get("_SOURCE_REALTIME_TIMESTAMP"))
    fields: journal.Fields = {name: _values(value) for name, value in record.items() if value is not None}
    return journal.line_of(fields, moment)


def _values(value: Any) -> list[bytes]:
    if isinstance(value, list):
        if value and all(isinstance(item, int) for item in value):
            return [bytes(item & 255 for item in value)]
        return [_values(item)[0] for item in value] or [b""]
    return [str(value).encode("utf-8", "backslashreplace")]


def _of_loki_answer(chunks: Iterable[bytes], limit: int) -> Iterator[TextLine]:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > min(limit, loki.MAX_PAGE_BYTES):
            raise NotAnAnswerError(f"an answer of more than {loki.MAX_PAGE_BYTES:,} bytes")
    for line in sorted(loki.read_page(bytes(body)), key=lambda line: line.nanoseconds):
        yield loki.line_of(line)


def _logcli(raw: bytes, _: datetime | None) -> TextLine:
    """`logcli -o jsonl`: {"timestamp", "line", "labels"}."""
    record = _object(raw)
    labels = record.get("labels") or record.get("stream") or {}
    text = record.get("line", record.get("message"))
    moment = read_time(record.get("timestamp", record.get("ts")))
    nanoseconds = (moment - EPOCH) // loki.MICROSECOND * 1_000
    labels = {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}
    return loki.line_of(loki.LokiLine(nanoseconds, str(text), labels))


def _text(raw: bytes, previous: datetime | None) -> TextLine:
    """A line of a file. A line without a time may continue the line before it, and then has the same time."""
    text = raw.decode("utf-8", "backslashreplace")
    if text[:1] == "{":
        line, _ = explain(raw)
        return TextLine(line.time, text)
    moment = time_in_text(text)
    if moment is None:
        doubtful = _DATE_IN_DOUBT.match(text)
        reason = f"{IN_DOUBT}: {doubtful[1]}" if doubtful else "no time at the head of the line"
        if previous is None:
            raise RejectedError(reason)
        return TextLine(previous, text, is_timed=_LIKE_A_TIME.match(text) is not None, metadata={NO_TIME: reason})
    return TextLine(moment, text)


def _goes_on_with(raw: bytes, before: str) -> bool:
    """Whether an object without a time belongs to the line of text before it: `Request failed:`, and then its body."""
    if raw[:1] != b"{" or before[:1] in ("", "{"):
        return False
    return b'{  "' in raw[:40] or before.rstrip().endswith(":") or _NOT_JSON.match(raw) is not None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        raise RejectedError(f"not JSON: {clip(raw)[:60]}") from None
    if not isinstance(record, dict):
        raise RejectedError(f"a JSON {type(record).__name__}, not an object")
    return record


_NOT_JSON = re.compile(rb"\{\s{0,8}[^\s\"}]")  # `{:type :x}` of Clojure, `{Host:db}` of Go
_BEGIN_RECORDS = (b"{", b"<")  # that may be spread over several lines
NO_TIME = "noTime"  # metadata of a line without a time: the reason
_DATE_IN_DOUBT = re.compile(r"[\W_]{0,3}([01]?\d/[01]?\d/(?:19|20)\d\d)[ T:,]")
# A time, or a part of one, that cannot be used: the line is rejected, not taken for a continuation.
_LIKE_A_TIME = re.compile(r"[\W_]{0,3}(?:\d{1,4}[-/.:]\d|[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:|\d{1,2} [A-Z][a-z]{2} \d)")
OF_SOURCE = "the line itself"
_READERS = {Form.JOURNAL: _journal_json, Form.LOKI: _logcli, Form.DOCKER: docker_line, Form.TEXT: _text}
