"""Every database is migrated without losing a row: an empty one, the original's, one with two starts at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fleexmon_pipeline.database import migrate as module
from fleexmon_pipeline.database.migrate import DatabaseTooNewError, migrate, newest_version, version_of, versions
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
        assert migrate(connection) == ["empty", newest_version()]
        assert migrate(connection) == [newest_version()]

    assert {table: columns(empty_database, table) for table in GUIDE_COLUMNS} == GUIDE_COLUMNS


def test_the_originals_database_keeps_its_rows(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute(ORIGINAL_SETUP_SCRIPT.encode())
        migrate(connection)
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
            return migrate(connection)

    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(f.result() for f in [threads.submit(start), threads.submit(start)])

    assert outcomes == [[newest_version()], ["empty", newest_version()]]


def test_a_database_of_a_later_release_is_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE \"FleexmonVersion\" SET version_num = '9999'")
        with pytest.raises(DatabaseTooNewError, match="9999"):
            migrate(connection)


ALEMBICS_TABLE = """CREATE TABLE "FleexmonVersion" (
  version_num VARCHAR(32) NOT NULL, CONSTRAINT "FleexmonVersion_pkc" PRIMARY KEY (version_num)
)"""
OUR_ROWS = """
INSERT INTO "LogEntry" (timestamp, level, message, source, hostname) VALUES
  ('2026-11-20 10:00', 'ERROR', 'kept', 'blue', 'b');
INSERT INTO "LogIssue" (type, severity, title, description, source, "detectedAt", "updatedAt", metadata) VALUES
  ('repeated-error', 'high', 'kept', '', 'detector', '2026-11-20 10:00', '2026-11-20 10:05',
   '{"fingerprint": "errors:node:blue"}');
"""
OUR_LATER_ROWS = """
INSERT INTO "LogCoverage" (node, slot, status, "updatedAt") VALUES
  ('blue', '2026-11-20 10:00', 'complete', '2026-11-20 10:05'),
  ('blue', '2026-11-20 10:05', 'missing', '2026-11-20 10:10');
INSERT INTO "IssueEpisode" VALUES
  (gen_random_uuid(), 'errors:node:blue', '2026-11-20 10:00', '2026-11-20 10:00');
"""


@pytest.mark.parametrize("version", [number for number in versions() if number < "0010"])
def test_a_database_that_alembic_migrated_is_carried_on(version: str, empty_database: Database) -> None:
    """Up to 0009 alembic applied the versions; its table says how far. No later version may lose or rewrite a row."""
    with empty_database.connect() as connection:
        connection.execute(ALEMBICS_TABLE)
        connection.execute('INSERT INTO "FleexmonVersion" VALUES (%s)', [version])
        for number, text in versions().items():
            if number <= version:
                connection.execute(text)
        connection.execute(OUR_ROWS)
        if version >= "0002":
            connection.execute(OUR_LATER_ROWS)
    tables = ['"LogEntry"', '"LogIssue"', *(['"LogCoverage"', '"IssueEpisode"'] if version >= "0002" else [])]
    before = empty_database.fingerprint(*tables)

    with empty_database.connect() as connection:
        assert migrate(connection) == [version, newest_version()]
        assert migrate(connection) == [newest_version()]

    assert empty_database.fingerprint(*tables) == before
    assert empty_database.rows('SELECT version_num FROM "FleexmonVersion"') == [{"version_num": newest_version()}]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "versions", lambda: {"0001": b'CREATE TABLE "Half" ()', "0002": b"SELECT 1 / 0"})
    with empty_database.connect() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection)

        assert version_of(connection) is None
    assert columns(empty_database, "Half") == []
    assert empty_database.rows("SELECT FROM pg_class WHERE relname = 'Half'") == []


def test_versions_have_no_gap() -> None:
    assert list(versions()) == [f"{number:04}" for number in range(1, len(versions()) + 1)]


def test_two_migrations_of_one_number_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "versions").mkdir()
    for name in ("0001_first.sql", "0001_second.sql"):
        (tmp_path / "versions" / name).write_text("SELECT 1")
    monkeypatch.setattr(module, "files", lambda _: tmp_path)

    with pytest.raises(ValueError, match=r"two migrations have the number 0001; give 0001_second\.sql"):
        versions()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT FROM \"IssueEpisode\" WHERE subject_of(fingerprint) = 'node:blue'", "IssueEpisode_subject"),
        ("SELECT FROM \"IssueEpisode\" WHERE subject_of(fingerprint) = ANY ('{node:blue}')", "IssueEpisode_subject"),
    ],
)
def test_the_planner_reads_through_our_functions(query: str, index: str, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN {query}".encode()).fetchall()

    assert index in str(plan)
    assert "subject_of" not in str(plan)
