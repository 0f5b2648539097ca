"""Values over a connection: times in UTC for any zones, JSON, and limits that the operator may set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import connect, open_pool
from fleexmon_pipeline.window import DAY
from fleexmon_pipeline_tests.conftest import BUSY, Database

TEN = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
ZONES = st.timezones() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def test_a_time_is_utc_whatever_the_zone_of_role_database_and_process(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(database.rows("SELECT current_database() AS name")[0]["name"])
    with database.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET TimeZone = 'Asia/Kolkata'".encode())
    monkeypatch.setenv("PGTZ", "America/New_York")
    monkeypatch.setenv("TZ", "Australia/Eucla")

    with database.connect() as connection:
        connection.execute("CREATE TABLE t (at TIMESTAMP)")
        connection.execute("INSERT INTO t VALUES (%s)", [TEN.astimezone(timezone(timedelta(hours=-7)))])
        connection.execute("INSERT INTO t VALUES (now())")
        rows = connection.execute("SELECT at, at::text AS text FROM t ORDER BY at").fetchall()
        found = connection.execute("SELECT count(*) AS n FROM t WHERE at = %(at)s", {"at": TEN}).fetchone()

    assert rows[0] == {"at": TEN, "text": "2026-11-20 10:00:00.123456"}
    assert rows[0]["at"].tzinfo is UTC
    assert found == {"n": 1}
    assert abs(rows[1]["at"] - datetime.now(UTC)) < timedelta(minutes=5) or rows[1]["at"].tzinfo is UTC


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, BUSY], max_examples=50)
@given(moment=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES))  # noqa: DTZ001
def test_any_moment_comes_back_as_it_was(pooled: psycopg.Connection[dict[str, object]], moment: datetime) -> None:
    row = pooled.execute("SELECT %s::timestamp AS at, %s = ANY(%s) AS found", [moment, moment, [moment]]).fetchone()

    # Python holds a moment of an hour that a clock change repeats to be unequal to any in another zone.
    assert row == {"at": moment.astimezone(UTC), "found": True}


@pytest.fixture
def pooled(database: Database):  # type: ignore[no-untyped-def]
    with open_pool(database.url) as pool, pool.connection() as connection:
        yield connection


def test_a_time_without_zone_is_refused(database: Database) -> None:
    with database.connect() as connection, pytest.raises(ValueError, match="without zone"):
        connection.execute("SELECT %s", [datetime(2026, 11, 20)])  # noqa: DTZ001


def test_json_holds_times_and_ids_and_a_statement_commits_by_itself(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE t (body JSONB)")
        connection.execute("INSERT INTO t VALUES (%s)", [Jsonb({"at": TEN, "é": [1, None]})])

    assert database.rows("SELECT body FROM t") == [{"body": {"at": "2026-11-20T10:00:00.123456Z", "é": [1, None]}}]


def test_the_operators_settings_win_and_ours_fill_the_rest(database: Database) -> None:
    given_ones = "&connect_timeout=7&application_name=theirs&options=-c%20lock_timeout%3D5s%20-c%20work_mem%3D9MB"
    with connect(database.url + given_ones) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("lock_timeout", "work_mem", "timezone", "idle_in_transaction_session_timeout")
        }
        assert connection.info.get_parameters()["application_name"] == "theirs"
        assert connection.info.get_parameters()["connect_timeout"] == "7"

    assert {name: next(iter(row.values())) for name, row in shown.items() if row} == {
        "lock_timeout": "5s", "work_mem": "9MB", "timezone": "UTC", "idle_in_transaction_session_timeout": "10min",
    }  # fmt: skip


def test_a_connection_that_died_in_the_pool_is_not_handed_out(database: Database) -> None:
    with open_pool(database.url, max_size=1) as pool:
        with pool.connection() as connection:
            number = connection.info.backend_pid
        database.rows("SELECT pg_terminate_backend(%(number)s)", number=number)

        with pool.connection() as connection:
            assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
            assert connection.info.backend_pid != number


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("stored", ["infinity", "-infinity", "0300-01-01 BC", "9999-12-31", "290000-01-01"])
def test_times_that_other_programs_store_leave_room_for_a_day_more(
    database: Database, stored: str, *, binary: bool
) -> None:
    with database.connect() as connection, connection.cursor(binary=binary) as cursor:
        row = cursor.execute("SELECT %s::timestamp AS at", (stored,)).fetchone()

    assert row
    assert row["at"] - DAY < row["at"] < row["at"] + DAY
    assert (row["at"].year < 2000) == (stored.startswith("-") or stored.endswith("BC"))
