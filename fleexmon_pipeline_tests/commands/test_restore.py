"""`fleexmon database restore`: the dump replaces the database completely, or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.line_days import make_days, take_over
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.embedded import restore as module
from fleexmon_pipeline.embedded.server import EmbeddedServer, program
from fleexmon_pipeline.window import DAY, Window
from fleexmon_pipeline_tests.commands.conftest import Call, Said
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.database.test_line_days import add, lines

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def dump(database: Database, tmp_path: Path) -> Path:
    """Of a database with lines of three days."""
    with database.connect() as connection:
        make_days(connection, Window(NOW - 2 * DAY, NOW), now=NOW, kept_since=NOW - 30 * DAY)
        for number in range(300):
            add(connection, NOW - timedelta(minutes=10 * number), number)
    file = tmp_path / "fleexmon.dump"
    subprocess.run([program("pg_dump"), "-Fc", "-d", database.url, "-f", file], check=True)
    return file


@pytest.fixture
def restore(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.delenv("DATABASE_URL")
    return lambda *arguments: fleexmon("database", "restore", *arguments)


@contextmanager
def used(home: Path) -> Iterator[Database]:
    """Its embedded server, by this process."""
    server = EmbeddedServer(home)
    server.acquire()
    try:
        yield Database(server.url())
    finally:
        server.release()


def test_a_dump_fills_a_new_home_and_replaces_an_old_one(
    restore: Call, dump: Path, database: Database, tmp_path: Path
) -> None:
    assert "nothing is there yet" in restore(str(dump), "--dry-run").out
    assert not (tmp_path / "home").exists()

    assert restore(str(dump)) == Said(
        0, f"restored 300 lines from {dump} to {tmp_path / 'home'}, in place of 0 lines\n", ""
    )
    with used(tmp_path / "home") as restored:
        assert lines(restored) == lines(database)
        with connect(restored.url) as connection:
            assert (len(migrate(connection)), take_over(connection, now=NOW)) == (1, True)
            add(connection, NOW, 1_000)

    assert "which has 301 lines" in restore(str(dump), "--dry-run").out
    assert "in place of 301 lines" in restore(str(dump)).out


def test_a_dump_that_broke_off_changes_nothing(restore: Call, dump: Path, tmp_path: Path) -> None:
    restore(str(dump))
    (tmp_path / "half.dump").write_bytes(dump.read_bytes()[: dump.stat().st_size * 3 // 4])

    said = restore(str(tmp_path / "half.dump"))

    assert (said.status, "The database did not change." in said.err) == (2, True), said
    with used(tmp_path / "home") as database:
        assert len(lines(database)) == 300
        assert database.rows("SELECT datname FROM pg_database WHERE datname LIKE '%%restored'") == []


def test_who_starts_meanwhile_keeps_the_database(
    restore: Call, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(str(dump))
    real, meanwhile = module._load, EmbeddedServer(tmp_path / "home")

    def load(url: str, file: Path) -> int:
        meanwhile.acquire()
        with connect(meanwhile.url()) as connection:
            add(connection, NOW, 1_000)
        return real(url, file)

    monkeypatch.setattr(module, "_load", load)
    try:
        said = restore(str(dump))
        assert (
            said.status,
            "another fleexmon was started in the meantime. The database did not change." in said.err,
        ) == (
            2,
            True,
        )
        assert len(lines(Database(meanwhile.url()))) == 301
    finally:
        meanwhile.release()


def test_a_swap_that_is_stopped_leaves_a_database_under_the_name(restore: Call, dump: Path, tmp_path: Path) -> None:
    restore(str(dump))
    with used(tmp_path / "home") as database:
        url = EmbeddedServer(tmp_path / "home").url("postgres")
        # At its second step: there is no new one.
        with connect(url) as connection, pytest.raises(psycopg.errors.InvalidCatalogName):
            module.swap(connection)
        assert len(lines(database)) == 300
        with connect(url) as connection:  # what a run that was killed after the swap left
            connection.execute('CREATE DATABASE "fleexmon_replaced"')
    assert "restored 300 lines" in restore(str(dump)).out
    with used(tmp_path / "home") as database:
        assert database.rows("SELECT datname FROM pg_database WHERE datname LIKE 'fleexmon\\_re%%'") == []


def test_what_is_no_dump_of_ours_is_refused(
    restore: Call, tmp_path: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.dump"
    subprocess.run([program("pg_dump"), "-Fc", "-d", empty_database.url, "-f", other], check=True)
    assert "not a dump of fleexmon's database" in restore(str(other)).err
    (tmp_path / "text.sql").write_text("SELECT 1")
    assert "Create one with `pg_dump -Fc`" in restore(str(tmp_path / "text.sql")).err
    assert "No such file" in restore(str(tmp_path / "none.dump")).err
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/x")
    assert "pg_restore -d URL" in restore(str(other)).err


def test_a_database_in_use_is_not_replaced(restore: Call, dump: Path, tmp_path: Path) -> None:
    with used(tmp_path / "home"):
        said = restore(str(dump))
    assert (said.status, "Stop `fleexmon up` (Ctrl-C) first." in said.err) == (2, True), said
