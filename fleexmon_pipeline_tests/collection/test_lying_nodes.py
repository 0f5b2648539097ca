"""A node with wrong times: limited, recorded, and without effect on other nodes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from fleexmon_pipeline.collection.account import Account
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.collection.rejected import CUT, Chosen, retry
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

    assert (told.stored, told.rejected, told.outside) == (10, 50, 40)
    reasons = database.rows("SELECT DISTINCT split_part(reason, ':', 1) AS reason FROM \"RejectedLog\" ORDER BY 1")
    assert reasons == [{"reason": "its time is more than a day ahead"}, {"reason": "not a time"}]


def test_thousands_of_identical_lines_are_as_many_rows_the_next_time_too(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    blue.serve(lines(1, TEN) * 20_000)

    assert run(database, blue, green).nodes["blue"].stored == 20_000
    assert run(database, blue, green).nodes["blue"].duplicate == 20_000


BEFORE = b'{"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "before"}'
AFTER = BEFORE.replace(b"before", b"after")
BEGINNING = b'{"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "'


def _one_record(opening: bytes, between: bytes, closing: bytes, megabytes: int) -> Iterator[bytes]:
    yield opening + BEFORE + between + BEGINNING
    for _ in range(megabytes):
        yield b"x" * 1_000_000
    yield b'"}' + between + AFTER + closing


@pytest.mark.parametrize(
    ("opening", "between", "closing"), [(b"[", b", ", b"]"), (b'{"logs": [', b",", b"]}"), (b"", b"\n", b"")]
)
def test_a_huge_record_takes_no_more_memory_than_its_limit_and_no_neighbour(
    database: Database, blue: NodeServer, green: NodeServer, opening: bytes, between: bytes, closing: bytes
) -> None:
    blue.answer(stream=partial(_one_record, opening, between, closing, 100))
    tracemalloc.start()
    try:
        told = run(database, blue, green, Limits(record_bytes=4_000_000)).nodes["blue"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40_000_000
    assert (told.stored, told.rejected, told.errors) == (2, 1, [])
    length = len(BEGINNING) + 100_000_000 + 2
    [kept] = database.rows('SELECT id, reason, payload FROM "RejectedLog"')
    assert kept["reason"] == f"a record of {length:,} bytes, more than 4,000,000"
    assert kept["payload"] == BEGINNING.decode() + "x" * (100_000 - len(BEGINNING))
    assert retry(database.connect, Chosen(), now=LATER, oldest=TEN).stay == {CUT: 1}


def test_a_record_over_the_limit_is_the_same_record_however_it_arrives(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    long = [{**lines(1, TEN)[0], "message": "y" * 20_000, "n": n} for n in (1, 2, 2)]
    blue.serve([*lines(3, TEN), *long, *lines(3, TEN + timedelta(minutes=9))], filtered=False)
    kept = 'SELECT id, reason, payload FROM "RejectedLog" ORDER BY id'
    low = Limits(record_bytes=10_000)

    assert run(database, blue, green, low).nodes["blue"].rejected == 3
    before = database.rows(kept)
    blue.answer(drip=0.001)
    told = run(database, blue, green, low).nodes["blue"]

    assert (told.duplicate, told.rejected) == (6, 3)
    assert database.rows(kept) == before
    assert retry(database.connect, Chosen(), now=LATER, oldest=TEN).stay == {CUT: 3}  # though all of it was kept


def test_large_records_that_are_broken_are_not_gathered(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    bad = b'{"message": oops, "more": "' + b"x" * 1_000_000 + b'"}'
    blue.answer(stream=partial(_broken, bad, 24))
    tracemalloc.start()
    try:
        told = run(database, blue, green).nodes["blue"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (told.rejected, told.stored, told.errors) == (24, 1, [])
    assert peak < 45_000_000


@pytest.mark.parametrize("size", [31_000, 100_000, 990_000])
def test_memory_for_broken_records_does_not_depend_on_the_size_of_chunks(size: int) -> None:
    body = b"".join(_broken(b'{"message": oops, "more": "' + b"x" * 1_000_000 + b'"}', 24))
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    tracemalloc.start()
    try:
        records = sum(len(run) for run in Splitter().runs(chunks))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert records == 25
    assert peak < 33_000_000  # up to 43 MB when chunks added up to just under 4 MB and 8 MB were searched at once


def _broken(bad: bytes, times: int) -> Iterator[bytes]:
    yield b"["
    for _ in range(times):
        yield bad + b", "
    yield AFTER + b"]"


def test_records_that_cannot_be_read_by_the_thousand_are_kept_and_counted(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    blue.serve([{"message": f"no time {n}"} for n in range(5_000)])

    assert run(database, blue, green).nodes["blue"].rejected == 5_000
    assert run(database, blue, green).nodes["blue"].rejected == 5_000
    assert database.rows('SELECT count(*) AS kept FROM "RejectedLog"') == [{"kept": 5_000}]
