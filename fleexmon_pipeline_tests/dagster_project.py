"""The code location on a test's database: runs in this process, or in a separate one, as a shell would start it.

Here: instances, runs, frozen time, and reading what came of it. What should come of it: the tests.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import fleexmon_pipeline
from fleexmon_pipeline.database.dagster_storage import create_history
from fleexmon_pipeline.database.server import dagster_database_name
from fleexmon_pipeline.partitions import key_of_hour
from fleexmon_pipeline.ticks import TICK
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.conftest import TEMPLATE, Database
from fleexmon_pipeline_tests.node_server import NodeServer

# Dagster 1.13 asks pydantic 2 for fields by their name of version 1.
DAGSTERS_OWN = "ignore:The `__fields__` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20"


class FixedClock:
    """The time is what the test says; the system's until it says one."""

    def __init__(self) -> None:
        self.time: datetime | None = None

    def now(self) -> datetime:
        return self.time or datetime.now(UTC)


with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "The `__fields__` attribute is deprecated")
    from fleexmon_pipeline import definitions

    CLOCK = FixedClock()
    RESOURCES = definitions.RESOURCES | {"clock": CLOCK}
    DEFINITIONS = definitions.build_defs({"clock": CLOCK})
    REPOSITORY = DEFINITIONS.get_repository_def()

HOURLY_CHAIN = ("raw_logs", "analyzed_logs", "detected_issues", "predictions")
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_BIN = Path(sys.executable).parent


