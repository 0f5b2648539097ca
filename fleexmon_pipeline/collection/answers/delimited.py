"""Values beneath a header, a row a line: CSV, values between tabs, the W3C extended format of web servers, Zeek's logs.

Here: whether a body is one, by its first lines alone, and its rows as JSON records, in bounded memory. In W3C's format
the day may be told only by `#Date`, before the rows.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain

from fleexmon_pipeline.collection.answers.record_runs import MAX_KEPT_BYTES, Raw
from fleexmon_pipeline.collection.reading.fields import named_like, ranked
from fleexmon_pipeline.collection.reading.names import LIKE_A_TIME, MESSAGE_FIELDS, TEXT_FIELDS, TIME_FIELDS
from fleexmon_pipeline.collection.records import RejectedError, read
from fleexmon_pipeline.collection.times.value import read_time

MAX_HEAD_BYTES = 16_000  # in which a header and the first row must be
MAX_BLANKS = 64  # before a body's first character
MAX_HEADER_LINES = 40  # Zeek has eight
MIN_COLUMNS, MAX_COLUMNS = 2, 500
ROWS_A_RUN = 1_000
MAX_LINE_BYTES = 1_000_000  # of a row; csv itself takes fields of 131,072 characters

_SIGNS = ("\t", ",", ";", "|")
_NAME = re.compile(r"[A-Za-z_@*$][\w@ .()/:*$-]{0,60}")
_FIELDS = re.compile(r"#\s?fields:?\s+(?P<names>\S.*)", re.IGNORECASE)
_DATE = re.compile(r"#\s?date:\s+(?P<date>\S.*)", re.IGNORECASE)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_HALF_A_DAY = 12  # hours that a clock goes back by where a day ends


@dataclass
class Table:
    """`names` of columns, the sign between values, and the day of rows that have none.

    is_marked: the names stand in a line that begins with `#Fields`, and other lines that begin so tell of the table.
    """

    names: list[str]
    sign: str
    is_marked: bool = False
    day: date | None = None
    _last_hour: int = field(default=-1, init=False)

    def records(self, chunks: Iterable[bytes]) -> Iterator[list[Raw]]:
        """`chunks` begin with the header. A row that csv cannot read is given as a text, which is no record."""
        rows = csv.reader(self._lines(chunks), delimiter=self.sign, skipinitialspace=self.sign == " ")
        records: list[Raw] = []
        is_header = not self.is_marked
        while (row := _next_row(rows)) is not None:
            if isinstance(row, str):
                records.append(json.dumps(row).encode())
            elif is_header or not row:
                is_header = is_header and not row
            else:
                records.append(self.record(row))
            if len(records) >= ROWS_A_RUN:
                yield records
                records = []
        yield records

    def record(self, row: list[str]) -> bytes:
        """More values than names are parts of the last one, which was not quoted; `-` stands for none."""
        if len(row) > len(self.names):
            row = [*row[: len(self.names) - 1], self.sign.join(row[len(self.names) - 1 :])]
        if len(row) < len(self.names) and len(row) < MIN_COLUMNS:
            return json.dumps(self.sign.join(row)).encode()
        values = {name: value for name, value in zip(self.names, row, strict=False) if value not in ("", "-")}
        if self.day is not None and "date" not in values and (clock := values.get("time")):
            values["date"] = self._day_of(clock)
        return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _day_of(self, clock: str) -> str:
        """The day goes on where the clock goes back by more than half of one."""
        if self.day is not None and (match := _CLOCK.match(clock)):
            hour = int(match[1])
            if hour + _HALF_A_DAY < self._last_hour:
                self.day += timedelta(days=1)
            self._last_hour = hour
        return str(self.day)

    def _lines(self, chunks: Iterable[bytes]) -> Iterator[str]:
        rest = b""
        for chunk in chunks:
            *whole, tail = chunk.split(b"\n")
            for part in whole:
                line = self._text((rest + part)[:MAX_LINE_BYTES])
                rest = b""
                if line is not None:
                    yield line
            rest = (rest + tail)[:MAX_LINE_BYTES]
        if rest and (line := self._text(rest)) is not None:
            yield line

    def _text(self, raw: bytes) -> str | None:
        """None for a line of the header of W3C's format, which may come again in the middle."""
        text = raw.decode("utf-8", "replace").removesuffix("\r").replace("\0", "\u2400") + "\n"
        if not self.is_marked or text[:1] != "#":
            return text if self.sign != " " or "\t" not in text else text.replace("\t", " ")
        if match := _DATE.match(text):
            self.day, self._last_hour = _day(match["date"]) or self.day, -1
        return None


