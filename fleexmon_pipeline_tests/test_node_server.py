"""The fake node of the tests really makes the faults that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def node() -> Iterator[NodeServer]:
    with NodeServer() as node:
        yield node


def ask(node: NodeServer, *, since: datetime = TEN, until: datetime = TEN + timedelta(hours=1)) -> httpx.Response:
    query = {"since": since.isoformat(), "until": until.isoformat()}
    return httpx.get(node.url, params=query, timeout=0.5, trust_env=False)


def test_a_window_is_answered_with_its_records_and_those_without_a_readable_time(node: NodeServer) -> None:
    node.serve([*lines(10, TEN, every=timedelta(minutes=10)), {"timestamp": 1, "message": "x"}, 7])

    answer = ask(node, until=TEN + timedelta(minutes=20)).json()

    assert answer == [*lines(2, TEN, every=timedelta(minutes=10)), {"timestamp": 1, "message": "x"}, 7]
    assert (node.requests[0].since, node.requests[0].until) == (TEN, TEN + timedelta(minutes=20))
    assert node.requests[0].headers["accept"] == "*/*"


def test_a_node_may_ignore_the_query(node: NodeServer) -> None:
    node.serve(lines(10, TEN - timedelta(days=1)), filtered=False)
    assert len(ask(node).json()) == 10


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_shapes_and_encodings(node: NodeServer, *, chunked: bool, zipped: bool) -> None:
    records = lines(3, TEN)
    node.serve(records)

    node.answer(shape="object", chunked=chunked, gzip=zipped, times=1)
    node.answer(shape="ndjson", chunked=chunked, gzip=zipped, times=1)

    assert ask(node).json() == {"logs": records}
    assert len(ask(node).text.splitlines()) == 3
    assert ask(node).json() == records


def test_a_status_a_body_and_headers_are_sent_as_scripted(node: NodeServer) -> None:
    node.answer(status=500, body=b"<html>", headers={"Content-Type": "text/html"}, times=2)
    assert [ask(node).status_code for _ in range(3)] == [500, 500, 200]

    node.answer(status=302, headers={"Location": "http://192.0.2.1/"})
    assert ask(node).headers["Location"] == "http://192.0.2.1/"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_truncated_answer_breaks_off(node: NodeServer, *, chunked: bool) -> None:
    node.serve(lines(100, TEN))
    node.answer(truncate_at=500, chunked=chunked)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(node)


def test_an_answer_may_drip_and_still_be_whole() -> None:
    with NodeServer() as node:
        node.serve(lines(30, TEN))
        node.answer(drip=0.001)
        assert len(httpx.get(node.url, timeout=5).json()) == 30


@pytest.mark.parametrize("fault", [{"hang_after": 100}, {"delay": 5.0}, {"drip": 5.0}])
def test_a_node_that_hangs_or_is_slow_runs_into_the_timeout(node: NodeServer, fault: dict[str, float]) -> None:
    node.serve(lines(100, TEN))
    node.answer(**fault)  # type: ignore[arg-type]
    with pytest.raises(httpx.ReadTimeout):
        ask(node)


def test_a_stopped_node_refuses_and_comes_back_at_the_same_address(node: NodeServer) -> None:
    node.serve(lines(2, TEN))
    node.stop()
    with pytest.raises(httpx.ConnectError):
        ask(node)

    node.start()
    assert len(ask(node).json()) == 2
