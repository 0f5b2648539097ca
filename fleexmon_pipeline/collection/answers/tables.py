"""Convert tables in answers of databases to JSON records: column names with rows or columns, columns by name, lists of
names and values, typed values.

Finding the table in an answer: `whole.py`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.reading.names import MESSAGE_FIELDS, TEXT_FIELDS, TIME_FIELDS
from fleexmon_pipeline.collection.times.epochs import MIN_TIME, RejectedError
from fleexmon_pipeline.collection.times.value import read_time
from fleexmon_pipeline.levels import known_level

MIN_COLUMNS = 2  # a time and a message
MAX_COLUMNS = 2_000
MAX_CELLS_BEFORE_A_TIME = 8
MIN_TIME_LENGTH = 10  # characters of a time, or digits of an epoch: shorter numbers are ids
_NAMES = (
    "name",
    "ColumnName",
    "field",
    "column",
    "columnName",
    "text",
    "label",
)  # of a column that is described by an object
_PAIRS = (("field", "value"), ("name", "value"), ("key", "value"), ("Name", "Value"), ("Key", "Value"))
_LEVEL_LABELS = ("level", "detected_level", "severity")
MAX_HEAD = 400  # bytes of a list in which the first stream's name stands
_TYPES = frozenset(("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"))  # DynamoDB
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
ROWS_TO_SEE = 3  # lines: names, types and a row
START_OF_ROW = re.compile(rb'\[\s*(?:"|-?\d|true|false|null)')
_OF_CELLS = re.compile(rb'\[\s*\{\s*"[^"]{1,40}"\s*:\s*\[\s*\{')
_OF_A_COLUMN = frozenset((*TIME_FIELDS, *MESSAGE_FIELDS, *TEXT_FIELDS, "level", "severity"))
# Types of columns, as stores call them
_TYPE = re.compile(
    r"(?:(?:nullable|lowcardinality|array)\()*(?:date|datetime|datetime64|date32|timestamp\w{0,12}|time"
    r"|u?int\d{0,3}|bigint|smallint|integer|float\d{0,2}|double(?: precision)?|decimal|numeric|bool(?:ean)?"
    r"|string|fixedstring|text|varchar|char|keyword"
    r"|json|uuid|ipv[46]|enum\d{0,2}|object|dynamic)(?:\([^()]{0,200}\))?\)*",
    re.IGNORECASE,
)


def tables_in(fields: dict[str, msgspec.Raw]) -> list[list[Raw]]:
    """Readings of these fields as a table, likeliest first: as rows or as columns. A 3 × 3 table may be both."""
    candidates = (table_in(fields), _of_columns(fields), columns_by_name(fields))
    return [table for table in candidates if table]


def is_empty_table(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether the fields are a table without rows: a query that found nothing."""
    if table_in(fields) == []:
        return True
    if any(set(_columns_beside(fields, place, names) or [0]) == {()} for place, names in _named(fields)):
        return True
    lists = {name for name, value in fields.items() if bytes(value).replace(b" ", b"") == b"[]"}
    return len(lists) >= MIN_COLUMNS and not lists.isdisjoint(TIME_FIELDS)


def columns_by_name(fields: dict[str, msgspec.Raw]) -> list[Raw]:
    """`{"timestamp": […], "message": […]}`, and pandas' `{"timestamp": {"0": …, "1": …}, "message": {…}}`."""
    lists = {name: _decoded(bytes(value)) for name, value in fields.items() if bytes(value)[:1] == b"["}
    if len(lists) < MIN_COLUMNS:
        keyed = {name: _decoded(bytes(value)) for name, value in fields.items() if bytes(value)[:1] == b"{"}
        are_alike = len({tuple(column) if isinstance(column, dict) else None for column in keyed.values()}) == 1
        lists = {name: list(column.values()) for name, column in keyed.items() if column} if are_alike else {}
    columns = list(lists.values())
    if len(columns) < MIN_COLUMNS or not all(columns) or any(isinstance(column[0], dict) for column in columns):
        return []
    return _turned([_of_one(name) for name in lists], columns)


def _of_one(name: str) -> str:
    """`timestamps` of a column holds a `timestamp` in each row."""
    return name[:-1] if name.lower()[-1:] == "s" and name.lower()[:-1] in _OF_A_COLUMN else name


def _of_columns(fields: dict[str, msgspec.Raw]) -> list[Raw]:
    """Grafana's frames: `{"schema": {"fields": […]}, "data": {"values": [[…], […]]}}`; or a list beside names."""
    for place, names in _named(fields):
        if records := _turned(names, _columns_beside(fields, place, names)):
            return records
    return []


def _named(fields: dict[str, msgspec.Raw]) -> list[tuple[str, list[str]]]:
    """Fields with column names, and the names."""
    return [(name, names) for name, value in fields.items() if (names := _columns(value))][:1]


