"""A Loki query as a node: every line of a window once, for any division into pages."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection import fetch
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.collection.records import Line, read
from fleexmon_pipeline.collection.sources import loki
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.collection.sources.text_lines import LOOK_AROUND
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.window import EPOCH, HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.loki_server import LokiLine, LokiServer
from fleexmon_pipeline_tests.node_server import NodeServer

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
SHOP = {"app": "shop"}
QUERY = '?query={app="shop"}'


def at(offset: timedelta, nanoseconds: int = 0) -> int:
    return (TEN + offset - EPOCH) // timedelta(microseconds=1) * 1_000 + nanoseconds


def shop_lines(count: int, **labels: str) -> list[LokiLine]:
    return [LokiLine(at(n * timedelta(seconds=1)), f"line {n}", {**SHOP, **labels}) for n in range(count)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = retry_context
    monkeypatch.setattr(
        fetch, "retry_context", lambda **o: real(**{**o, "wait_initial": 0.01, "wait_max": 0.01, "wait_jitter": 0})
    )


def lines_of(server: LokiServer, window: Window = WINDOW, *, path: str = "") -> tuple[list[Line], str | None]:
    [node] = settings.nodes({"BLUE_HOST": f"loki+http://{server.host_port}{path}{QUERY}"})
    with ask(Clients(), node, window) as answer:
        return [read(bytes(raw)) for run in answer for raw in run], answer.error


def _page(value: bytes) -> bytes:
    return b'{"data": {"resultType": "streams", "result": [{"stream": {}, "values": [' + value + b"]}]}}"


def metadata(line: Line) -> dict[str, Any]:
    found = json.loads(line.metadata or "{}")
    assert isinstance(found, dict)
    return found


def test_the_lines_of_a_window_are_asked_for_and_read_in_their_order() -> None:
    with LokiServer([*shop_lines(50, pod="a"), *shop_lines(50, pod="b")]) as server:
        lines, error = lines_of(server)

    assert error is None
    assert sorted(line.message for line in lines) == sorted(f"line {n}" for n in range(50) for _ in range(2))
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    assert {metadata(line)["pod"] for line in lines} == {"a", "b"}
    assert server.asked == [
        {"query": '{app="shop"}', "start": str(at(-LOOK_AROUND)), "end": str(at(HOUR + LOOK_AROUND)), "limit": "5000",
         "direction": "forward"}
    ]  # fmt: skip


@hypothesis_settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab"), st.sampled_from("xy")), max_size=25), st.integers(4, 9)
)
def test_pages_lose_no_line_and_repeat_none_where_times_are_equal(found: list[tuple[int, str, str]], page: int) -> None:
    few = [one for n, one in enumerate(found) if sum(one[0] == other[0] for other in found[:n]) < page - 1]
    given_lines = [LokiLine(at(timedelta(), n * 500), text, {"pod": pod}) for n, text, pod in few]
    random.Random(page).shuffle(given_lines)
    with LokiServer(given_lines) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loki, "PAGE", page)
        lines, error = lines_of(server)

    assert error is None
    told = sorted((line.message, metadata(line)["pod"], (line.time - TEN).microseconds) for line in lines)
    assert told == sorted(
        (line.text, line.labels["pod"], (line.nanoseconds - at(timedelta())) // 1_000) for line in given_lines
    )


def test_more_lines_of_one_nanosecond_than_a_page_are_told_and_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loki, "PAGE", 5)
    burst = [LokiLine(at(timedelta(seconds=3)), f"burst {n}", SHOP) for n in range(9)]
    with LokiServer([*shop_lines(3), *burst, *shop_lines(30)[10:]]) as server:
        lines, error = lines_of(server)

    assert error == "more than 5 lines share one nanosecond; Loki cannot return the rest"
    messages = {line.message for line in lines}
    assert {f"line {n}" for n in (0, 1, 2, *range(10, 30))} <= messages
    assert len(lines) == len(messages)


def test_levels_come_from_labels_then_from_the_line_and_json_lines_are_read() -> None:
    json_line = '{"level": "warn", "time": 1, "timestamp": "x", "msg": "slow", "metadata": {"ms": 9}, "app": "mine"}'
    written = [
        ("plain", {}, "info", "plain"),
        ("plain", {"detected_level": "error"}, "error", "plain"),
        ("plain", {"level": "WARNING", "detected_level": "error"}, "warn", "plain"),
        ("plain", {"detected_level": "unknown", "severity": "Critical"}, "fatal", "plain"),
        (json_line, {}, "warn", "slow"),
        (json_line, {"level": "error"}, "error", "slow"),
        ('{"no": "text"}', {}, "info", '{"no": "text"}'),
        ("{broken", {}, "info", "{broken"),
        ("", {}, "info", ""),
        ("half \ufffd \U0001f642\n", {}, "info", "half \ufffd \U0001f642\n"),
    ]
    given_lines = [LokiLine(at(timedelta(seconds=n)), one[0], {**SHOP, **one[1]}) for n, one in enumerate(written)]
    with LokiServer(given_lines) as server:
        lines, _ = lines_of(server)

    assert [(line.level, line.message) for line in lines] == [one[2:] for one in written]
    assert [line.time for line in lines] == [TEN + timedelta(seconds=n) for n in range(len(written))]
    assert metadata(lines[4]) == {"app": "shop", "record.app": "mine", "ms": 9, "lineTimestamp": "x", "time": 1}


def test_identical_lines_stay_two_and_are_known_the_next_time(database: Database) -> None:
    twice = [
        LokiLine(at(SLOT, 7), "ping", SHOP),
        LokiLine(at(SLOT, 7), "ping", SHOP),
        LokiLine(at(SLOT, 8), "ping", SHOP),
    ]
    with LokiServer(twice) as server:
        nodes = settings.nodes({"LOG_SOURCES": f"shop=loki+http://{server.host_port}{QUERY}"})
        first, second = (
            collect(WINDOW, nodes, database.connect, now=TEN + 3 * HOUR, run_id="test").nodes["shop"] for _ in range(2)
        )

    assert (first.stored, second.stored, second.duplicate, second.errors) == (3, 0, 3, [])


def test_a_page_that_is_too_large_or_not_allowed_is_asked_for_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loki, "MAX_PAGE_BYTES", 5_000)
    with LokiServer(shop_lines(300)) as server:
        server.most = 2_000
        lines, error = lines_of(server)

    assert (len(lines), error) == (300, None)
    assert [asked["limit"] for asked in server.asked][:4] == ["5000", "1000", "200", "40"]


def test_the_tenant_is_told_to_loki_and_to_nobody_else() -> None:
    with LokiServer(shop_lines(1)) as server, NodeServer() as green:
        found = settings.nodes(
            {
                "BLUE_HOST": f"loki+http://{server.host_port}{QUERY}",
                "BLUE_ORG_ID": "team-a|team-b",
                "GREEN_HOST": green.host_port,
            }
        )
        for node in found:
            with ask(Clients(), node, WINDOW) as answer:
                list(answer)
            assert answer.error is None

    assert server.headers[0]["x-scope-orgid"] == "team-a|team-b"
    assert "x-scope-orgid" not in green.requests[0].headers
    assert found[0].credentials.variables == ("BLUE_ORG_ID",)


def test_a_path_before_lokis_own_is_kept() -> None:
    with LokiServer(shop_lines(3), path="/logs/loki/api/v1/query_range") as server:
        assert len(lines_of(server, path="/logs/")[0]) == 3
        assert len(lines_of(server, path="/logs/loki/api/v1/query_range")[0]) == 3
        assert lines_of(server) == ([], "HTTP 404")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 400, "body": b"parse error at line 1, col 2: syntax error\n"}, "HTTP 400: parse error at line 1"),
        ({"status": 401}, "HTTP 401"),
        ({"status": 500}, "HTTP 500"),
        ({"body": b"<html>"}, "answered no streams of lines: <html>"),
        ({"body": b"[]"}, "answered no streams of lines: []"),
        ({"body": b'{"data": {"resultType": "matrix", "result": []}}'}, "answered matrix, not streams"),
        ({"body": _page(b'["x", "y"]')}, "no streams"),
        ({"body": _page(b'["1"]')}, "no streams"),
        ({"body": _page(b'["1", "of 1970"]')}, "returned lines outside the requested time range"),
        ({"truncate_at": 300}, "broke off: RemoteProtocolError"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told(fault: dict[str, Any], told: str) -> None:
    with LokiServer(shop_lines(20)) as server:
        for name, value in fault.items():
            setattr(server, name, value)
        lines, error = lines_of(server)

    assert lines == []
    assert told in (error or "")


@pytest.mark.parametrize("page", [2, 3, 5_000])
def test_a_trace_is_one_record_across_pages_and_the_ends_of_windows(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loki, "PAGE", page)
    trace = [
        "Exception in thread main java.lang.X: no ink",
        "\tat a.B.c(B.java:1)",
        "Caused by: java.lang.Y",
        "\t... 1 more",
    ]
    half = timedelta(milliseconds=500)
    begins = [-half, 30 * timedelta(minutes=1), HOUR - half]
    lines = [LokiLine(at(begin + n * half), text, SHOP) for begin in begins for n, text in enumerate(trace)]
    with LokiServer(lines) as server:
        of_hours = [lines_of(server, Window(TEN + n * HOUR, TEN + (n + 1) * HOUR))[0] for n in (-1, 0, 1)]

    assert [[(line.time - TEN, line.level, line.message) for line in lines] for lines in of_hours] == [
        [(begins[0], "error", "\n".join(trace))],
        [(begin, "error", "\n".join(trace)) for begin in begins[1:]],
        [],
    ]
