"""A trace is found in a table of many days, newest first, and a search that ends early says where it goes on."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.lookup import traces
from fleexmon_pipeline.lookup.lines import LineQuery, LogLine
from fleexmon_pipeline.lookup.traces import newest_of_trace, search_trace
from fleexmon_pipeline.window import DAY, EPOCH, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
ALL = LineQuery(EPOCH, None)
OF_A_REQUEST = {"request_id": "pay-1"}


@pytest.fixture
def stored(database: Database) -> Iterator[Connection]:
    """A table with a part for each day of four weeks."""
    with database.connect() as connection:
        make_days(connection, Window(NOW - 28 * DAY, NOW), now=NOW, kept_since=NOW - 28 * DAY)
        assert len(connection.execute("SELECT FROM line_parts() WHERE day IS NOT NULL").fetchall()) > 28
        yield connection


def add(connection: Connection, *moments: datetime, metadata: object = OF_A_REQUEST, ours: bool = True) -> None:
    for moment in moments:
        key = uuid8(moment, str(metadata).encode()) if ours else uuid.uuid4()
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata) '
            "VALUES (%s, %s, 'info', 'm', 'blue', 'b', %s)",
            [key, moment, Jsonb(metadata)],
        )


def times(lines: list[LogLine]) -> list[datetime]:
    return [line.timestamp for line in lines]


def pages(connection: Connection, query: LineQuery, limit: int) -> list[datetime]:
    """What a reader sees who always goes on."""
    seen: list[datetime] = []
    while True:
        found = search_trace(connection, "pay-1", query, limit=limit)
        assert len(found.lines) <= limit
        seen += times(found.lines)
        if found.older is None and found.since is None:
            return seen
        until = found.older.at + timedelta(microseconds=1) if found.older else found.since
        assert query.until is None or (until or NOW) < query.until or found.older != query.before
        query = replace(query, until=until, before=found.older)


def test_a_search_ends_at_a_day_without_the_trace_and_goes_on_from_there(stored: Connection) -> None:
    recent = [NOW - 2 * DAY, NOW - 2 * DAY - HOUR, NOW - 3 * DAY]
    add(stored, *recent, NOW - 20 * DAY)
    add(stored, *(NOW - n * DAY for n in range(28)), metadata={"request_id": "another"})

    found = search_trace(stored, "pay-1", ALL, limit=10)
    assert times(found.lines) == recent
    assert found.since is not None
    assert NOW - 20 * DAY < found.since < NOW - 4 * DAY

    rest = search_trace(stored, "pay-1", replace(ALL, until=found.since), limit=10)
    assert times(rest.lines) == [NOW - 20 * DAY]
    nothing = search_trace(stored, "none", ALL, limit=10)
    assert (nothing.lines, nothing.since, nothing.older) == ([], None, None)


def test_a_trace_across_midnight_is_one(stored: Connection) -> None:
    midnight = NOW.replace(hour=0)
    around = [midnight + n * timedelta(minutes=1) for n in (2, 1, 0, -1, -2)]
    add(stored, *around)
    assert times(search_trace(stored, "pay-1", ALL, limit=10).lines) == around


@pytest.mark.parametrize("seed", range(4))
def test_pages_of_any_size_give_every_line_once_in_order(stored: Connection, seed: int) -> None:
    numbers = random.Random(seed)
    ours = {NOW - timedelta(seconds=numbers.randrange(40 * 86_400)) for _ in range(12)}
    theirs = {NOW - timedelta(seconds=numbers.randrange(40 * 86_400)) for _ in range(4)}
    add(stored, *ours, NOW + 10 * DAY)
    add(stored, *theirs, ours=False)
    whole = sorted({*ours, *theirs, NOW + 10 * DAY}, reverse=True)

    for limit in (1, 2, 5, 100):
        assert pages(stored, ALL, limit) == whole
    assert times(list(newest_of_trace(stored, "pay-1", ALL))) == whole
    since, until = NOW - 15 * DAY, NOW - DAY
    within = [moment for moment in whole if since <= moment < until]
    assert times(list(newest_of_trace(stored, "pay-1", LineQuery(since, until)))) == within


def test_a_search_that_takes_too_long_says_how_far_it_came(stored: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    add(stored, NOW, NOW - 12 * DAY)
    with monkeypatch.context() as slow:
        slow.setattr(traces, "MAX_TRACE_SECONDS", -1.0)
        found = search_trace(stored, "pay-1", replace(ALL, until=NOW + HOUR), limit=10)

    assert times(found.lines) == [NOW]
    assert found.since == NOW.replace(hour=0)
    assert pages(stored, replace(ALL, until=found.since), 10) == [NOW - 12 * DAY]


def test_a_part_of_a_day_is_searched_by_its_index_of_traces(
    stored: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planner has no statistics of a trace's frequency: it would read all lines of these days."""
    stored.execute(
        """INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata)
        SELECT (left(line_id(at)::text, 19) || right(gen_random_uuid()::text, 17))::uuid, at, 'info',
          'order ' || n || ' shipped', 'blue', 'b', jsonb_build_object('trace_id', 'trace-' || n)
        FROM (SELECT n, %(until)s::timestamp - n * interval '9 s' AS at FROM generate_series(1, 20000) AS n) AS made""",
        {"until": NOW},
    )
    stored.execute('VACUUM (ANALYZE) "LogEntry"')
    executed = []
    run = stored.execute

    def explained(statement: bytes, params: Any = None) -> Any:
        if statement == traces.SQL["of_trace"]:
            executed.append(str(run(b"EXPLAIN " + statement, params).fetchall()))
        return run(statement, params)

    monkeypatch.setattr(stored, "execute", explained)
    found = search_trace(stored, "trace-12000", replace(ALL, until=NOW - DAY), limit=10)

    assert times(found.lines) == [NOW - 12_000 * timedelta(seconds=9)]
    assert len(executed) == 2
    assert 'on "LogEntry_20261119_trace_of_request_of_idx"' in executed[0]
    assert "20261119_pkey" not in executed[0]
    assert "20261118" not in executed[0]
    assert 'on "LogEntry_20261118_trace_of_request_of_idx"' in executed[1]
