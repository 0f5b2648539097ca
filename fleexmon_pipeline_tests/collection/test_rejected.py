"""After a fix, rejected records become the lines that collecting again would give: none lost, none twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleexmon_pipeline.catch_up import Due, due, no_longer_waiting, waiting
from fleexmon_pipeline.collection import records, rejected, rows
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.collection.records import Line, RejectedError
from fleexmon_pipeline.collection.rejected import ALTERED, CUT, EXPIRED, WAITS_AS, Chosen, Retried, retry
from fleexmon_pipeline.retention.retention import apply_retention
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
LATER = TEN + 3 * HOUR
SECOND = timedelta(seconds=1)
EVERY = Chosen()


@pytest.fixture
def fix(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Until it is called, a reader that does not know the level "odd"; then today's."""

    def read(raw: bytes) -> Line:
        if b'"level": "odd"' in raw:
            raise RejectedError("not a level: odd")
        return records.read(raw)

    monkeypatch.setattr(rows, "read", read)
    return lambda: monkeypatch.setattr(rows, "read", records.read)


def run(database: Database, node: NodeServer, window: Window = WINDOW, now: datetime = LATER) -> None:
    [account] = collect(
        window, [Node("blue", node.url, "127.0.0.1")], database.connect, now=now, run_id="test"
    ).nodes.values()
    assert not account.errors


def again(database: Database, chosen: Chosen = EVERY, *, now: datetime = LATER, dry_run: bool = False) -> Retried:
    return retry(database.connect, chosen, now=now, oldest=now - 30 * 24 * HOUR, dry_run=dry_run)


def odd(count: int, start: datetime = TEN, **rest: Any) -> list[Any]:
    return [{**line, **rest} for line in lines(count, start, level="odd")]


LINES = 'SELECT id, timestamp, level, message, metadata, source, hostname FROM "LogEntry" ORDER BY id'
COVERAGE = 'SELECT slot, status, received, stored, rejected, duplicate FROM "LogCoverage" ORDER BY slot'


def test_what_can_be_read_now_is_what_collecting_again_gives(database: Database, blue: NodeServer, fix: Any) -> None:
    blue.serve(lines(30, TEN) + odd(3) + odd(1) * 2 + odd(4, TEN + 20 * timedelta(minutes=1)))
    run(database, blue)
    fix()

    done = again(database)

    assert (done.stored, done.known, done.stay) == (9, 0, {})
    assert database.rows('SELECT id FROM "RejectedLog"') == []
    stored, covered = database.rows(LINES), database.rows(COVERAGE)
    assert len(stored) == 39
    assert sum(int(str(row["stored"])) for row in covered) == sum(int(str(row["received"])) for row in covered) == 39
    run(database, blue)
    assert (database.rows(LINES), database.rows(COVERAGE)) == (stored, covered)
    with database.connect() as connection:
        connection.execute('TRUNCATE "LogEntry"')
    run(database, blue)
    assert database.rows(LINES) == stored


def test_what_is_collected_again_after_a_fix_is_no_longer_rejected(
    database: Database, blue: NodeServer, fix: Any
) -> None:
    unreadable: list[Any] = [{"level": "info", "message": "no time"}]
    blue.serve(lines(5, TEN) + odd(2) * 2 + unreadable)
    run(database, blue)
    assert check_account(database) == (10, 5, 5)
    fix()
    run(database, blue)
    stored = database.rows(LINES)

    assert check_account(database) == (10, 9, 1)
    done = again(database)
    assert (done.stored, done.known, done.stay.total()) == (0, 0, 1)
    assert database.rows(LINES) == stored
    (left,) = database.rows('SELECT reason FROM "RejectedLog"')
    assert str(left["reason"]).startswith("no time: ")
    assert database.rows(COVERAGE)[0] == {
        "slot": TEN, "status": "complete", "received": 10, "stored": 9, "rejected": 1, "duplicate": 0,
    }  # fmt: skip


def test_a_part_that_is_collected_again_takes_its_own_records_only(
    database: Database, blue: NodeServer, fix: Any
) -> None:
    """Rejected in the question for the hour, so in its first slot; stored by slot, or not yet."""
    blue.serve(lines(5, TEN) + odd(2, TEN + 2 * SLOT) + odd(3, TEN + 4 * SLOT))
    run(database, blue)
    assert check_account(database) == (10, 5, 5)
    fix()

    run(database, blue, Window(TEN + 2 * SLOT, TEN + 3 * SLOT))
    assert check_account(database) == (10, 7, 3)
    run(database, blue)
    assert check_account(database) == (10, 10, 0)


