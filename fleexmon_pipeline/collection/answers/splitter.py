"""Split a node's answer into records while it arrives, run by run. A bad record does not affect its neighbours.

Accepted: an array, `{"logs": [...]}`, one JSON object per line (NDJSON), one record, batches of OpenTelemetry, rows
below a header. If a body breaks off, the records before the break are used. Only bytes that are not split yet are in
memory, a few MB for an answer of any length. Splitting what has arrived of an array: `array_parts.py`. A record over
the limit is skipped and rejected; finding its end: `long_records.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

import msgspec

from fleexmon_pipeline.collection.answers.array_parts import drop_comma, is_unfinished, salvage, split_off
from fleexmon_pipeline.collection.answers.delimited import detect_table, table_in_text
from fleexmon_pipeline.collection.answers.framed import MAX_UNRECOGNISED_BYTES, unframed
from fleexmon_pipeline.collection.answers.long_records import skip_record
from fleexmon_pipeline.collection.answers.otlp import unbatched
from fleexmon_pipeline.collection.answers.record_runs import Raw, Run, reason_of
from fleexmon_pipeline.collection.answers.refused import EmptyBodyError, NotAnAnswerError, clip
from fleexmon_pipeline.collection.answers.spread_records import SpreadRecords
from fleexmon_pipeline.collection.answers.tables import (
    ROWS_TO_SEE,
    START_OF_ROW,
    are_rows,
    header_of,
    is_row,
    is_stream,
    lines_of_stream,
    row_of,
    row_of_types,
    row_without_names,
)
from fleexmon_pipeline.collection.answers.timed_maps import by_time
from fleexmon_pipeline.collection.answers.whole import (
    RECORD_FIELDS,
    has_its_fields,
    is_event_with_logs,
    is_of_a_fault,
    more_of,
    records_of,
)
from fleexmon_pipeline.settings import Limits

SPLIT_FROM = 64_000  # bytes to wait for before they are split, doubled when they hold no boundary; 1 MB is 8 % slower
BOM = b"\xef\xbb\xbf"
SALVAGE_FROM = 4_000_000  # bytes without a certain boundary: they contain a record that is not JSON, or is very long
MAX_BANNER_BYTES = 64_000  # of lines before the first record that are not records
MAX_BEFORE_RECORD = 20  # bytes of a list within a list


class _Wrapped(msgspec.Struct):
    logs: list[msgspec.Raw]


_wrapped = msgspec.json.Decoder(_Wrapped)
_GUARD = re.compile(rb"(?:\)\]\}',?|while\s*\(1\);|for\s*\(;;\);)\s*(?=[\[{])")  # against scripts that read an answer
_START_OF_LOGS = re.compile(rb'\s*\{\s*"logs"\s*:\s*\[')
_START_OF_ARRAY = re.compile(
    rb"\[\s*(?:[\[{\]\"]|(?:-?\d+(?:\.\d+)?|true|false|null)\s*[,\]]|$)"
)  # no text such as `[INFO] started`
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_START_OF_RECORD = re.compile(rb'\s*\{\s*"(?:' + "|".join(RECORD_FIELDS).encode() + rb')"\s*:')


class Splitter:
    """`for run in splitter.runs(chunks)`; afterwards `broken` is None, or the reason why records may be missing."""

    def __init__(self, max_record_bytes: int = Limits().record_bytes) -> None:
        self.broken: str | None = None
        self._max = max_record_bytes
        self._count = 0
        self._names: list[str] = []  # of columns, if the answer is a list of rows after a header

    def runs(self, chunks: Iterable[bytes]) -> Iterator[Run]:
        """Raises NotAnAnswerError, before the first record only."""
        table, parts = detect_table(unframed(iter(chunks)))
        if table is not None:
            for records in table.records(parts):
                yield self._counted(Run(records), self._max + 1)
        else:
            yield from self._of_json(parts)

    def _of_json(self, parts: Iterator[bytes]) -> Iterator[Run]:  # noqa: PLR0912 - a branch for each form
        buffer = bytearray()
        for chunk in parts:
            buffer += chunk
            if buffer.startswith(BOM):
                del buffer[: len(BOM)]
            if buffer[:1].isspace():
                buffer = buffer.lstrip()
            if not buffer:
                continue
            if match := _GUARD.match(buffer):
                del buffer[: match.end()]
            if match := _START_OF_LOGS.match(buffer):
                del buffer[: match.end()]
                yield from self._array(buffer, parts, opening=b'{"logs":[')
                return
            if _START_OF_ARRAY.match(buffer):
                if START_OF_ROW.match(buffer) and buffer.count(b"\n") < ROWS_TO_SEE and len(buffer) < MAX_BANNER_BYTES:
                    continue
                yield from self._list(buffer, parts)
                return
            end, is_object = buffer.find(b"\n"), buffer[:1] == b"{"
            if end >= 0 and (_is_record(bytes(buffer[:end])) or _has_record_line(buffer, end)):
                yield from self._lines(buffer, parts)
                return
            if end < 0 and len(buffer) > self._max and _START_OF_RECORD.match(buffer):
                yield from self._lines(buffer, parts)
                return
            if not is_object and len(buffer) > MAX_BANNER_BYTES:
                raise NotAnAnswerError(f"not JSON: {clip(bytes(buffer))}")
            if len(buffer) > MAX_UNRECOGNISED_BYTES:
                size = f"{MAX_UNRECOGNISED_BYTES:,}"
                raise NotAnAnswerError(f"an object of more than {size} bytes: {clip(bytes(buffer))}")
        if _START_OF_ARRAY.match(buffer):
            yield from self._list(buffer, parts)
        else:
            yield from self._whole(bytes(buffer))

    def _list(self, buffer: bytearray, chunks: Iterator[bytes]) -> Iterator[Run]:
        """An array, or a row of a table a line."""
        if are_rows(buffer[:MAX_BANNER_BYTES]):
            yield from self._lines(buffer, chunks, of_rows=True)
        else:
            del buffer[:1]
            yield from self._array(buffer, chunks, opening=b"[")

    def _array(self, buffer: bytearray, chunks: Iterator[bytes], *, opening: bytes) -> Iterator[Run]:
        """Records of an array. `buffer` begins after its opening bracket."""
        enough = SPLIT_FROM
        for chunk in chunks:
            buffer += chunk
            if len(buffer) < enough:
                continue
            drop_comma(buffer)
            is_long = len(buffer) > min(SALVAGE_FROM, self._max)
            unfinished = is_long and is_unfinished(bytes(buffer))
            run, end = (Run([]), 0) if unfinished else split_off(buffer)
            if not run and is_long and not unfinished:
                raws, end, closed = salvage(bytes(buffer))
                if closed:
                    break
                run = Run(raws)
            if run:
                run = self._counted(run, end)
                del buffer[:end]
                yield run
            elif len(buffer) > self._max:
                long = self._skip_record(buffer, chunks)
                if long is None:
                    return
                yield long
                run = long
            enough = SPLIT_FROM if run else _more_than(len(buffer))
        drop_comma(buffer)
        try:
            rest = opening + bytes(buffer)
            run = Run.of_array(rest) if opening == b"[" else self._logs_of(rest)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raws, end, closed = salvage(bytes(buffer))
            if not closed:
                self.broken = f"the answer breaks off after {self._count + len(raws):,} records"
            more = buffer[end + 1 :].lstrip()
            is_one_row = opening == b"[" and closed and more[:1] == b"[" and not self._count
            yield self._counted(Run(_listed_in(b"[" + b",".join(raws) + b"]") if is_one_row else raws), len(buffer))
            if closed and opening != b"[":
                self._note_more(b'{"logs": []' + _with_rest(more, chunks), self._count)
            elif closed and more:
                yield from self._behind_list(more, chunks)
            return
        yield self._counted(run, len(buffer))

    def _behind_list(self, buffer: bytearray, chunks: Iterator[bytes]) -> Iterator[Run]:
        """Handle bytes after a list: another list per line, or unknown content, which then may contain more records."""
        if buffer[:1] == b"[":
            yield from self._lines(buffer, chunks, of_lists=True)
        else:
            self.broken = f"the answer continues after its list of {self._count:,} records"

    def _lines(
        self, buffer: bytearray, chunks: Iterator[bytes], *, of_lists: bool = False, of_rows: bool = False
    ) -> Iterator[Run]:
        """Lines of one object, one list or one row each. The last may be cut; any other bad line is a record to
        reject."""
        spread = SpreadRecords()
        while True:
            *whole, rest = bytes(buffer).split(b"\n")
            lines = [line for line in whole if line[-1:] == b"}"]
            if spread.has_begun or len(lines) < len(whole):  # rare: a record spans several lines, or a line is blank
                lines = [line for line in whole if line.strip()]
                lines = lines if of_lists or of_rows else list(spread.whole(lines))
            if b"\0" in buffer:  # from a file that was truncated while it was being written
                lines = [text for line in lines if (text := line.lstrip(b"\0")).strip()]
            raws = [raw for line in lines for raw in _listed_in(line)] if of_lists else lines
            yield self._counted(Run(raws), len(buffer))
            buffer[:] = rest
            if len(buffer) > self._max:
                long = self._skip_record(buffer, chunks, is_line=True)
                if long is None:
                    return
                yield long
                continue
            gathered = False
            for chunk in chunks:
                buffer += chunk
                gathered = True
                if b"\n" in chunk or len(buffer) > self._max:  # a line of 1 GB took 2.9 GB of memory
                    break
            if not gathered:
                break
        if spread.has_begun:
            kept = list(spread.whole([bytes(buffer)] if buffer.strip() else [])) or spread.rest()
            if is_one := len(kept) == 1 and _is_object(kept[0]):
                buffer.clear()
            yield self._counted(Run(kept if is_one else [line for line in kept if line != buffer]), sum(map(len, kept)))
        if _is_object(bytes(buffer)) or ((of_lists or of_rows) and buffer.rstrip().endswith(b"]")):
            yield self._counted(Run(_listed_in(bytes(buffer)) if of_lists else [bytes(buffer)]), len(buffer))
        elif buffer.strip():
            self.broken = f"the answer breaks off after {self._count:,} records"

    def _whole(self, body: bytes) -> Iterator[Run]:
        """An object that must be complete to recognise its form: one record, or an answer with fields before `logs`."""
        if not body.strip():
            raise EmptyBodyError("an empty body")
        try:
            run = self._logs_of(body)
            if not run and is_event_with_logs(body):
                run = Run([body])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            run = Run(records_of(body))
            if len(run) and bytes(next(iter(run))) != body and body[:1] == b"{":
                self._note_more(body, len(run))
        yield self._counted(run, len(body))

    def _note_more(self, body: bytes, count: int) -> None:
        """Set `broken` if the answer says that it lacks records. Its records are used all the same."""
        if more := more_of(body):
            self.broken = f"the answer has {count:,} records, and says that it is incomplete: {more}"

    def _logs_of(self, body: bytes) -> Run:
        run = Run(_wrapped.decode(body).logs)
        if not run and not self._count and is_of_a_fault(body) and not is_event_with_logs(body):
            raise NotAnAnswerError(f"an empty list and an error: {clip(body)}")
        if run or self._count:
            self._note_more(body, self._count + len(run))
        return run

    def _counted(self, run: Run, length: int) -> Run:
        """The run with batches split and long records moved aside. length: minimum size of the run in bytes."""
        run = self._named(unbatched(run))
        self._count += len(run)
        return run.within(self._max) if length > self._max else run

    def _named(self, run: Run) -> Run:
        """Rows, `[["time", "message"], ["2026-…", "…"]]`, as records, with or without a header; Loki's streams as their
        lines."""
        first = b"" if run.is_common() or not len(run) else next(iter(run), b"")
        if first and by_time(first):
            return Run([record for raw in run for record in by_time(raw) or [raw]], too_long=run.too_long)
        if first and is_stream(first):
            return Run([line for raw in run for line in lines_of_stream(raw)], too_long=run.too_long)
        if bytes(memoryview(first)[:1]) != b"[":
            return run
        raws = list(run)
        if not self._names and is_row(raws[0]):
            return Run([row_without_names(raw) for raw in raws], too_long=run.too_long)
        if not self._count and not self._names:
            self._names = header_of(raws[0])
            raws = raws[1:] if self._names else raws
        if self._names and not self._count and raws and row_of_types(raws[0]):
            raws = raws[1:]
        if not self._names and bytes(memoryview(raws[0])[:MAX_BEFORE_RECORD]).translate(None, b" \n\t\r")[:2] == b"[{":
            return Run([record for raw in raws for record in _listed_in(bytes(raw))], too_long=run.too_long)  # pages
        return Run([row_of(self._names, raw) for raw in raws], too_long=run.too_long) if self._names else run

    def _skip_record(self, buffer: bytearray, chunks: Iterator[bytes], *, is_line: bool = False) -> Run | None:
        """The beginning of the long record at the start of `buffer`, which is removed from it. None if the record does
        not end; `broken` is then set."""
        skipped = skip_record(buffer, chunks, is_line=is_line)
        if skipped is None:
            self.broken = f"after {self._count:,} records one has more than {self._max:,} bytes and no end"
            return None
        self._count += 1
        head, length = skipped
        return Run([], too_long=[(head, reason_of(length, self._max))])


def _more_than(length: int) -> int:
    """Bytes to wait for when so many contain no boundary. Stops where salvaging begins: which sizes the network's
    chunks happen to add up to must not decide whether 4 MB or almost 8 MB are salvaged at once (25 or 43 MB at peak).
    """
    return min(2 * length, SALVAGE_FROM + 1) if length <= SALVAGE_FROM else 2 * length


def _with_rest(begun: bytearray, chunks: Iterator[bytes]) -> bytes:
    """The rest of an object after its list, unless it is long."""
    for chunk in chunks:
        begun += chunk
        if len(begun) > MAX_BANNER_BYTES:
            return b""
    return bytes(begun)


def _listed_in(line: bytes) -> list[Raw]:
    """The records of a list, or the list as one record if it is a row of values; any other line is one record."""
    try:
        raws: list[Raw] = list(_raws(line))
        return [row_without_names(line)] if raws and bytes(raws[0])[:1] not in (b"{", b"[") and is_row(line) else raws
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [line]


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and ("logs" not in record or is_event_with_logs(line))


def _has_record_line(buffer: bytearray, end: int) -> bool:
    """Whether a later line is a record. Then all lines are, and only the first line is rejected.

    Not if the first line begins an object that continues: then lines that look like records are parts of it.
    """
    if buffer[:1] == b"{" and not buffer[:end].rstrip().endswith(b"}"):
        return False
    lines = bytes(buffer[end:MAX_BANNER_BYTES]).split(b"\n")[:-1]
    return any(_is_record(line) and has_its_fields(json.loads(line), line) for line in lines if line[:1] == b"{")


def is_records(head: bytes) -> bool:
    """Whether a body with this beginning seems to contain JSON records."""
    body = bytearray(head.removeprefix(BOM).lstrip())
    if body[:1] == b"{" or _START_OF_ARRAY.match(body) is not None or _has_record_line(body, body.find(b"\n") + 1):
        return True
    return table_in_text(bytes(body)) is not None