@dataclass
class Project:
    """A DAGSTER_HOME whose history is beside the test's database, as FleexmonStorage finds it."""

    database: Database
    home: Path
    instance: dg.DagsterInstance
    monkeypatch: pytest.MonkeyPatch

    def it_is(self, now: datetime) -> None:
        """Assets and sensors see this time from now on."""
        self.monkeypatch.setattr(CLOCK, "time", now)

    def watch(self, blue: NodeServer, green: NodeServer | None = None) -> None:
        self.monkeypatch.setenv("BLUE_HOST", blue.host_port)
        if green:
            self.monkeypatch.setenv("GREEN_HOST", green.host_port)

    def run(
        self,
        job: str,
        first: datetime | str | None = None,
        last: datetime | None = None,
        *,
        tick: str | None = None,
        fails: bool = False,
    ) -> dg.ExecuteInProcessResult:
        """A run of `job` for one partition, for the hours `first` to `last`, or for none."""
        tags = {TICK: str(tick)} if tick else {}  # Dagster stores plain text only
        if last is not None:
            assert isinstance(first, datetime)
            tags |= dict(zip(_RANGE, (key_of_hour(first), key_of_hour(last)), strict=True))
        key = key_of_hour(first) if isinstance(first, datetime) else first
        result = job_def(job).execute_in_process(
            partition_key=None if last else key, tags=tags, instance=self.instance, raise_on_error=False
        )
        assert result.success is not fails, failures(result)
        return result

    def run_requested(self, job: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return job_def(job).execute_in_process(
            partition_key=request.partition_key, tags=dict(request.tags), instance=self.instance
        )

    def ask(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        """What the daemon would launch after asking this sensor now."""
        with dg.build_sensor_context(instance=self.instance, repository_def=REPOSITORY, resources=RESOURCES) as context:
            return list(sensor.evaluate_tick(context).run_requests or ())

    def environment(self) -> dict[str, str]:
        """For processes: what this test has set, and no more of the developer's shell than is needed to start."""
        kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
        return {**kept, "DAGSTER_HOME": str(self.home)}

    def materialize(self, first: datetime, last: datetime, *select: str) -> subprocess.Popen[str]:
        """`dagster asset materialize`, as the shell starts it, for a range of hours."""
        command = [
            str(_BIN / "dagster"), "asset", "materialize", "-m", "fleexmon_pipeline.definitions",
            "--select", ",".join(select or HOURLY_CHAIN),
            "--partition-range", f"{key_of_hour(first)}...{key_of_hour(last)}",
        ]  # fmt: skip
        return subprocess.Popen(
            command, env=self.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


_PASSED_ON = (
    "PATH", "HOME", "LANG", "DATABASE_URL", "FLEEXMON_HOME", "BLUE_HOST", "GREEN_HOST", "LOG_RETENTION_DAYS",
    "GENAI_AGENT_URL", "GENAI_API_KEY", "ALERTS_REPO", "GH_TOKEN", "GITHUB_API_URL",
)  # fmt: skip


@contextmanager
def project(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_memory: bool = False
) -> Iterator[Project]:
    """`in_memory`: Dagster's history is kept nowhere, and a run takes a third of the time."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("FLEEXMON_HOME", str(tmp_path / "fleexmon home"))
    home = tmp_path / "dagster home"
    home.mkdir()
    shutil.copy(Path(fleexmon_pipeline.__file__).parent / "dagster.yaml", home / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    if not in_memory:
        _make_history(database)
    with dg.DagsterInstance.ephemeral() if in_memory else dg.DagsterInstance.from_config(str(home)) as instance:
        yield Project(database, home, instance, monkeypatch)


def _make_history(database: Database) -> None:
    """Dagster's tables beside this database, cloned: making them anew took a second and more of each test."""
    name = dagster_database_name(str(conninfo_to_dict(database.url)["dbname"]))
    template = make_conninfo(database.url, dbname=TEMPLATE)
    with psycopg.connect(make_conninfo(database.url, dbname="postgres"), autocommit=True) as connection:
        there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        if TEMPLATE in there and name not in there:
            if (beside := dagster_database_name(TEMPLATE)) not in there:
                create_history(template)
            made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            connection.execute(made.format(sql.Identifier(name), sql.Identifier(beside)))


def job_def(name: str) -> dg.JobDefinition:
    return DEFINITIONS.resolve_job_def(name)


def requests_of(schedule: dg.ScheduleDefinition, tick: datetime) -> list[dg.RunRequest]:
    """What the daemon would launch at this tick."""
    context = dg.build_schedule_context(scheduled_execution_time=tick, repository_def=REPOSITORY)
    return list(schedule.evaluate_tick(context).run_requests or ())


# -- what came of it ------------------------------------------------------------------------------------------------


def failures(result: dg.ExecuteInProcessResult) -> str:
    """What a person reads of a run that failed, causes included."""
    told = []
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        while error is not None:
            told.append(error.message.strip())
            error = error.cause
    return "\n".join(told)


def check(result: dg.ExecuteInProcessResult, name: str) -> tuple[bool, str]:
    """Whether it passed, and its details as text."""
    found = next(each for each in result.get_asset_check_evaluations() if each.check_name == name)
    return found.passed, str(found.metadata["details"].value) if "details" in found.metadata else ""


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """Of the asset's one materialisation in this run."""
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


# Which run changed a row last is of the runs.
ISSUES = """SELECT id, type, severity, title, description, "rootCause", recommendation, source, status, "detectedAt",
  "updatedAt", "resolvedAt", metadata - 'run' AS metadata, "affectedLogs" FROM "LogIssue" ORDER BY id"""
LINES = 'SELECT id, timestamp, level, message, source, hostname, metadata, analyzed FROM "LogEntry" ORDER BY id'
TABLES = {
    "LogEntry": LINES,
    "LogPatternCount": 'SELECT * FROM "LogPatternCount" ORDER BY slot, node, pattern, level',
    "IssueOccurrence": 'SELECT * FROM "IssueOccurrence" ORDER BY fingerprint, slot',
    "LogIssue": ISSUES,
    "LogForecast": 'SELECT * FROM "LogForecast" ORDER BY "madeAt", node, subject, horizon',
    # Who asked, when and how often is of the runs; what is known of the lines is not.
    "LogCoverage": 'SELECT node, slot, status, stored, rejected, error FROM "LogCoverage" ORDER BY node, slot',
}


def contents(database: Database) -> dict[str, list[dict[str, object]]]:
    """Every row of the tables that must not depend on how the runs were cut."""
    return {table: database.rows(query) for table, query in TABLES.items()}


def make_empty(database: Database) -> None:
    """As after the migrations."""
    tables = database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = ", ".join(f'"{row["tablename"]}"' for row in tables if not str(row["tablename"]).startswith("alembic"))
    with database.connect() as connection:
        connection.execute(f"TRUNCATE {names}".encode())


def fingerprints(database: Database) -> dict[str, str]:
    """Hashes of all rows, xmin included: equal when nothing was even rewritten."""
    return {table: database.fingerprint(f'"{table}"') for table in (*TABLES, "LogPattern", "IssueEpisode")}


def titles(database: Database) -> list[str]:
    return [str(row["title"]) for row in database.rows('SELECT title FROM "LogIssue" ORDER BY title')]


def shuffled(hours: Iterable[datetime], seed: int) -> list[datetime]:
    found = list(hours)
    random.Random(seed).shuffle(found)
    return found


def hours(first: datetime, count: int) -> list[datetime]:
    return [first + n * HOUR for n in range(count)]


def at(day: datetime, clock: str) -> datetime:
    """`at(DAY, "10:05")`."""
    hour, minute = map(int, clock.split(":"))
    return day.replace(tzinfo=UTC) + timedelta(hours=hour, minutes=minute)