def test_a_twin_that_was_stored_beside_it_is_not_the_record(database: Database, blue: NodeServer, fix: Any) -> None:
    (rejected_one,) = odd(1)
    readable = {**rejected_one, "level": "info", "metadata": {"originalLevel": "odd"}}
    blue.serve([readable, rejected_one])
    run(database, blue)
    blue.serve([readable, rejected_one, *lines(1, TEN + SECOND)])
    run(database, blue)  # new lines, and the record is as unreadable as before
    assert check_account(database) == (3, 2, 1)
    fix()
    run(database, blue)
    assert check_account(database) == (3, 3, 0)


def test_a_line_whose_twin_could_be_read_is_a_second_line(database: Database, blue: NodeServer, fix: Any) -> None:
    (rejected_one,) = odd(1)
    readable = {**rejected_one, "level": "info", "metadata": {"originalLevel": "odd"}}
    blue.serve([rejected_one, readable, rejected_one])
    run(database, blue)
    fix()

    assert again(database).stored == 2
    stored = database.rows(LINES)
    assert [row["metadata"] for row in stored] == [{"originalLevel": "odd"}] * 3
    run(database, blue)
    assert database.rows(LINES) == stored


@pytest.mark.usefixtures("fix")
def test_a_collector_that_does_not_have_the_fix_yet_doubles_nothing(database: Database, blue: NodeServer) -> None:
    blue.serve(odd(3))
    run(database, blue)
    again(database)  # in another process, which has it
    stored = database.rows(LINES)
    run(database, blue)
    assert len(database.rows('SELECT id FROM "RejectedLog"')) == 3

    assert again(database).known == 3
    assert database.rows(LINES) == stored


def check_account(database: Database, *, holds: bool = True) -> tuple[int, int, int]:
    """received, stored and rejected of all slots, which must be those of the tables where nothing has expired."""
    rows = database.rows(
        """
        SELECT c.*, (SELECT count(*) FROM "RejectedLog" AS r WHERE r.slot = c.slot) AS refused,
          (SELECT count(*) FROM "LogEntry" WHERE timestamp >= slot AND timestamp < slot + interval '5 minutes') AS lines
        FROM "LogCoverage" AS c
        """
    )
    sums = [0, 0, 0]
    for row in rows:
        received, stored, rejected = (int(str(row[name])) for name in ("received", "stored", "rejected"))
        assert received == stored + int(str(row["duplicate"])) + rejected
        if holds:
            assert (stored, rejected) == (row["lines"], row["refused"])
        sums = [sums[0] + received, sums[1] + stored, sums[2] + rejected]
    return sums[0], sums[1], sums[2]


def test_the_account_holds_through_fixes_retries_more_collecting_and_retention(
    database: Database, blue: NodeServer, fix: Any
) -> None:
    no_time: list[Any] = [{"level": "info", "message": "no time"}]
    blue.serve([*lines(30, TEN, every=timedelta(minutes=1)), *odd(3) * 2, *odd(2, TEN + 20 * SECOND), *no_time])
    run(database, blue)
    assert check_account(database) == (39, 30, 9)
    fix()
    again(database)
    assert check_account(database) == (39, 38, 1)
    run(database, blue)
    assert check_account(database) == (39, 38, 1)

    later = TEN + 60 * 24 * HOUR
    with database.connect() as connection:
        connection.execute('UPDATE "LogEntry" SET analyzed = true')
        apply_retention(connection, now=later, days=30)
    assert again(database, now=later).records == 0
    assert database.rows(LINES) == []
    assert check_account(database, holds=False) == (39, 38, 1)  # what was there, not what is
    run(database, blue)
    assert check_account(database) == (39, 38, 1)


def test_a_dry_run_tells_the_same_and_changes_nothing(database: Database, blue: NodeServer, fix: Any) -> None:
    blue.serve(lines(3, TEN) + odd(2) + [{"level": "info", "message": "no time"}])
    run(database, blue)
    fix()
    tables = ('"LogEntry"', '"RejectedLog"', '"LogCoverage"', '"StaleWindow"')
    before = database.fingerprint(*tables)

    told = again(database, dry_run=True)

    assert database.fingerprint(*tables) == before
    assert told == again(database)
    assert (told.stored, told.stay, told.hours) == (2, {"no time": 1}, {TEN})


