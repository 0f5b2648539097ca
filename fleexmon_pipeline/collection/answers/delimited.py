"""Delimited values below a header: CSV, tab-separated values, the W3C extended format of web servers, Zeek's logs.

Here: whether a body is such a table, from its first lines, and its rows as JSON records, in bounded memory. In the W3C
format the day may stand only in a `#Date` line above the rows.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain, islice

from fleexmon_pipeline.collection.answers.record_runs import MAX_KEPT_BYTES, Raw
from fleexmon_pipeline.collection.answers.tables import is_of_types
from fleexmon_pipeline.collection.reading.fields import named_like, ranked
from fleexmon_pipeline.collection.reading.names import LIKE_A_TIME, MESSAGE_FIELDS, TEXT_FIELDS, TIME_FIELDS
from fleexmon_pipeline.collection.records import RejectedError, read
from fleexmon_pipeline.collection.times.value import read_time

MAX_HEAD_BYTES = 16_000  # must hold the header and the first row
MAX_BLANKS = 64  # before the first character of a body
MAX_HEADER_LINES = 40  # Zeek has eight
MIN_COLUMNS, MAX_COLUMNS = 2, 500
ROWS_A_RUN = 1_000
MAX_TITLE_LINES = 5  # above the header: what was asked for, by whom and when
MAX_LINE_BYTES = 1_000_000  # of a row; csv itself limits a field to 131,072 characters

_SEPARATORS = ("\t", ",", ";", "|")
_NAME = re.compile(r"#|[A-Za-z_@*$][\w@ .()/:*$-]{0,60}")
_FIELDS = re.compile(r"#\s?fields:?\s+(?P<names>\S.*)", re.IGNORECASE)
_DATE = re.compile(r"#\s?date:\s+(?P<date>\S.*)", re.IGNORECASE)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_HALF_A_DAY = 12  # hours: a clock that goes back by more has passed midnight


@dataclass
class Table:
    """Column names, the separator of values, the lines above the header, and the day of rows that have only a time.

    is_commented: the header is made of `#` lines (`#Fields`, `#Date`), and more of them may come between the rows.
    """

    names: list[str]
    separator: str
    is_commented: bool = False
    day: date | None = None
    titles: int = 0
    _last_hour: int = field(default=-1, init=False)

    def records(self, chunks: Iterable[bytes]) -> Iterator[list[Raw]]:
        """`chunks` begin with the header, or its titles. A row of types below it is left out. A row that
        csv cannot read becomes a JSON string, which is no record."""
        lines = islice(self._lines(chunks), self.titles, None)
        rows = csv.reader(lines, delimiter=self.separator, skipinitialspace=self.separator == " ")
        records: list[Raw] = []
        is_header = may_be_types = not self.is_commented
        while (row := _next_row(rows)) is not None:
            if isinstance(row, str):
                records.append(json.dumps(row).encode())
            elif is_header or not row:
                is_header = is_header and not row
            elif may_be_types and is_of_types(row):
                may_be_types = False
            else:
                records.append(self.record(row))
                may_be_types = False
            if len(records) >= ROWS_A_RUN:
                yield records
                records = []
        yield records

    def record(self, row: list[str]) -> bytes:
        """As JSON. Surplus values belong to the last column, whose text was not quoted; `-` means no value."""
        if len(row) > len(self.names):
            row = [*row[: len(self.names) - 1], self.separator.join(row[len(self.names) - 1 :])]
        if len(row) < len(self.names) and len(row) < MIN_COLUMNS:
            return json.dumps(self.separator.join(row)).encode()
        values = {name: value for name, value in zip(self.names, row, strict=False) if value not in ("", "-")}
        if self.day is not None and "date" not in values and (clock := values.get("time")):
            values["date"] = self._day_of(clock)
        return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _day_of(self, clock: str) -> str:
        """A clock that goes back by more than 12 hours begins the next day."""
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
        """None for a `#` line, which may come again between the rows."""
        text = raw.decode("utf-8", "replace").removesuffix("\r").replace("\0", "\u2400") + "\n"
        if not self.is_commented or text[:1] != "#":
            return text if self.separator != " " or "\t" not in text else text.replace("\t", " ")
        if match := _DATE.match(text):
            self.day, self._last_hour = _parse_day(match["date"]) or self.day, -1
        return None


def detect_table(chunks: Iterator[bytes]) -> tuple[Table | None, Iterator[bytes]]:
    """The table if the body is one, and the whole body. A body that begins like JSON is not looked into."""
    head = next(chunks, b"")
    if head[:MAX_BLANKS].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"[", b""):
        while len(head) < MAX_HEAD_BYTES and (more := next(chunks, b"")):
            head += more
        head = head.removeprefix(b"\xef\xbb\xbf")
        return table_in_text(head), chain([head], chunks)
    return None, chain([head], chunks)


def table_in_text(head: bytes) -> Table | None:
    """The table whose header begins a body, if its first row is a log record, or if there is no row at all. A few lines
    may be above the header, `sep=,` or a title, if a row is below it."""
    lines = [line.removesuffix("\r") for line in head[:MAX_HEAD_BYTES].decode("utf-8", "replace").split("\n")]
    commented = _commented_header(lines) if lines[0][:1] == "#" else None
    plain = (_plain_header(line) for line in lines[: MAX_TITLE_LINES + 1])
    for titles, table in enumerate([commented] if commented else plain):
        if table is None or not _has_a_time(table.names):
            continue
        table.titles = titles
        first = next(replace(table).records([head[:MAX_HEAD_BYTES]]), [])
        if first and _is_record(bytes(first[0])):
            return table
        if not first and not titles and len(head) < MAX_HEAD_BYTES:
            return table if table.is_commented or _has_a_message(table.names) else None
    return None


def _next_row(rows: Iterator[list[str]]) -> list[str] | str | None:
    """The next row; the reason if it cannot be read; None at the end."""
    try:
        return next(rows, None)
    except csv.Error as error:
        return f"not a row of values: {error}"


def _has_a_time(names: list[str]) -> bool:
    return bool(ranked(TIME_FIELDS, tuple(names)) or named_like(names, LIKE_A_TIME))


def _has_a_message(names: list[str]) -> bool:
    return bool(ranked((*MESSAGE_FIELDS, *TEXT_FIELDS), tuple(names)))


def _plain_header(line: str) -> Table | None:
    """A line of column names, split at its most frequent separator."""
    separator = max(_SEPARATORS, key=line.count)
    if separator not in line or len(line) > MAX_KEPT_BYTES:
        return None
    row = _next_row(csv.reader([line], delimiter=separator))
    names = [name.strip() for name in row] if isinstance(row, list) else []
    is_header = (
        MIN_COLUMNS <= len(names) <= MAX_COLUMNS and len(set(names)) == len(names) and all(map(_NAME.fullmatch, names))
    )
    return Table(names, separator) if is_header else None


def _commented_header(lines: list[str]) -> Table | None:
    """`#` lines, one of which is `#Fields`. Values are separated by tabs or blanks."""
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
    separator = "\t" if first.count("\t") == len(names) - 1 > 0 else " "
    return (
        Table(names, separator, is_commented=True, day=_parse_day(day) if day else None)
        if len(names) >= MIN_COLUMNS
        else None
    )


def _parse_day(text: str) -> date | None:
    try:
        return read_time(text.strip() if ":" in text else f"{text.strip()} 00:00:00").date()
    except RejectedError:
        return None


def _is_record(raw: bytes) -> bool:
    try:
        read(raw)
    except RejectedError:
        return False
    return True
