"""Dagster's own connections: one for each process, replaced when the server has closed it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from fleexmon_pipeline.database.dagster_storage import FleexmonStorage
from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline_tests.conftest import Database

PID = text("SELECT pg_backend_pid()")
OF_DAGSTER = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Of two instances, as a daemon makes one for each sensor that it evaluates."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    storages = [FleexmonStorage.from_config_value(None, {}) for _ in range(2)]
    return [part for one in storages for part in (one.run_storage, one.event_log_storage, one.schedule_storage)]


def pids(parts: list[Any]) -> list[int]:
    found = []
    for part in parts:
        with part._engine.connect() as connection:
            found.append(connection.execute(PID).scalar_one())
    return found


def connected(database: Database) -> set[int]:
    with psycopg.connect(make_conninfo(**dagster_conninfo(database.url))) as own:
        return {row[0] for row in own.execute(OF_DAGSTER)}


def test_instances_of_a_process_share_a_connection_that_stays_open(parts: list[Any], database: Database) -> None:
    (pid,) = set(pids(parts * 2))

    assert parts[0].get_runs_count() == 0
    assert connected(database) == {pid}


def test_statements_at_the_same_time_have_connections_of_their_own_for_as_long(
    parts: list[Any], database: Database
) -> None:
    (kept,) = set(pids(parts))
    with parts[0]._engine.connect() as one, parts[1]._engine.connect() as other:
        both = {connection.execute(PID).scalar_one() for connection in (one, other)}

    assert len(both) == 2
    assert kept in both
    assert len(connected(database)) == 1


def test_a_connection_that_the_server_has_closed_is_replaced(parts: list[Any], database: Database) -> None:
    (before,) = set(pids(parts))
    with psycopg.connect(make_conninfo(**dagster_conninfo(database.url))) as own:
        own.execute("SELECT pg_terminate_backend(%s, 5000)", [before])

    assert parts[1].get_logs_for_run("a run that is not there") == []
    (after,) = set(pids(parts))
    assert after != before
