"""Read the rows of an export, in order of time and id: from the table and from archived days.

Here: reading and merging. If a line is in both, the table's is exported. The form of a record: `records.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import count, islice
from typing import Any

from fleexmon_pipeline.archive.days import ArchivedDay, archived_days
from fleexmon_pipeline.archive.read import ColdReader, reader_for
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.transfer.records import Kind
from fleexmon_pipeline.window import Window

SQL = statements("transfer")
BATCH = 5_000
_COLUMNS = ("id", "timestamp", "level", "message", "source", "hostname", "metadata", "created")
Row = Mapping[str, Any]
_cursor_numbers = count()  # cursors of one transaction need different names


def stored_rows(connection: Connection, kind: Kind, params: Mapping[str, Any]) -> Generator[Row]:
    """Read rows, inside a transaction of the caller. Raises ArchiveError if an archived file cannot be read."""
    days = archived_days(connection, params["since"], params["until"]) if kind == "logs" else []
    if not days:
        yield from _table(connection, kind, params)
        return
    since = params["since"]
    with reader_for(days) as reader:
        for day in reversed(days):
            window = _part(day, params)
            yield from _table(connection, kind, {**params, "since": since, "until": window.since})
            hot = _table(connection, kind, {**params, "since": window.since, "until": window.until})
            yield from _without_duplicates(hot, _cold(connection, reader, day, window, params["node"]))
            since = window.until
        if params["until"] is None or since < params["until"]:
            yield from _table(connection, kind, {**params, "since": since})


def archived_besides(connection: Connection, since: datetime | None, until: datetime | None, node: str | None) -> int:
    """How many lines are in archived files and not in the table."""
    days = archived_days(connection, since, until)
    if not days:
        return 0
    lines = 0
    with reader_for(days) as reader:
        for day in days:
            window = _part(day, {"since": since, "until": until})
            bounds = {"since": window.since, "until": window.until}
            table_ids = [row["id"] for row in connection.execute(SQL["ids"], bounds)]
            counts = reader.counts(day, window, table_ids)
            lines += sum(number for (_, source), number in counts.items() if node in (None, source))
    return lines


def _part(day: ArchivedDay, params: Mapping[str, Any]) -> Window:
    since, until = params["since"], params["until"]
    return Window(max(day.window.since, since or day.window.since), min(day.window.until, until or day.window.until))


def _table(connection: Connection, kind: Kind, params: Mapping[str, Any]) -> Iterator[Row]:
    with connection.cursor(f"export_{next(_cursor_numbers)}") as cursor:
        cursor.execute(SQL[kind], params)
        while batch := cursor.fetchmany(BATCH):
            yield from batch


def _cold(
    connection: Connection, reader: ColdReader, day: ArchivedDay, window: Window, node: str | None
) -> Iterator[Row]:
    """Archived lines, as rows like those of the statement `logs`."""
    lines = reader.exported(day, window, node)
    while batch := [dict(zip(_COLUMNS, line, strict=True)) for line in islice(lines, BATCH)]:
        traces = connection.execute(SQL["traces"], {"metadata": [row["metadata"] for row in batch]}).fetchall()
        for row, trace in zip(batch, traces, strict=True):
            is_object = row["metadata"] is None or row["metadata"].startswith("{")
            yield {**row, "is_plain": is_object, "analyzed": True, "trace": trace["trace"]}


def _without_duplicates(table: Iterable[Row], cold: Iterable[Row]) -> Iterator[Row]:
    last_id = None
    for row in heapq.merge(table, cold, key=lambda row: (row["timestamp"], row["id"])):
        if row["id"] != last_id:
            yield row
        last_id = row["id"]
