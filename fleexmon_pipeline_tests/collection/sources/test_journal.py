"""A machine's journal as a node: every entry of a window once, from the real gatewayd and from one that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection import fetch
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.collection.records import Line, read
from fleexmon_pipeline.collection.sources import journal
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.journal_server import Entry, JournalServer, entry, exported, real_gatewayd, real_is_here

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
SECOND = timedelta(seconds=1)

Serve = Callable[[Sequence[Entry]], AbstractContextManager[str]]


@contextmanager
def _fake(entries: Sequence[Entry]) -> Iterator[str]:
    with JournalServer(entries) as server:
        yield server.host_port


@pytest.fixture(params=["like 252", "real"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Serve:
    if request.param == "like 252":
        return _fake
    if not real_is_here():
        pytest.skip("systemd-journal-remote is not installed here")
    return lambda entries: real_gatewayd([entries], tmp_path)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = retry_context
    monkeypatch.setattr(
        fetch, "retry_context", lambda **o: real(**{**o, "wait_initial": 0.01, "wait_max": 0.01, "wait_jitter": 0})
    )


def lines_of(host_port: str, window: Window = WINDOW) -> tuple[list[Line], str | None]:
    [node] = settings.nodes({"BLUE_HOST": f"journal+http://{host_port}"})
    with ask(Clients(), node, window) as answer:
        return [read(bytes(raw)) for run in answer for raw in run], answer.error


def metadata(line: Line) -> dict[str, Any]:
    found = json.loads(line.metadata or "{}")
    assert isinstance(found, dict)
    return found


def test_the_entries_of_a_window_and_no_others_are_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PAGE", 50)
    written = [entry(TEN - HOUR + n * 30 * SECOND, f"line {n}") for n in range(400)]
    with serve(written) as host_port:
        lines, error = lines_of(host_port)

    assert error is None
    assert [line.message for line in lines] == [f"line {n}" for n in range(120, 240)]
    assert [line.time for line in lines] == [one.time for one in written[120:240]]


def test_levels_units_long_binary_and_repeated_fields_are_kept(serve: Serve) -> None:
    wild: list[Entry] = [
        entry(TEN, "disk full", priority=3, _PID="7"),
        entry(TEN, "two\nlines = 2\n\nand \U0001f642", priority=4),
        entry(TEN, b"caf\xe9\x1b[31m\0", priority=7),
        entry(TEN, "x" * 200_000),
        entry(TEN, '{"level": 50, "time": 1, "msg": "card declined", "orderId": 5}'),
        Entry(TEN, [("MESSAGE", "tagged"), ("TAG", "a"), ("TAG", "b"), ("RAW", b"\x00\xff\n"), ("LONG", "y" * 9_000)]),
    ]
    with serve([entry(TEN - HOUR, "before"), *wild]) as host_port:
        lines, error = lines_of(host_port)

    assert error is None
    assert [(line.level, line.message[:50]) for line in lines] == [
        ("error", "disk full"),
        ("warn", "two\nlines = 2\n\nand \U0001f642"),
        ("debug", "caf\\xe9\x1b[31m␀"),
        ("info", "x" * 50),
        ("error", "card declined"),
        ("info", "tagged"),
    ]
    assert len(lines[3].message) == 200_000
    assert metadata(lines[0])["_SYSTEMD_UNIT"] == "shop.service"
    assert metadata(lines[4])["orderId"] == 5
    last = metadata(lines[5])
    assert (sorted(last["TAG"]), last["RAW"], len(last["LONG"])) == (
        ["a", "b"],
        "\x00\\xff\n".replace("\0", "␀"),
        2_000,
    )


def test_identical_entries_stay_two_and_are_known_the_next_time(serve: Serve, database: Database) -> None:
    with serve([entry(TEN - HOUR, "before"), *[entry(TEN + n * SLOT, "ping") for n in (0, 0, 0, 1)]]) as host_port:
        nodes = settings.nodes({"BLUE_HOST": f"journal+http://{host_port}"})
        first, second = (
            collect(WINDOW, nodes, database.connect, now=TEN + 3 * HOUR, run_id="test").nodes["blue"] for _ in range(2)
        )

    assert (first.stored, second.stored, second.duplicate, second.errors) == (4, 0, 4, [])
    assert {row["hostname"] for row in database.rows('SELECT hostname FROM "LogEntry"')} == {"127.0.0.1"}


def test_a_clock_that_was_set_back_a_little_hides_nothing(serve: Serve) -> None:
    times = [TEN - HOUR, TEN - 5 * SECOND, TEN + SECOND, TEN - 2 * SECOND, TEN + 2 * SECOND]
    times += [TEN + HOUR + SECOND, TEN + HOUR - SECOND, TEN + HOUR + 2 * SECOND]
    with serve([entry(moment, str(n)) for n, moment in enumerate(times)]) as host_port:
        lines, _ = lines_of(host_port)

    assert sorted(line.message for line in lines) == ["2", "4", "6"]


def test_a_window_from_before_the_journal_is_not_an_empty_one(serve: Serve) -> None:
    with serve([entry(TEN + HOUR / 2, "first")]) as host_port:
        lines, error = lines_of(host_port)
        earlier, told = lines_of(host_port, Window(TEN - HOUR, TEN))
        later = lines_of(host_port, Window(TEN + HOUR, TEN + 2 * HOUR))

    assert [line.message for line in lines] == ["first"]
    assert earlier == []
    assert error == told == "the journal begins at 2026-11-20 10:30:00 UTC; it holds no earlier entries"
    assert later == ([], None)


@pytest.mark.skipif(not real_is_here(), reason="systemd-journal-remote is not installed here")
def test_the_real_one_serves_several_files_as_one_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PAGE", 7)
    files = [[entry(TEN + (3 * n + part) * SECOND, f"{3 * n + part}") for n in range(40)] for part in range(3)]
    with real_gatewayd(files, tmp_path) as host_port:
        lines, error = lines_of(host_port, Window(TEN, TEN + SLOT))

    assert error is None
    assert [line.message for line in lines] == [str(n) for n in range(120)]


def test_pages_follow_each_other_by_cursor_and_the_rest_of_the_journal_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "PAGE", 10)
    with JournalServer([entry(TEN - HOUR + n * 60 * SECOND, str(n)) for n in range(1_000)]) as server:
        lines, error = lines_of(server.host_port)

    assert (len(lines), error) == (60, None)
    assert len(server.ranges) == 7
    assert server.ranges[0].startswith("entries=t=")
    assert all(asked.startswith(f"entries=s={'a' * 32};i=") for asked in server.ranges[1:])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 404}, "HTTP 404"),
        ({"status": 401}, "HTTP 401: credentials missing or refused"),
        ({"status": 503}, "HTTP 503"),
        ({"content_type": "text/html", "body": b"<html>"}, "answered text/html, not application/vnd.fdo.journal"),
        ({"body": b"MESSAGE=no cursor\n\n"}, "sent an entry without a cursor or a time"),
        ({"body": b"__CURSOR=a\n__REALTIME_TIMESTAMP=-5\n\n"}, "sent an entry without a cursor or a time"),
        ({"truncate_at": 0}, "RemoteProtocolError"),
    ],
)
def test_what_is_no_journal_is_told(fault: dict[str, Any], told: str) -> None:
    with JournalServer([entry(TEN, "a")]) as server:
        for name, value in fault.items():
            setattr(server, name, value)
        lines, error = lines_of(server.host_port)

    assert lines == []
    assert told in (error or "")


def test_an_answer_that_breaks_off_keeps_what_came_before() -> None:
    with JournalServer([entry(TEN + n * SECOND, f"line {n}") for n in range(100)]) as server:
        server.truncate_at = 10_000
        lines, error = lines_of(server.host_port)

    assert 20 < len(lines) < 60
    assert "broke off: RemoteProtocolError" in (error or "")


values = st.binary(max_size=30) | st.sampled_from([b"", b"\n\n", b"A=b", b"A\n\x01\0\0\0\0\0\0\0x\n"])
names = st.sampled_from(["MESSAGE", "A", "B", "_C"])


@given(st.lists(st.lists(st.tuples(names, values), min_size=1, max_size=4), max_size=5), st.integers(1, 40))
def test_any_fields_survive_the_export_format_in_any_chunks(found: list[list[tuple[str, bytes]]], size: int) -> None:
    body = exported([Entry(TEN, fields) for fields in found])
    chunks = (body[start : start + size] for start in range(0, len(body), size))

    parsed = list(journal.parse(chunks, 1_000))

    assert [[value for name, value in fields if name == "A"] for fields in found] == [
        one.get("A", []) for one in parsed
    ]
    assert len(parsed) == len(found)


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_are_parsed_without_an_error(body: bytes, size: int) -> None:
    list(journal.parse((body[start : start + size] for start in range(0, len(body), size)), 50))


def test_an_entry_of_endless_fields_is_cut_and_the_next_is_not() -> None:
    many = Entry(TEN, [("MESSAGE", "many"), *[(f"F{n}", "x" * 100) for n in range(1_000)]])
    first, second = journal.parse(iter([exported([many, entry(TEN, "after")])]), 2_000)

    assert (first["MESSAGE"], second["MESSAGE"]) == ([b"many"], [b"after"])
    assert len(first) < 60


def test_a_proxy_that_lets_entries_alone_through_is_enough() -> None:
    with JournalServer([entry(TEN, "a")]) as server:
        server.machine = False
        lines, error = lines_of(server.host_port)

    assert ([line.message for line in lines], error) == (["a"], None)


def test_a_value_that_is_longer_than_the_limit_is_cut_and_its_neighbours_are_not() -> None:
    body = exported([entry(TEN, "x" * 5_000), entry(TEN, b"\0" * 5_000), entry(TEN, "after")])
    parsed = list(journal.parse((body[start : start + 300] for start in range(0, len(body), 300)), 1_000))

    assert [len(one["MESSAGE"][0]) for one in parsed] == [1_000 - len("MESSAGE="), 1_000, 5]
    assert [one["_SYSTEMD_UNIT"] for one in parsed] == [[b"shop.service"]] * 3


TRACE = ("Traceback (most recent call last):", '  File "/srv/a.py", line 1, in a', "    b()", "KeyError: 7")


@pytest.mark.parametrize("page", [2, 3, 10_000])
def test_a_trace_is_one_record_across_pages_and_the_ends_of_windows(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PAGE", page)
    begins = [TEN - SECOND / 2, TEN + 5 * SLOT - SECOND / 2, TEN + HOUR - SECOND / 2]
    entries = [
        entry(at + n * SECOND / 4, text, _PID="7") for at in begins for n, text in enumerate(TRACE)
    ]  # each ends half a second later than the window, or the slot, in which it begins
    other = [entry(TEN + n * SLOT, "other", _PID="8") for n in range(12)]
    with _fake(sorted([*entries, *other], key=lambda one: one.time)) as host_port:
        of_hours = [lines_of(host_port, Window(TEN + n * HOUR, TEN + (n + 1) * HOUR))[0] for n in (-1, 0, 1)]

    assert [[line.time for line in lines if line.message == "\n".join(TRACE)] for lines in of_hours] == [
        [begins[0]], [begins[1], begins[2]], [],
    ]  # fmt: skip
    assert [{line.message for line in lines} for lines in of_hours] == [
        {"\n".join(TRACE)},
        {"\n".join(TRACE), "other"},
        set(),
    ]
    assert {line.level for lines in of_hours for line in lines if line.message != "other"} == {"error"}
