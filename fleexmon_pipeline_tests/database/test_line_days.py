"""Partitioning lines by day loses no row, and days are made before they are needed."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.commands.doctor.stored import lines_by_day
from fleexmon_pipeline.database import line_days, server
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import SQL, LinesNotByDayError, make_days, obstacle, problems, take_over
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.retention.days import compact_days, days_of_lines, drop_days
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
TODAY = Window(NOW, NOW + HOUR)


@pytest.fixture
def whole(empty_database: Database) -> Database:
    """A migrated database with unpartitioned lines, as in all releases before 0.4."""
    with empty_database.connect() as connection:
        migrate(connection)
    return empty_database


def add(connection: Connection, moment: datetime, number: int = 0, *, line_id: uuid.UUID | None = None) -> uuid.UUID:
    line_id = line_id or uuid8(moment, str(number).encode())
    connection.execute(
        'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, analyzed) '
        "VALUES (%s, %s, 'info', %s, 'blue', 'b', true)",
        [line_id, moment, f"line {number}"],
    )
    return line_id


def lines(database: Database) -> list[dict[str, object]]:
    return database.rows('SELECT * FROM "LogEntry" ORDER BY id')


def parts(database: Database) -> dict[str, int]:
    rows = database.rows('SELECT tableoid::regclass::text AS part, count(*) AS lines FROM "LogEntry" GROUP BY 1')
    return {str(row["part"]).strip('"'): int(str(row["lines"])) for row in rows}


def among_the_days(number: int) -> uuid.UUID:
    """A random id as other programs make them, of the 1.5 % whose beginning could be a time to come."""
    return uuid.UUID(f"02{number:06x}-0000-4000-8000-000000000000")


def test_a_new_table_is_by_day_and_a_line_is_in_its_days_part(database: Database) -> None:
    with database.connect() as connection:
        assert make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY) == 3
        assert make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY) == 0
        add(connection, NOW)
        add(connection, NOW - DAY)
        add(connection, NOW + 5 * DAY)
        add(connection, NOW, line_id=uuid.UUID("f0000000-0000-4000-8000-000000000000"))
    assert parts(database) == {
        "LogEntry_20261120": 1,
        "LogEntry_past": 1,
        "LogEntry_future": 1,
        "LogEntry_rest": 1,
    }


def test_an_id_is_unique_over_all_days(database: Database) -> None:
    with database.connect() as connection:
        make_days(connection, Window(NOW - 2 * DAY, NOW), now=NOW, kept_since=NOW - 30 * DAY)
        line_id = add(connection, NOW)
        again = connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) '
            "VALUES (%s, %s, 'info', 'again', 'blue', 'b') ON CONFLICT (id) DO NOTHING",
            [line_id, NOW - 2 * DAY],
        )
        assert again.rowcount == 0
        with pytest.raises(psycopg.errors.UniqueViolation):
            add(connection, NOW - DAY, line_id=line_id)


def test_a_table_in_one_piece_is_taken_over_with_all_that_is_seen_of_it(whole: Database) -> None:
    with whole.connect() as connection:
        for number in range(50):
            add(connection, NOW - number * HOUR, number)
            add(connection, NOW, number, line_id=uuid.uuid4())
        moved = {add(connection, NOW, number, line_id=among_the_days(number)) for number in range(3)}
        connection.execute(
            'CREATE VIEW messages WITH (security_barrier, check_option=local) AS SELECT id, message FROM "LogEntry"'
        )
        connection.execute('CREATE INDEX "by others" ON "LogEntry" (source)')
        connection.execute("DO $$ BEGIN CREATE ROLE dashboard; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute('GRANT SELECT ON "LogEntry" TO dashboard')
    before = lines(whole)
    with whole.connect() as connection:
        assert take_over(connection, now=NOW)
        assert lines(whole) == before
        assert take_over(connection, now=NOW + DAY)
        assert make_days(connection, Window(NOW + 2 * DAY, NOW + 3 * DAY), now=NOW + 2 * DAY, kept_since=NOW) > 0
        add(connection, NOW + 2 * DAY, 99)
        privilege = "SELECT has_table_privilege('dashboard', '\"LogEntry\"', 'SELECT') AS may"
        assert connection.execute(privilege).fetchone() == {"may": True}
        connection.execute('REVOKE ALL ON "LogEntry" FROM dashboard')
    assert parts(whole)["LogEntry_20261122"] == 1
    assert {row["id"] for row in whole.rows("SELECT id FROM messages")} == {row["id"] for row in lines(whole)} > moved
    options = whole.rows("SELECT reloptions FROM pg_class WHERE relname = 'messages'")
    assert options == [{"reloptions": ["security_barrier=true", "check_option=local"]}]
    names = {
        str(row["name"]) for row in whole.rows("SELECT indexname AS name FROM pg_indexes WHERE tablename = 'LogEntry'")
    }
    assert names == {"LogEntry_pkey", "LogEntry_timestamp", "LogEntry_trace", "by others"}


@pytest.mark.parametrize("done", ["divert", "validate"])
def test_a_takeover_that_was_stopped_goes_on(whole: Database, done: str) -> None:
    with whole.connect() as connection:
        add(connection, NOW, 1)
        floor = connection.execute(SQL["floor"], {"now": NOW}).fetchone()
        assert floor
        connection.execute(SQL["divert"], floor)
        if done == "validate":
            connection.execute(SQL["validate"])
        add(connection, NOW, 2)
        add(connection, NOW, 3, line_id=among_the_days(3))
        add(connection, NOW, 3, line_id=among_the_days(3))  # its writer did not see it, and wrote it again
        assert take_over(connection, now=NOW + 40 * DAY)
    assert sorted(str(row["message"]) for row in lines(whole)) == ["line 1", "line 2", "line 3"]


KILLED = """
import os, signal, sys
from datetime import datetime
from fleexmon_pipeline.database import line_days
from fleexmon_pipeline.database.connection import connect

