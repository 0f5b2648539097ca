"""Records that a tool prints for people, one field per line: PowerShell's `Format-List`, `wevtutil … /f:text`, a row of
psql's `\\x` and of mysql's `\\G`; and a journal as `journalctl -o verbose` prints it.

Here: such lines become records. Which format a file has: `inputs.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import takewhile

from fleexmon_pipeline.collection.reading.fields import named_like, ranked
from fleexmon_pipeline.collection.reading.names import LIKE_A_TIME, TIME_FIELDS
from fleexmon_pipeline.collection.sources.journal import MICROSECOND, Fields
from fleexmon_pipeline.collection.times.epochs import MIN_TIME, RejectedError
from fleexmon_pipeline.collection.times.value import read_time
from fleexmon_pipeline.window import EPOCH

MAX_RECORD_BYTES = 1_000_000  # the rest of a longer record is dropped
MIN_FIELDS = 2

_VERBOSE = re.compile(r"\S{2,12} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \S{1,12}) \[(s=[^\]]{1,300})\]$")
_FIELD_OF_JOURNAL = re.compile(r" {4}([A-Z0-9_]{1,64})=(.*)")
_REALTIME = re.compile(r"(?:^|;)t=([0-9a-f]{1,16})(?:;|$)")
_INDENT = 4  # of a journal field; further lines of its value are indented more
# The line that begins an entry, and a line with a field.
_KINDS = (
    (re.compile(r"Event\[\d{1,9}\]:?$"), re.compile(r" {2}([A-Z][A-Za-z ]{1,30}):(?: (.*))?$")),
    (re.compile(r"\*{10,40} \d{1,9}\. row \*{10,40}$"), re.compile(r" {0,64}([A-Za-z_@]\w{0,63}): (.*)$")),
    (re.compile(r"-\[ RECORD \d{1,9} \][-+]{0,200}$"), re.compile(r"([A-Za-z_@]\w{0,63}) {0,64}\| (.*)$")),
)
_LISTED = re.compile(r"[A-Za-z]\w{0,40} {0,40}: ")


class Listing:
    """begins: the line above an entry; None: blank lines separate entries. field: a line with a name and its value."""

    def __init__(self, begins: re.Pattern[str] | None, field: re.Pattern[str]) -> None:
        self._begins, self._field = begins, field

    def ndjson(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The records, one per line."""
        record: dict[str, list[str]] = {}  # the lines of each value
        name, held = "", 0
        for line in _lines(chunks):
            if self._begins.match(line) if self._begins else not line.strip():
                yield from _encoded(record)
                record, name, held = {}, "", 0
            elif held >= MAX_RECORD_BYTES:
                continue
            elif match := self._field.match(line):
                name = match[1].strip()
                record[name] = [match[2] or ""]
            elif name:
                record[name].append(line.strip())
            held += len(line)
        yield from _encoded(record)


def listing_in(head: bytes) -> Listing | None:
    """The kind of listing that a file begins with, if any."""
    lines = head[:MAX_RECORD_BYTES].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r", "").split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    for begins, field in _KINDS:
        if first < len(lines) and begins.match(lines[first]):
            return Listing(begins, field)
    column = lines[first].find(" : ") if first < len(lines) else -1
    entry = list(takewhile(str.strip, lines[first:]))
    names = [line[:column].strip() for line in entry if _LISTED.match(line) and line[column : column + 3] == " : "]
    if (
        column < 1
        or names[:MIN_FIELDS] != [line[:column].strip() for line in entry[:MIN_FIELDS]]
        or not _have_a_time(names)
    ):
        return None
    return Listing(None, re.compile(rf"([A-Za-z][\w ]{{{column - 1}}}) : (.*)$")) if len(names) >= MIN_FIELDS else None


def _have_a_time(names: list[str]) -> bool:
    return bool(ranked(TIME_FIELDS, tuple(names)) or named_like(names, LIKE_A_TIME))


def is_verbose(head: bytes) -> bool:
    """Whether a file begins with an entry as `journalctl -o verbose` prints it."""
    lines = head[:MAX_RECORD_BYTES].decode("utf-8", "replace").split("\n")
    first = next((line for line in lines if line.strip() and not line.startswith("-- ")), "")
    return _VERBOSE.match(first.rstrip()) is not None


def journal_entries(chunks: Iterable[bytes]) -> Iterator[tuple[Fields, datetime]]:
    """Journal entries with their times. An entry without a time is skipped."""
    fields: Fields = {}
    more: list[bytes] = []  # further lines of the current value
    moment: datetime | None = None
    name, held = "", 0
    for line in _lines(chunks):
        if match := _VERBOSE.match(line):
            _extend(fields, name, more)
            if moment is not None and fields:
                yield fields, moment
            fields, held, moment, name = {"__CURSOR": [match[2].encode()]}, 0, _moment_of(match), ""
        elif held >= MAX_RECORD_BYTES:
            continue
        elif match := _FIELD_OF_JOURNAL.match(line):
            _extend(fields, name, more)
            name = match[1]
            fields.setdefault(name, []).append(match[2].encode("utf-8", "surrogatepass"))
        elif name and line.startswith(" " * (_INDENT + 1)):
            more.append(line[_INDENT + len(name) + 1 :].encode("utf-8", "surrogatepass"))
        held += len(line)
    _extend(fields, name, more)
    if moment is not None and fields:
        yield fields, moment


def _extend(fields: Fields, name: str, more: list[bytes]) -> None:
    """Join the lines of a value at once: one at a time took seconds per MB."""
    if more:
        fields[name][-1] = b"\n".join([fields[name][-1], *more])
        more.clear()


def _moment_of(match: re.Match[str]) -> datetime | None:
    """From its microseconds since 1970, which need no time zone; otherwise from the printed time."""
    if counted := _REALTIME.search(match[2]):
        moment = EPOCH + int(counted[1], 16) * MICROSECOND if len(counted[1]) < 15 else EPOCH
        if moment >= MIN_TIME:
            return moment
    try:
        return read_time(match[1])
    except RejectedError:
        return None


def _encoded(record: dict[str, list[str]]) -> Iterator[bytes]:
    if record:
        values = {name: "\n".join(lines).strip() for name, lines in record.items()}
        yield json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines, cut at MAX_RECORD_BYTES."""
    rest = b""
    for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        for part in whole:
            yield (rest + part)[:MAX_RECORD_BYTES].decode("utf-8", "backslashreplace").rstrip("\r")
            rest = b""
        rest = (rest + tail)[:MAX_RECORD_BYTES]
    if rest:
        yield rest.decode("utf-8", "backslashreplace").rstrip("\r")