def opened(chunks: Iterator[bytes]) -> tuple[Table | None, Iterator[bytes]]:
    """The table that a body is, and the body. JSON is told by its first character."""
    head = next(chunks, b"")
    if head[:MAX_BLANKS].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"[", b""):
        while len(head) < MAX_HEAD_BYTES and (more := next(chunks, b"")):
            head += more
        head = head.removeprefix(b"\xef\xbb\xbf")
        return table_in_text(head), chain([head], chunks)
    return None, chain([head], chunks)


def table_in_text(head: bytes) -> Table | None:
    """The header that a body begins with, if the row below it is a log record; or a header and nothing below it."""
    lines = [line.removesuffix("\r") for line in head[:MAX_HEAD_BYTES].decode("utf-8", "replace").split("\n")]
    table = _marked(lines) if lines[0][:1] == "#" else _named(lines[0])
    if table is None or not _has_a_time(table.names):
        return None
    first = next(replace(table).records([head[:MAX_HEAD_BYTES]]), [])
    if first:
        return table if _is_good(bytes(first[0])) else None
    return table if len(head) < MAX_HEAD_BYTES and (table.is_marked or _has_a_message(table.names)) else None


def _next_row(rows: Iterator[list[str]]) -> list[str] | str | None:
    """A row, why there is none, or None at the end."""
    try:
        return next(rows, None)
    except csv.Error as error:
        return f"not a row of values: {error}"


def _has_a_time(names: list[str]) -> bool:
    return bool(ranked(TIME_FIELDS, tuple(names)) or named_like(names, LIKE_A_TIME))


def _has_a_message(names: list[str]) -> bool:
    return bool(ranked((*MESSAGE_FIELDS, *TEXT_FIELDS), tuple(names)))


def _named(line: str) -> Table | None:
    """Of a first line that has names, between the sign that it has most of."""
    sign = max(_SIGNS, key=line.count)
    if sign not in line or len(line) > MAX_KEPT_BYTES:
        return None
    row = _next_row(csv.reader([line], delimiter=sign))
    names = [name.strip() for name in row] if isinstance(row, list) else []
    is_header = (
        MIN_COLUMNS <= len(names) <= MAX_COLUMNS and len(set(names)) == len(names) and all(map(_NAME.fullmatch, names))
    )
    return Table(names, sign) if is_header else None


def _marked(lines: list[str]) -> Table | None:
    """Of lines that begin with `#`, one of which is `#Fields`. Between their values are tabs, or blanks."""
    fields = day = None
    for line in lines[:MAX_HEADER_LINES]:
        if line[:1] != "#":
            break
        fields = _FIELDS.match(line) or fields
        day = match["date"] if (match := _DATE.match(line)) else day
    if fields is None:
        return None
    names = fields["names"].split()
    first = next((line for line in lines if line[:1] != "#" and line.strip()), "")
    sign = "\t" if first.count("\t") == len(names) - 1 > 0 else " "
    return Table(names, sign, is_marked=True, day=_day(day) if day else None) if len(names) >= MIN_COLUMNS else None


def _day(text: str) -> date | None:
    try:
        return read_time(text.strip() if ":" in text else f"{text.strip()} 00:00:00").date()
    except RejectedError:
        return None


def _is_good(raw: bytes) -> bool:
    try:
        read(raw)
    except RejectedError:
        return False
    return True
