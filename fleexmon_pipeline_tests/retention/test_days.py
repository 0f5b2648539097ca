"""Dropping whole days of lines leaves the same rows as deleting them line by line."""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import make_days, take_over
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.retention.days import compact_days, days_of_lines, drop_days
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.window import DAY, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.database.test_line_days import reading

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
FIVE_DAYS = Window(NOW - 5 * DAY, NOW)


def fill(connection: Connection, seed: int) -> None:
    """Lines of eight days: ours and other programs', analyzed and not, some of them evidence of issues."""
    chance = random.Random(seed)
    evidence = []
    for number in range(300):
        moment = NOW - timedelta(days=chance.uniform(0, 8))
        line_id = (
            uuid8(moment, str(number).encode()) if chance.random() < 0.8 else uuid.UUID(int=chance.getrandbits(128))
        )
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, analyzed) '
            "VALUES (%s, %s, 'info', %s, 'blue', 'b', %s)",
            [line_id, moment, f"line {number}", chance.choice([True, True, True, False, None])],
        )
        if chance.random() < 0.05:
            evidence.append(line_id)
    for status in ("open", "resolved"):
        connection.execute(
            'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt", '
            "\"affectedLogs\") VALUES ('t', 'low', '', '', 'ops', %s, %s, %s, %s)",
            [status, NOW, NOW, evidence[::2] if status == "open" else evidence[1::2]],
        )


def ids(connection: Connection) -> list[uuid.UUID]:
    return [row["id"] for row in connection.execute('SELECT id FROM "LogEntry" ORDER BY id')]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("compact", [False, True])
def test_days_leave_what_line_by_line_would_leave(
    database: Database, empty_database: Database, seed: int, compact: bool
) -> None:
    with empty_database.connect() as whole:
        migrate(whole)
        fill(whole, seed)
        expected = apply_retention(whole, now=NOW, days=3)
        left = ids(whole)
    with database.connect() as connection:
        make_days(connection, FIVE_DAYS, now=NOW, kept_since=NOW - 5 * DAY)
        fill(connection, seed)
        if compact:
            compact_days(connection, now=NOW)
        account = apply_retention(connection, now=NOW, days=3)
        assert ids(connection) == left
        assert account == expected
        assert days_of_lines(connection)[0].since.date() == (NOW - 3 * DAY).date()
        assert apply_retention(connection, now=NOW, days=3).deleted["LogEntry"] == 0


def analyzed_day(connection: Connection, lines: int = 50) -> list[uuid.UUID]:
    make_days(connection, FIVE_DAYS, now=NOW, kept_since=NOW - 5 * DAY)
    for number in range(lines):
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, analyzed) '
            "VALUES (%s, %s, 'info', %s, 'blue', 'b', true)",
            [uuid8(NOW - 5 * DAY, str(number).encode()), NOW - 5 * DAY, f"line {number} {'x' * 500}"],
        )
    return ids(connection)


def test_a_day_of_many_lines_is_not_read_to_be_dropped(database: Database) -> None:
    """What is told of it is an estimate: the five lines since the last look at the table are not in it."""
    told: list[int] = []
    with database.connect() as connection:
        analyzed_day(connection, 50)
        connection.execute('ANALYZE "LogEntry"')
        for number in range(5):
            connection.execute(
                'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, analyzed) '
                "VALUES (%s, %s, 'info', 'more', 'blue', 'b', true)",
                [uuid8(NOW - 5 * DAY, f"more {number}".encode()), NOW - 5 * DAY],
            )
        connection.execute(
            "CREATE OR REPLACE FUNCTION max_counted_lines() RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 50 $$"
        )
        drop_days(connection, before=NOW - 4 * DAY, record=told.append)

        assert told == [50]
        assert ids(connection) == []


def test_a_compact_day_has_the_same_lines_in_less_space(database: Database) -> None:
    def size() -> int:
        row = database.rows("SELECT pg_table_size('\"LogEntry_20261115\"') AS bytes")[0]
        return int(str(row["bytes"]))

    with database.connect() as connection:
        before = analyzed_day(connection, 2_000)
        large = size()
        assert compact_days(connection, now=NOW) == 5
        assert ids(connection) == before
        assert size() < 0.6 * large
        assert compact_days(connection, now=NOW) == 0
        assert [day.compact for day in days_of_lines(connection)] == [True] * 5 + [False] * 3
        assert take_over(connection, now=NOW)