class Deadly(dict):
    def __getitem__(self, name):
        if name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(name)

line_days.SQL = Deadly(line_days.SQL)
with connect(sys.argv[1]) as connection:
    line_days.take_over(connection, now=datetime.fromisoformat(sys.argv[3]))
"""


@pytest.mark.parametrize("step", ["divert", "validate", "lock_table", "swap"])
def test_a_takeover_that_was_killed_looks_again_at_what_others_attached(whole: Database, step: str) -> None:
    with whole.connect() as connection:
        add(connection, NOW, 1)
        before = {add(connection, NOW, 2, line_id=among_the_days(2)), *(row["id"] for row in lines(whole))}
        died = subprocess.run([sys.executable, "-c", KILLED, whole.url, step, str(NOW)], check=False, timeout=60)
        assert died.returncode == -signal.SIGKILL
        assert "the next start continues" in next(lines_by_day(connection)).told
        before.add(add(connection, NOW, 3, line_id=among_the_days(3)))
        connection.execute('CREATE TABLE note (line UUID REFERENCES "LogEntry" (id))')

        with pytest.raises(LinesNotByDayError, match="foreign key note_line_fkey of note"):
            take_over(connection, now=NOW)

        assert {row["id"] for row in lines(whole)} == before
        before.add(add(connection, NOW, 4, line_id=among_the_days(4)))
        assert {row["id"] for row in lines(whole)} == before
        connection.execute("DROP TABLE note")
        assert take_over(connection, now=NOW)
        assert list(lines_by_day(connection)) == []
    assert {row["id"] for row in lines(whole)} == before


def test_a_takeover_that_the_database_refuses_changes_nothing_and_does_not_stop_the_product(
    whole: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with whole.connect() as connection:
        before = {add(connection, NOW, 1), add(connection, NOW, 2, line_id=among_the_days(2))}
        connection.execute('CREATE TABLE "LogEntry_future" (id int)')  # a name that the swap needs: found at its end
    for _ in range(2):
        assert database_url({"DATABASE_URL": whole.url}) == whole.url
        server._ready.cache_clear()
    assert {row["id"] for row in lines(whole)} == before
    assert len([record for record in caplog.records if "LogEntry_future" in record.message]) == 1
    with whole.connect() as connection:
        (problem,) = problems(connection)
        assert problem.reason == '"LogEntry" stays unpartitioned: relation "LogEntry_future" already exists'
        connection.execute('DROP TABLE "LogEntry_future"')
        assert not take_over(connection, now=NOW)  # it would read the whole table at each tick
        connection.execute('UPDATE "LineDayProblem" SET "lastAt" = "lastAt" - interval \'2 hours\'')
        assert take_over(connection, now=NOW)
        assert problems(connection) == []
    assert {row["id"] for row in lines(whole)} == before


def test_a_role_that_may_not_create_tables_goes_on_with_the_one_table(whole: Database) -> None:
    owner = f"role_{uuid.uuid4().hex[:8]}"
    with whole.connect() as connection:
        for statement in (
            f"CREATE ROLE {owner} LOGIN", f"GRANT USAGE ON SCHEMA public TO {owner}",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            f'ALTER TABLE "LogEntry" OWNER TO {owner}', f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {owner}",
        ):  # fmt: skip
            connection.execute(statement.encode())
        url = make_conninfo(whole.url, user=owner)
        assert server._ready(url, Path("unused")) == url
        with connect(url) as own:
            assert f"the role {owner} may not create tables" in (obstacle(own) or "")
            add(own, NOW)
        for statement in (f"REASSIGN OWNED BY {owner} TO CURRENT_USER", f"DROP OWNED BY {owner}", f"DROP ROLE {owner}"):
            connection.execute(statement.encode())


def test_rows_that_others_add_meanwhile_are_kept(whole: Database) -> None:
    added: list[uuid.UUID] = []
    done = threading.Event()

    def others() -> None:
        with whole.connect() as connection:
            while not done.is_set():
                number = len(added)
                random_id = among_the_days(number) if number % 2 else uuid.uuid4()
                added.append(add(connection, NOW, number, line_id=random_id))

    writer = threading.Thread(target=others)
    writer.start()
    try:
        with whole.connect() as connection:
            while len(added) < 100:
                done.wait(0.01)
            take_over(connection, now=NOW)
            count = len(added)
            while len(added) < count + 100:
                done.wait(0.01)
    finally:
        done.set()
        writer.join()
    assert {row["id"] for row in lines(whole)} == set(added)


@pytest.mark.parametrize(
    ("attached", "named"),
    [
        ('CREATE TABLE note (line UUID REFERENCES "LogEntry" (id))', "foreign key note_line_fkey of note"),
        (
            (
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
                'CREATE TRIGGER theirs BEFORE INSERT ON "LogEntry" FOR EACH ROW EXECUTE FUNCTION f()'
            ),
            "trigger theirs",
        ),
        ('CREATE MATERIALIZED VIEW m AS SELECT id FROM "LogEntry"', "materialized view m"),
        ('ALTER TABLE "LogEntry" ADD COLUMN twice INTEGER GENERATED ALWAYS AS (2) STORED', "column twice"),
        ('CREATE UNIQUE INDEX one ON "LogEntry" (message)', "unique index one"),
        ('CREATE POLICY p ON "LogEntry" USING (true)', "policy p"),
        ('ALTER TABLE "LogEntry" ENABLE ROW LEVEL SECURITY', "row level security"),
        (
            'CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM "LogEntry"; END',
            "function f()",
        ),
        (
            'CREATE FUNCTION f(e "LogEntry") RETURNS text LANGUAGE sql AS $$ SELECT e.message $$',
            'function f("LogEntry")',
        ),
        ('CREATE VIEW v AS SELECT e FROM "LogEntry" AS e', "view v"),
    ],
)
def test_what_would_be_lost_keeps_the_table_in_one_piece(whole: Database, attached: str, named: str) -> None:
    with whole.connect() as connection:
        add(connection, NOW)
        connection.execute(attached.encode())
        with pytest.raises(LinesNotByDayError, match=re.escape(named)):
            take_over(connection, now=NOW)
        assert named in (obstacle(connection) or "")
        assert days_of_lines(connection) == []
        assert make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY) == 0
        assert add(connection, NOW, 2) in {row["id"] for row in lines(whole)}


def test_a_view_of_another_role_is_named_instead_of_failing_at_the_swap(whole: Database) -> None:
    owner, other = (f"role_{uuid.uuid4().hex[:8]}" for _ in range(2))
    with whole.connect() as connection:
        for statement in (
            f"CREATE ROLE {owner}", f"CREATE ROLE {other}", f"GRANT ALL ON SCHEMA public TO {owner}, {other}",
            f'GRANT SELECT ON "LogEntry" TO {other}', f"SET ROLE {other}",
            'CREATE VIEW theirs AS SELECT id FROM "LogEntry"', "RESET ROLE", f'ALTER TABLE "LogEntry" OWNER TO {owner}',
            f"SET ROLE {owner}",
        ):  # fmt: skip
            connection.execute(statement.encode())
        with pytest.raises(LinesNotByDayError, match=f"view theirs, which belongs to {other}"):
            take_over(connection, now=NOW)
        for statement in ("RESET ROLE", f"DROP OWNED BY {owner}, {other} CASCADE", f"DROP ROLE {owner}, {other}"):
            connection.execute(statement.encode())


def test_lines_that_a_foreign_key_refers_to_keep_their_part_and_nothing_fails(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with database.connect() as connection:
        make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY)
        for days in range(-1, 5):
            add(connection, NOW + days * DAY, days)
        connection.execute('CREATE TABLE note (line UUID REFERENCES "LogEntry" (id))')
        connection.execute('INSERT INTO note SELECT id FROM "LogEntry"')
        before = lines(database)
        later = NOW + 3 * DAY

        assert make_days(connection, TODAY, now=later, kept_since=NOW - 30 * DAY) == 0
        assert compact_days(connection, now=later) == 0
        dropped: list[int] = []
        drop_days(connection, before=later, record=dropped.append)

        assert (dropped, lines(database)) == ([], before)
        assert {record.levelname for record in caplog.records if "note_line_fkey" in record.message} == {"WARNING"}
        assert [problem.step for problem in problems(connection)] == ["compact", "drop", "make"]
        assert all("note_line_fkey" in finding.told for finding in list(lines_by_day(connection))[:3])
        connection.execute("DELETE FROM note")
        assert make_days(connection, TODAY, now=later, kept_since=NOW - 30 * DAY) == 3
        assert compact_days(connection, now=later) == 3
        drop_days(connection, before=later, record=dropped.append)
        assert problems(connection) == []
    assert dropped == [1, 1, 1]


def test_lines_that_came_before_their_day_was_made_move_into_it(database: Database) -> None:
    with database.connect() as connection:
        make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY)
        for days in range(-5, 9):
            add(connection, NOW + days * DAY, days)
        before = lines(database)
        make_days(connection, Window(NOW - 4 * DAY, NOW), now=NOW + 5 * DAY, kept_since=NOW - 30 * DAY)
        assert lines(database) == before
        assert [day.since.day for day in days_of_lines(connection)] == list(range(16, 28))
    assert parts(database) == {f"LogEntry_202611{day}": 1 for day in range(16, 28)} | {
        "LogEntry_past": 1,
        "LogEntry_future": 1,
    }


def test_a_backfill_makes_no_days_that_retention_would_drop(database: Database) -> None:
    with database.connect() as connection:
        make_days(connection, Window(NOW - 400 * DAY, NOW - 399 * DAY), now=NOW, kept_since=NOW - 3 * DAY)
        assert [day.since.day for day in days_of_lines(connection)] == [17, 18, 19, 20, 21, 22]


@contextmanager
def reading(database: Database) -> Iterator[None]:
    """A program that reads in a long transaction."""
    with database.connect() as connection, connection.transaction():
        connection.execute('SELECT count(*) FROM "LogEntry"')
        yield


def test_a_table_in_use_gets_its_days_later(database: Database) -> None:
    with database.connect() as connection:
        with reading(database):
            assert make_days(connection, TODAY, now=NOW, kept_since=NOW - DAY) == 0
            add(connection, NOW)
        assert make_days(connection, TODAY, now=NOW, kept_since=NOW - timedelta(hours=1)) == 3
    assert parts(database) == {"LogEntry_20261120": 1}


def test_lines_that_are_kept_for_long_are_in_parts_of_several_days(database: Database) -> None:
    with database.connect() as connection:
        kept_since = NOW - 365 * DAY
        assert make_days(connection, Window(kept_since, NOW), now=NOW, kept_since=kept_since) == 62
        add(connection, NOW - 100 * DAY)
        add(connection, NOW)
        days = days_of_lines(connection)
        assert all(day.until - day.since == 6 * DAY for day in days)
        assert all(earlier.until == later.since for earlier, later in itertools.pairwise(days))
        assert days[0].since <= kept_since
    assert len(parts(database)) == 2
    assert "LogEntry_past" not in parts(database)


def test_columns_that_the_server_computes_are_left_to_it(database: Database) -> None:
    with database.connect() as connection:
        make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY)
        for days in range(-3, 5):
            add(connection, NOW + days * DAY, days)
        connection.execute(
            'ALTER TABLE "LogEntry" ADD COLUMN size INTEGER GENERATED ALWAYS AS (length(message)) STORED'
        )
        before = lines(database)
        later = NOW + 3 * DAY

        assert make_days(connection, TODAY, now=later, kept_since=NOW - 30 * DAY) == 3
        assert compact_days(connection, now=later) == 3
        assert lines(database) == before
        connection.execute("UPDATE \"LogEntry\" SET analyzed = NULL WHERE id >= line_id('2026-11-20')")
        drop_days(connection, before=later, record=lambda _: None)
        assert problems(connection) == []
    assert [(row["id"], row["size"]) for row in lines(database)] == [(row["id"], row["size"]) for row in before]


def small_steps(connection: Connection) -> None:
    """Ten lines are as many as 50,000."""
    connection.execute(
        "CREATE OR REPLACE FUNCTION max_moved_lines() RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 10 $$"
    )


@pytest.mark.parametrize("killed", [None, "check_fence", "close_future"])
@pytest.mark.parametrize("first_days", [True, False])
def test_many_lines_that_wait_are_not_moved_and_their_part_becomes_that_of_all_their_days(
    database: Database, killed: str | None, first_days: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = NOW + 20 * DAY
    with database.connect() as connection:
        small_steps(connection)
        if first_days:
            make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY)
        added = {add(connection, NOW + days * DAY, days) for days in range(-5, 30)}
        if killed:
            monkeypatch.setattr(line_days, "SQL", {key: sql for key, sql in SQL.items() if key != killed})
            with pytest.raises(KeyError, match=killed):
                make_days(connection, TODAY, now=later, kept_since=NOW - 30 * DAY)
            monkeypatch.undo()
            added |= {
                add(connection, later, 99),
                add(connection, NOW + 40 * DAY, 100),
                add(connection, NOW - 9 * DAY, 101),
            }

        assert make_days(connection, TODAY, now=later, kept_since=NOW - 30 * DAY) == 1

        assert {row["id"] for row in lines(database)} == added
        assert make_days(connection, TODAY, now=later, kept_since=NOW - 30 * DAY) == 0
        long = max(days_of_lines(connection), key=lambda day: day.until - day.since)
        assert long.until == datetime(2026, 12, 13, tzinfo=UTC)
        assert long.since == datetime(2026, 11, 23 if first_days else 15, tzinfo=UTC)
        assert make_days(connection, TODAY, now=later + DAY, kept_since=NOW - 30 * DAY) == 1
        assert compact_days(connection, now=NOW + 60 * DAY) == len(days_of_lines(connection))
        apply_retention(connection, now=long.until + DAY, days=1)
    kept = {line for line in added if line.int >> 80 >= long.until.timestamp() * 1000}
    assert {row["id"] for row in lines(database)} == kept


def test_many_lines_that_wait_stay_where_a_foreign_key_holds_them(database: Database) -> None:
    with database.connect() as connection:
        small_steps(connection)
        added = {add(connection, NOW + days * DAY, days) for days in range(30)}
        connection.execute('CREATE TABLE note (line UUID REFERENCES "LogEntry" (id))')
        connection.execute('INSERT INTO note SELECT id FROM "LogEntry"')
        for _ in range(2):
            assert make_days(connection, TODAY, now=NOW + 20 * DAY, kept_since=NOW - 30 * DAY) == 0
            added.add(add(connection, NOW + 50 * DAY, len(added)))
            assert {row["id"] for row in lines(database)} == added
        assert [problem.step for problem in problems(connection)] == ["make"]


def test_days_before_the_first_are_made_as_far_as_few_lines_are_theirs(database: Database) -> None:
    with database.connect() as connection:
        small_steps(connection)
        make_days(connection, TODAY, now=NOW, kept_since=NOW - 30 * DAY)
        added = {add(connection, NOW - days * DAY, number) for days in range(1, 5) for number in range(4)}
        for made in (2, 2, 0):
            window = Window(NOW - 4 * DAY, NOW)
            assert make_days(connection, window, now=NOW, kept_since=NOW - 30 * DAY) == made
            assert {row["id"] for row in lines(database)} == added
        added |= {add(connection, NOW - 7 * DAY, number) for number in range(20)}
        assert make_days(connection, Window(NOW - 7 * DAY, NOW), now=NOW, kept_since=NOW - 30 * DAY) == 2
        assert make_days(connection, Window(NOW - 7 * DAY, NOW), now=NOW, kept_since=NOW - 30 * DAY) == 0
    assert {row["id"] for row in lines(database)} == added
    assert parts(database)["LogEntry_past"] == 20
