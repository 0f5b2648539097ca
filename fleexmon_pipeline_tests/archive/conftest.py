"""Fixtures for the archive: a cold day with lines of other programs, and a directory for its file."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline.archive.storage import Directory
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.retention.cold_days import archive_day
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.web.pages.conftest import HOSTILE

COLD = Window.day_of(datetime(2026, 11, 10, tzinfo=UTC))
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
MESSAGES = [
    HOSTILE.replace("\x00", ""),
    "",
    "a\nb\tc\\N \\. \r",
    "語🎈 é \u202e",
    "NULL",
    "x" * 3_000_000,
    "Order 7 ſ İ K",
]
METADATA = [
    None, "null", "[1, 2, {\"a\": null}]", "\"a text\"", "{}",
    '{"big": 123456789012345678901234567890.10, "small": 1e-7, "\\u2028": ["\\\\", "\\n\\t"]}', '{"trace_id": "t-1"}',
]  # fmt: skip
CREATED = [
    "NULL",
    "'infinity'",
    "'-infinity'",
    "'0044-03-15 BC'",
    "'294276-12-31 23:59:59.999999'",
    "now()",
    "'2026-11-10'",
]
LINE = '(id, timestamp, level, message, source, hostname, metadata, analyzed, "createdAt")'


def put(
    connection: Connection, at: datetime, message: str = "m", *, node: str = "blue", analyzed: bool = True,
    metadata: str | None = None, created: str = "now()", ours: bool = True, level: str = "info",
) -> uuid.UUID:  # fmt: skip
    """A line with an id of ours, or with a random one."""
    key = uuid8(at, message[:100].encode(), node.encode()) if ours else uuid.uuid4()
    connection.execute(
        f'INSERT INTO "LogEntry" {LINE} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, {created}) '
        "ON CONFLICT DO NOTHING".encode(),
        [key, at, level, message, node, "10.0.0.5:8080", metadata, analyzed],
    )
    return key


def content(database: Database) -> str:
    """A hash of every line."""
    return str(
        database.rows("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) AS hash FROM \"LogEntry\" t")
    )


def number(database: Database) -> int:
    return int(str(database.rows('SELECT count(*) AS n FROM "LogEntry"')[0]["n"]))


def archive(database: Database, storage: Directory, day: Window = COLD) -> str:
    with database.connect() as connection:
        return archive_day(connection, storage, day, now=NOW).sentence()


@pytest.fixture
def full(database: Database) -> Database:
    """209 lines of a day, and its neighbours' first and last moments."""
    with database.connect() as connection:
        for place, (message, metadata, created) in enumerate(zip(MESSAGES, METADATA, CREATED, strict=True)):
            at = COLD.since + timedelta(hours=3 * place, microseconds=place)
            put(connection, at, message, metadata=metadata, created=created, node=f"node {place % 2}", ours=False)
        for place in range(200):
            at = COLD.since + timedelta(minutes=7 * place)
            trace = f'{{"trace_id": "trace-{place % 40}", "requestId": {place % 7}}}'
            level = "error" if place % 10 == 0 else "info"
            put(
                connection,
                at,
                f"Order {place} shipped",
                metadata=trace,
                node="blue" if place % 3 else "green",
                level=level,
            )
        put(connection, COLD.since, "first")
        put(connection, COLD.until - timedelta(microseconds=1), "last")
        put(connection, COLD.until, "of the next day")
        put(connection, COLD.since - timedelta(microseconds=1), "of the day before")
    return database


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Directory:
    """Configured: readers find it without being told."""
    monkeypatch.setenv("FLEEXMON_ARCHIVE", str(tmp_path / "archive"))
    return Directory(tmp_path / "archive")