def test_a_backfill_over_a_compact_day_leaves_no_room_that_nobody_needs(database: Database) -> None:
    def pages() -> int:
        return int(str(database.rows("SELECT pg_relation_size('\"LogEntry_20261115\"') / 8192 AS pages")[0]["pages"]))

    with database.connect() as connection:
        analyzed_day(connection, 3_000)
        connection.execute(
            "CREATE INDEX \"a USING b\" ON \"LogEntry\" (source) WHERE message <> 'a USING b' AND level <> ' USING c'"
        )
        compact_days(connection, now=NOW)
        small = pages()
        for analyzed in ("NULL", "true"):  # as collecting and judging an hour again do
            connection.execute(f'UPDATE "LogEntry" SET analyzed = {analyzed}'.encode())
        assert pages() > 2 * small
        before = ids(connection)

        assert compact_days(connection, now=NOW) == 1

        assert (pages(), ids(connection)) == (small, before)
        assert compact_days(connection, now=NOW) == 0
    definitions = database.rows("SELECT indexdef FROM pg_indexes WHERE tablename = 'LogEntry_20261115' ORDER BY 1")
    assert len(definitions) == 5
    (theirs,) = (str(row["indexdef"]) for row in definitions if "'a USING b'" in str(row["indexdef"]))
    assert theirs.partition(" USING btree ")[2].startswith("(source) WHERE ((message <> 'a USING b'::text) AND ")


def test_a_day_waits_until_all_its_lines_are_analyzed(database: Database) -> None:
    with database.connect() as connection:
        analyzed_day(connection)
        connection.execute("UPDATE \"LogEntry\" SET analyzed = false WHERE message LIKE 'line 7 %'")
        compact_days(connection, now=NOW)
        assert not days_of_lines(connection)[0].compact


def test_a_late_line_of_a_compact_day_is_kept_until_it_is_analyzed(database: Database) -> None:
    late = uuid8(NOW - 5 * DAY, b"late")
    with database.connect() as connection:
        analyzed_day(connection)
        compact_days(connection, now=NOW)
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) '
            "VALUES (%s, %s, 'info', 'late', 'blue', 'b')",
            [late, NOW - 5 * DAY],
        )
        apply_retention(connection, now=NOW, days=1)
        assert ids(connection) == [late]
        connection.execute('UPDATE "LogEntry" SET analyzed = true')
        apply_retention(connection, now=NOW, days=1)
        assert ids(connection) == []


def test_nobody_waits_while_a_vacuum_of_another_day_is_waited_for(database: Database) -> None:
    line = uuid8(NOW, b"today")
    waiting = "SELECT mode FROM pg_locks WHERE NOT granted AND relation = '\"LogEntry_20261120\"'::regclass"
    with database.connect() as connection, database.connect() as vacuum, database.connect() as writer:
        analyzed_day(connection)
        with vacuum.transaction():
            vacuum.execute('LOCK TABLE "LogEntry_20261120" IN SHARE UPDATE EXCLUSIVE MODE')  # as VACUUM does
            dropping = Thread(target=drop_days, args=(connection,), kwargs={"before": NOW - 4 * DAY, "record": print})
            dropping.start()
            while not (modes := [row["mode"] for row in writer.execute(waiting)]):
                assert dropping.is_alive()
                time.sleep(0.01)
            writer.execute("SET lock_timeout = '100ms'")
            writer.execute(
                'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) '
                "VALUES (%s, %s, 'info', '', 'blue', 'b')",
                [line, NOW],
            )
        dropping.join()

        assert modes == ["ShareUpdateExclusiveLock"]
        assert ids(writer) == [line]


def test_a_day_that_is_read_for_long_stays_until_the_next_run(database: Database) -> None:
    dropped: list[int] = []
    with database.connect() as connection:
        before = analyzed_day(connection)
        with reading(database):
            drop_days(connection, before=NOW - DAY, record=dropped.append, attempts=1)
            assert compact_days(connection, now=NOW - 4 * DAY, attempts=1) == 0
            assert ids(connection) == before
        drop_days(connection, before=NOW - DAY, record=dropped.append, attempts=1)
        assert (ids(connection), dropped[0]) == ([], 50)
