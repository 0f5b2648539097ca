"""Any database is brought up to date, no row lost: an empty one, the original's, one that two starts hit at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from fleexmon_pipeline.database.migrate import DatabaseTooNewError, migrate, newest_version, version_of
from fleexmon_pipeline_tests.conftest import Database

GUIDE_COLUMNS = {
    "LogEntry": ["id", "timestamp", "level", "message", "source", "hostname", "metadata", "analyzed", "createdAt"],
    "LogIssue": ["id", "type", "severity", "title", "description", "rootCause", "recommendation", "source", "status",
                 "detectedAt", "updatedAt", "resolvedAt", "metadata", "affectedLogs"],
}  # fmt: skip

ORIGINAL_SETUP_SCRIPT = """
CREATE TABLE "LogEntry" (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), timestamp TIMESTAMP NOT NULL,
  level VARCHAR NOT NULL,
  message TEXT NOT NULL, source VARCHAR NOT NULL, metadata JSONB, analyzed BOOLEAN DEFAULT false,
  "createdAt" TIMESTAMP DEFAULT NOW());
CREATE TABLE "LogIssue" (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), type VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  title VARCHAR NOT NULL, description TEXT NOT NULL, "rootCause" TEXT, recommendation TEXT, source VARCHAR NOT NULL,
  status VARCHAR DEFAULT 'open', "detectedAt" TIMESTAMP NOT NULL, "resolvedAt" TIMESTAMP, metadata JSONB);
INSERT INTO "LogEntry" (timestamp, level, message, source) VALUES ('2026-11-20 10:00', 'ERROR', 'kept', 'blue');
INSERT INTO "LogIssue" (type, severity, title, description, source, "detectedAt") VALUES
  ('repeated-error', 'medium', 'kept', '', 'detector', '2026-11-20 10:00');
"""


def columns(database: Database, table: str) -> list[object]:
    found = database.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %(table)s ORDER BY ordinal_position",
        table=table,
    )
    return [row["column_name"] for row in found]


def test_an_empty_database_gets_the_tables_of_the_developer_guide(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        assert version_of(connection) is None
        assert migrate(connection, empty_database.url) == ["empty", newest_version()]
        assert migrate(connection, empty_database.url) == [newest_version()]

    assert {table: columns(empty_database, table) for table in GUIDE_COLUMNS} == GUIDE_COLUMNS


def test_the_originals_database_keeps_its_rows(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute(ORIGINAL_SETUP_SCRIPT.encode())
        migrate(connection, empty_database.url)
    ten = datetime(2026, 11, 20, 10, tzinfo=UTC)

    assert empty_database.rows('SELECT message, hostname, timestamp FROM "LogEntry"') == [
        {"message": "kept", "hostname": "blue", "timestamp": ten}
    ]
    assert empty_database.rows('SELECT title, "updatedAt", "affectedLogs" FROM "LogIssue"') == [
        {"title": "kept", "updatedAt": ten, "affectedLogs": None}
    ]
    for table, expected in GUIDE_COLUMNS.items():
        assert sorted(map(str, columns(empty_database, table))) == sorted(expected)


def test_two_starts_at_once_migrate_once(empty_database: Database) -> None:
    def start() -> list[str]:
        with empty_database.connect() as connection:
            return migrate(connection, empty_database.url)

    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(f.result() for f in [threads.submit(start), threads.submit(start)])

    assert outcomes == [[newest_version()], ["empty", newest_version()]]


def test_a_database_of_a_later_release_is_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE \"FleexmonVersion\" SET version_num = '9999'")
        with pytest.raises(DatabaseTooNewError, match="9999"):
            migrate(connection, database.url)