def test_a_record_is_stored_in_the_hour_of_its_own_time(database: Database, blue: NodeServer, fix: Any) -> None:
    run(database, blue, Window(TEN - HOUR, TEN))
    blue.serve(odd(2, TEN - HOUR + SECOND) + odd(1, TEN - 48 * HOUR) + odd(1), filtered=False)
    run(database, blue)
    fix()

    done = again(database)

    assert done.hours == {TEN - 48 * HOUR, TEN - HOUR, TEN}
    rows = database.rows(COVERAGE)
    assert [row["stored"] for row in rows if row["slot"] in (TEN - HOUR, TEN)] == [2, 1]
    assert sum(int(str(row["rejected"])) for row in rows) == 0
    assert rows[0]["slot"] == TEN - HOUR  # coverage still begins with what was first asked for


def test_what_cannot_be_read_today_either_stays_and_says_why(database: Database, blue: NodeServer, fix: Any) -> None:
    long = {**odd(1)[0], "message": "x" * 200_000}
    nul = json.dumps(odd(1)[0]).replace('"odd"', '"odd", "k": "\0"').encode()
    broken = json.dumps(odd(1)[0]).encode().replace(b'"odd"', b'"odd", "k": "\xff"')
    body = b",".join([json.dumps(long).encode(), nul, broken, *(json.dumps(one).encode() for one in (
        odd(1, TEN - 40 * 24 * HOUR)[0], {"level": "info", "message": "no time"}, "text"))])  # fmt: skip
    blue.answer(body=b"[" + body + b"]")
    run(database, blue)
    fix()
    before = database.rows('SELECT id FROM "RejectedLog" ORDER BY id')

    done = again(database)

    assert done.stored == 0
    assert done.stay[CUT] == 1
    assert done.stay == {CUT: 1, ALTERED: 2, EXPIRED: 1, "no time": 1, "a JSON str, not an object": 1}
    assert database.rows('SELECT id FROM "RejectedLog" ORDER BY id') == before


def test_a_time_that_was_far_ahead_is_no_reason_any_more_when_it_has_come(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(1, TEN + 40 * HOUR), filtered=False)
    run(database, blue)
    assert again(database).stay == {"its time is more than a day ahead": 1}

    assert again(database, now=TEN + 41 * HOUR).stored == 1


@pytest.mark.parametrize(
    ("chosen", "stored"),
    [
        (Chosen(node="blue"), 4),
        (Chosen(node="green"), 0),
        (Chosen(since=TEN + HOUR), 1),
        (Chosen(until=TEN + HOUR), 3),
        (Chosen(since=TEN + 2 * HOUR), 0),
        (Chosen(reason="LEVEL"), 4),
        (Chosen(reason="time"), 0),
    ],
)
def test_records_are_chosen_by_node_window_and_reason(
    chosen: Chosen, stored: int, database: Database, blue: NodeServer, fix: Any
) -> None:
    blue.serve(odd(3) + odd(1, TEN + HOUR))
    run(database, blue)
    run(database, blue, Window(TEN + HOUR, TEN + 2 * HOUR))
    fix()

    assert again(database, chosen).stored == stored


def test_hours_that_got_lines_wait_for_their_analysis(database: Database, blue: NodeServer, fix: Any) -> None:
    blue.serve(odd(3))
    run(database, blue)
    fix()
    again(database)

    with database.connect() as connection:
        assert waiting(connection, WAITS_AS) == [(TEN, "3 rejected records of blue became lines")]
        [asked] = due(connection, [], since=TEN, now=LATER + SLOT, limit=9)
        assert asked == Due(TEN, 1, "rejected: 3 rejected records of blue became lines")
        no_longer_waiting(connection, WAITS_AS, WINDOW, due_by=LATER)  # begun before it was noted
        assert waiting(connection, WAITS_AS) != []
        no_longer_waiting(connection, WAITS_AS, WINDOW, due_by=LATER + SLOT)
        assert waiting(connection, WAITS_AS) == []


def test_many_records_go_in_batches_and_keep_their_ordinals(
    database: Database, blue: NodeServer, fix: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "MAX_RECORDS_IN_MEMORY", 7)
    blue.serve(odd(40) + odd(3) * 5)
    run(database, blue)
    fix()

    assert again(database).stored == 55
    stored = database.rows(LINES)
    run(database, blue)
    assert database.rows(LINES) == stored
