"""External systems in runs: errors if one is unreachable, and secrets that are never shown."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, REPOSITORY, Project, at, failures, project
from fleexmon_pipeline_tests.genai_server import GenAIServer
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, serve_github
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")
PASSWORD = "pw-of-tests-0815"
KEY = "genai-key-of-tests-4711"


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch) as opened:
        opened.it_is(at(DAY, "11:02"))
        yield opened


@pytest.fixture
def locked_out(postgres: EmbeddedServer, database: Database) -> Iterator[str]:
    """The URL of the test's database for a role whose password is another one."""
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE outsider LOGIN PASSWORD 'right'")
        rules.write_text(f"local all outsider scram-sha-256\n{before}")
        connection.execute("SELECT pg_reload_conf()")
        yield database.url.replace("//postgres@", f"//outsider:{PASSWORD}@")
        rules.write_text(before)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP ROLE outsider")


def test_a_database_that_does_not_answer_is_named(dagster: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://fleexmon:{PASSWORD}@127.0.0.1:1/fleexmon")

    told = failures(dagster.run("monitoring", TEN, fails=True))

    assert "DATABASE_URL: 127.0.0.1:1/fleexmon: " in told
    assert "Connection refused" in told
    assert PASSWORD not in told


def test_a_wrong_password_is_told_without_it(
    dagster: Project, locked_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", locked_out)

    told = failures(dagster.run("monitoring", TEN, fails=True))

    assert "DATABASE_URL: " in told
    assert 'password authentication failed for user "outsider"' in told
    assert PASSWORD not in told + everything_kept(dagster)


def test_the_shell_command_says_so_too(dagster: Project, locked_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here Dagster's own history cannot be reached either, and the run never begins."""
    monkeypatch.setenv("DATABASE_URL", locked_out)
    process = dagster.materialize(TEN, TEN)

    output, _ = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "DATABASE_URL: " in output
    assert 'password authentication failed for user "outsider"' in output
    assert PASSWORD not in output


def test_where_no_node_is_set_the_run_says_what_to_set(dagster: Project) -> None:
    told = failures(dagster.run("monitoring", TEN, fails=True))

    assert "BLUE_HOST: is not set" in told
    assert "BLUE_HOST=10.0.0.5:8080" in told


@pytest.mark.parametrize(
    ("variable", "value", "job", "partition"),
    [
        ("GENAI_AGENT_URL", "http://agent.example.com", "monitoring", TEN),
        ("ALERTS_REPO", "acme/shop-alerts", "alert", None),  # without GH_TOKEN
        ("DATABASE_URL", "mysql://root:pw-of-tests-0815@db/fleexmon", "monitoring", TEN),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    dagster: Project,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    job: str,
    partition: datetime | None,
) -> None:
    monkeypatch.setenv(variable, value)
    with NodeServer() as node:
        dagster.watch(node)
        told = failures(dagster.run(job, partition, fails=True))

    assert {"ALERTS_REPO": "GH_TOKEN"}.get(variable, variable) + ": " in told
    assert PASSWORD not in told


def test_no_secret_is_in_what_dagster_shows_or_keeps(dagster: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """All secrets are set and used: the database's password, GenAI's key, GitHub's token, and one in a log line."""
    monkeypatch.setenv("DATABASE_URL", dagster.database.url.replace("//postgres@", f"//postgres:{PASSWORD}@"))
    leaked = "hunter2-of-a-log-line"
    with NodeServer() as node, GenAIServer(key=KEY) as agent, serve_github() as hub:
        node.serve(lines(20, TEN, level="error", message=f"login failed for shop password={leaked} attempt {{n}}"))
        dagster.watch(node)
        for name, value in {
            "GENAI_AGENT_URL": agent.url, "GENAI_API_KEY": KEY,
            "ALERTS_REPO": REPO, "GH_TOKEN": TOKEN, "GITHUB_API_URL": hub.url,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        dagster.run("backfill_hours", TEN)
        dagster.run("digest", "2026-02-03")
        dagster.run("alert")
        assert agent.questions
        assert hub.issues
        left_the_house = agent.all_text() + repr(hub.issues) + repr(hub.comments)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Property `ScheduleDefinition.environment_vars` is deprecated")
        definitions = serialize_value(RepositorySnap.from_def(REPOSITORY))
    kept = everything_kept(dagster)
    assert "raw_logs" in definitions
    assert "raw_logs" in kept
    for secret in (PASSWORD, KEY, TOKEN, leaked):
        assert secret not in definitions
        assert secret not in kept
    assert leaked not in left_the_house


def everything_kept(dagster: Project) -> str:
    """All rows of all tables of Dagster's history, as text: whatever the UI can show comes from there."""
    with psycopg.connect(dagster.database.url.replace("?", "_dagster?", 1)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return "\n".join(
            str(row[0]) for (name,) in tables for row in connection.execute(f'SELECT t::text FROM "{name}" t'.encode())
        )