def _columns_beside(fields: dict[str, msgspec.Raw], place: str, names: list[str]) -> list[Any]:
    """Lists beside the names, one for each; empty lists as `()`."""
    for name, value in fields.items():
        columns = _decoded(bytes(value)) if name != place and bytes(value)[:1] in (b"[", b"{") else None
        if isinstance(columns, dict):
            columns = columns.get("values")
        if isinstance(columns, list) and len(columns) == len(names) and all(isinstance(each, list) for each in columns):
            return [each or () for each in columns]
    return []


def _turned(names: list[str], columns: list[Any]) -> list[Raw]:
    """Columns of equal length as records."""
    lengths = {len(column) if isinstance(column, list) else 0 for column in columns}
    if len(lengths) != 1 or not max(lengths):
        return []
    return [encoded(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def table_of_cells(value: msgspec.Raw) -> list[Raw]:
    """Rows whose cells are objects of one value, the first of which has the names: Athena's `{"Data": [{"VarCharValue":
    …}]}`."""
    rows = _decoded(bytes(value)) if _OF_CELLS.match(bytes(value)[:MAX_HEAD]) else None
    rows = [_cells(row) for row in rows] if isinstance(rows, list) else []
    if not rows or not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        return []
    names = _columns(msgspec.Raw(_encoded_list(rows[0])))
    return [encoded(dict(zip(names, row, strict=True))) for row in rows[1:]] if names else []


def is_of_types(cells: Any) -> bool:
    """Whether a row has the types of the columns, as ClickHouse writes them below the names."""
    return isinstance(cells, list) and all(isinstance(cell, str) and _TYPE.fullmatch(cell.strip()) for cell in cells)


def row_of_types(raw: Raw) -> bool:
    return is_of_types(_decoded(bytes(raw)))


def are_rows(head: bytes | bytearray) -> bool:
    """Whether the first two lines are rows of a table, or the names of its columns and a row."""
    lines = bytes(head).split(b"\n")[:ROWS_TO_SEE]
    first, *others = [line for line in lines if line.strip()] or [b""]
    if not others or not START_OF_ROW.match(first):
        return False
    width = len(header_of(first))
    return (is_row(first) and is_row(others[0])) or (
        width > 0 and (is_row(others[0]) or (row_of_types(others[0]) and is_row(others[-1])))
    )


def header_of(raw: Raw) -> list[str]:
    """The column names in the first row of a list."""
    return _columns(msgspec.Raw(bytes(raw))) if bytes(raw)[:2] == b'["' else []


def row_of(names: list[str], raw: Raw) -> Raw:
    """A row after a header as a record; a row of another width stays as it is."""
    row = _decoded(bytes(raw))
    return encoded(dict(zip(names, row, strict=True))) if isinstance(row, list) and len(row) == len(names) else raw


def is_row(raw: Raw) -> bool:
    """Whether a list is a row of values: one of its cells is a time, so it is no header."""
    cells = _decoded(bytes(raw)) if bytes(memoryview(raw)[:1]) == b"[" else None
    return isinstance(cells, list) and time_cell(cells) is not None


def row_without_names(raw: Raw) -> Raw:
    """`["2026-11-20T10:05:00Z", "error", "disk failed", 7]` of a list without a header as a record: the first time, the
    first word that is a level, and the only text, or the longest of several words, are told by their values. Other rows
    stay as they are, to be rejected."""
    cells = _decoded(bytes(raw)) if bytes(memoryview(raw)[:1]) == b"[" else None
    at = time_cell(cells) if isinstance(cells, list) else None
    if not isinstance(cells, list) or at is None:
        return raw
    rest = {place: cell for place, cell in enumerate(cells) if place != at and cell is not None}
    record: dict[str, Any] = {"timestamp": cells[at]}
    level = next((place for place, cell in rest.items() if isinstance(cell, str) and known_level(cell)), None)
    if level is not None and len(rest) > 1:
        record["level"] = rest.pop(level)
    texts = [place for place, cell in rest.items() if isinstance(cell, str)]
    prose = [place for place in texts if " " in rest[place].strip()]
    if not prose and len(texts) != 1:
        return raw  # a logger, a host, or the message
    record["message"] = rest.pop(max(prose or texts, key=lambda place: len(rest[place])))
    return encoded(record | {f"column {place + 1}": cell for place, cell in rest.items()})


def time_cell(cells: list[Any]) -> int | None:
    """The first cell with a time, among the first of a row."""
    for place, cell in enumerate(cells[:MAX_CELLS_BEFORE_A_TIME]):
        if isinstance(cell, (str, int, float)) and not isinstance(cell, bool) and len(str(cell)) >= MIN_TIME_LENGTH:
            try:
                if read_time(cell) >= MIN_TIME:
                    return place
            except RejectedError:
                continue
    return None


def table_in(fields: dict[str, msgspec.Raw]) -> list[Raw] | None:
    """The rows of a table as records; None if the fields are not a table; `[]` for a table without rows."""
    lists = {name: value for name, value in fields.items() if bytes(value)[:1] in (b"[", b"{")}
    if len(lists) < 2:
        return None
    named = next(((name, names) for name, value in lists.items() if (names := _columns(value))), None)
    if named is None:
        return None
    place, names = named
    for name, value in lists.items():
        if name != place and bytes(value)[:1] == b"[" and (rows := _rows(value, len(names))) is not None:
            return [encoded(dict(zip(names, row, strict=True))) for row in rows]
    return None


def paired(raw: bytes) -> bytes | None:
    """`[{"field": "@timestamp", "value": …}, …]` of CloudWatch as one record."""
    pairs = _decoded(raw)
    if not isinstance(pairs, list) or len(pairs) < MIN_COLUMNS or not all(isinstance(pair, dict) for pair in pairs):
        return None
    for name, value in _PAIRS:
        if all(isinstance(pair.get(name), str) and value in pair for pair in pairs):
            return encoded({pair[name]: pair[value] for pair in pairs})
    return None


def streams_in(value: msgspec.Raw) -> list[Raw]:
    """Loki's streams, `[{"stream": {"app": …}, "values": [["1795169100123456789", "…"], …]}, …]`: a record a line."""
    streams = _decoded(bytes(value)) if bytes(value)[:1] == b"[" and b'"stream"' in bytes(value)[:MAX_HEAD] else None
    records: list[Raw] = []
    for stream in streams if isinstance(streams, list) else ():
        labels, lines = (stream.get("stream"), stream.get("values")) if isinstance(stream, dict) else (None, None)
        if not isinstance(labels, dict) or not isinstance(lines, list):
            return []
        for line in lines:
            if not isinstance(line, list) or len(line) < MIN_COLUMNS:
                return []
            records.append(encoded({"timestamp": line[0], "message": line[1], "metadata": labels, **_level_in(labels)}))
    return records


def is_stream(raw: Raw) -> bool:
    """Whether an element of a list may be one of Loki's streams."""
    head = bytes(memoryview(raw)[:MAX_HEAD])
    return head[:1] == b"{" and b'"stream"' in head and b'"values"' in bytes(raw)


def lines_of_stream(raw: Raw) -> list[Raw]:
    """The lines of a stream, each a record; anything else is a record itself."""
    lines = streams_in(msgspec.Raw(b"[" + bytes(raw) + b"]")) if is_stream(raw) else []
    return lines or ([] if is_stream(raw) and _decoded(bytes(raw)).get("values") == [] else [raw])


def _level_in(labels: dict[str, Any]) -> dict[str, Any]:
    """The level that a store has found; `unknown` is none."""
    level = next((labels[name] for name in _LEVEL_LABELS if labels.get(name) not in (None, "", "unknown")), None)
    return {} if level is None else {"level": level}


def untyped(raw: bytes) -> bytes | None:
    """`{"Message": {"S": "…"}, "Size": {"N": "7"}}` of DynamoDB as a plain record."""
    record = _decoded(raw)
    if not isinstance(record, dict) or not record:
        return None
    values = list(record.values())
    if not all(isinstance(value, dict) and len(value) == 1 and not _TYPES.isdisjoint(value) for value in values):
        return None
    return encoded({name: next(iter(value.values())) for name, value in record.items()})


def _columns(value: msgspec.Raw) -> list[str]:
    """The names of columns: `["time", …]`, `[{"name": "time", "type": …}, …]`, BigQuery's `{"fields": […]}`,
    Snowflake's `{"rowType": […]}`."""
    columns = _decoded(bytes(value)[: 100 * MAX_COLUMNS])
    if isinstance(columns, dict):
        columns = next((inner for inner in columns.values() if isinstance(inner, list)), None)
    if not isinstance(columns, list) or not MIN_COLUMNS <= len(columns) <= MAX_COLUMNS:
        return []
    names = [_name_of(column) for column in columns]
    named = [name for name in names if name is not None]
    return named if len(named) == len(names) == len(set(named)) else []


def _name_of(column: Any) -> str | None:
    if isinstance(column, dict):
        column = next((column[name] for name in _NAMES if isinstance(column.get(name), str)), None)
    return column if isinstance(column, str) else None


def _rows(value: msgspec.Raw, width: int) -> list[list[Any]] | None:
    """None for a list of anything else."""
    rows = _decoded(bytes(value))
    if not isinstance(rows, list):
        return None
    rows = [_cells(row) for row in rows]
    return rows if all(isinstance(row, list) and len(row) == width for row in rows) else None


def _cells(row: Any) -> Any:
    """BigQuery's `{"f": [{"v": "…"}, …]}`, and of others: a list of objects with one value each."""
    cells = next(iter(row.values())) if isinstance(row, dict) and len(row) == 1 else None
    if isinstance(cells, list) and all(not isinstance(cell, dict) or len(cell) <= 1 for cell in cells):
        return [next(iter(cell.values()), None) if isinstance(cell, dict) else cell for cell in cells]
    return row


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE:
        return None


def _encoded_list(cells: list[Any]) -> bytes:
    return json.dumps(cells, ensure_ascii=False).encode("utf-8", "surrogatepass")


def encoded(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")
