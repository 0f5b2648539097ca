"""A node that lies: bounded, recorded, and the other nodes unharmed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from fleexmon_pipeline.collection.account import Account
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.settings import Limits, Node
from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
LATER = TEN + 3 * HOUR


def run(database: Database, liar: NodeServer, honest: NodeServer, limits: Limits | None = None) -> Account:
    """Blue lies; green has 100 lines, and they are there afterwards, whatever blue does."""
    honest.serve(lines(100, TEN))
    nodes = [
        Node("blue", liar.url, "127.0.0.1", limits=limits or Limits()),
        Node("green", honest.url, "127.0.0.1"),
    ]
    account = collect(WINDOW, nodes, database.connect, now=LATER, run_id="test")
    assert account.nodes["green"].errors == []
    assert account.nodes["green"].received == 100
    [row] = database.rows('SELECT count(*) AS lines FROM "LogEntry" WHERE source = %(node)s', node="green")
    assert row["lines"] == 100
    for node in account.nodes.values():
        assert node.received == node.stored + node.duplicate + node.rejected
    return account


def test_times_of_elsewhere_are_outside_or_refused(database: Database, blue: NodeServer, green: NodeServer) -> None:
    century = timedelta(days=36_524)
    found = [*lines(10, TEN), *lines(20, TEN - century), *lines(30, TEN + century), *lines(40, TEN + HOUR)]
    blue.serve(found, filtered=False)

    told = run(database, blue, green).nodes["blue"]

    assert (told.stored, told.rejected, told.outside) == (10, 30, 60)
    reasons = database.rows("SELECT DISTINCT split_part(reason, ':', 1) AS reason FROM \"RejectedLog\"")
    assert reasons == [{"reason": "its time is more than a day ahead"}]


def test_thousands_of_identical_lines_are_as_many_rows_the_next_time_too(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    blue.serve(lines(1, TEN) * 20_000)

    assert run(database, blue, green).nodes["blue"].stored == 20_000
    assert run(database, blue, green).nodes["blue"].duplicate == 20_000


BEFORE = b'{"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "before"}'
BEGINNING = b'{"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "'


def _one_record(opening: bytes, between: bytes, megabytes: int) -> Iterator[bytes]:
    yield opening + BEFORE + between + BEGINNING
    for _ in range(megabytes):
        yield b"x" * 1_000_000
    yield b'"}' + between + BEFORE


@pytest.mark.parametrize(("opening", "between"), [(b"[", b", "), (b'{"logs": [', b","), (b"", b"\n")])
def test_a_record_without_end_takes_no_more_memory_than_its_limit(
    database: Database, blue: NodeServer, green: NodeServer, opening: bytes, between: bytes
) -> None:
    blue.answer(stream=partial(_one_record, opening, between, 100))
    tracemalloc.start()
    try:
        told = run(database, blue, green, Limits(record_bytes=4_000_000)).nodes["blue"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40_000_000
    assert told.stored >= 1
    assert told.errors or told.rejected == 1


def test_records_that_cannot_be_read_by_the_thousand_are_kept_and_counted(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    blue.serve([{"message": f"no time {n}"} for n in range(5_000)])

    assert run(database, blue, green).nodes["blue"].rejected == 5_000
    assert run(database, blue, green).nodes["blue"].rejected == 5_000
    assert database.rows('SELECT count(*) AS kept FROM "RejectedLog"') == [{"kept": 5_000}]
