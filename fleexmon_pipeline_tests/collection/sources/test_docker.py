"""A container's log as a node: every line of a window once, whole, by the engine's time, over TCP and Unix sockets."""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection import fetch
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.collection.records import Line, read
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.collection.sources.text_lines import LOOK_AROUND
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import Limits, Node
from fleexmon_pipeline.window import EPOCH, HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.docker_server import (
    ERR,
    ID,
    OUT,
    SECOND,
    DockerServer,
    Said,
    frame,
    on_a_socket,
    real_engine,
    sent,
)

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
AN_HOUR_BEFORE = (TEN - HOUR - EPOCH) // timedelta(seconds=1) * SECOND


def at(offset: timedelta | float, nanoseconds: int = 0) -> int:
    offset = offset if isinstance(offset, timedelta) else timedelta(seconds=offset)
    return (TEN + offset - EPOCH) // timedelta(microseconds=1) * 1_000 + nanoseconds


def container(*said: Said, created: int = AN_HOUR_BEFORE, tty: bool = False) -> DockerServer:
    return DockerServer(said, created=created, tty=tty)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = retry_context
    monkeypatch.setattr(
        fetch, "retry_context", lambda **o: real(**{**o, "wait_initial": 0.01, "wait_max": 0.01, "wait_jitter": 0})
    )


def lines_of(address: str, window: Window = WINDOW) -> tuple[list[Line], str | None]:
    [node] = settings.nodes({"BLUE_HOST": address})
    return lines_of_node(node, window)


def lines_of_node(node: Node, window: Window = WINDOW) -> tuple[list[Line], str | None]:
    with ask(Clients(), node, window) as answer:
        return [read(bytes(raw)) for run in answer for raw in run], answer.error


def served(server: DockerServer, window: Window = WINDOW) -> tuple[list[Line], str | None]:
    with server:
        return lines_of(f"docker+http://{server.host_port}?container=shop", window)


def slots_by_status(database: Database) -> Counter[str]:
    return Counter(str(row["status"]) for row in database.rows('SELECT status FROM "LogCoverage"'))


def metadata(line: Line) -> dict[str, Any]:
    found = json.loads(line.metadata or "{}")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_the_lines_of_a_window_are_asked_for_by_time_and_read(way: str, tmp_path: Path) -> None:
    server = container(
        Said(at(-1), b"before\n"),
        Said(at(0, 7), b"first\n"),
        Said(at(1), b'level=error msg="no ink"\n', ERR),
        Said(at(2), b'{"level": "warn", "time": 1, "msg": "slow", "ms": 9}\n'),
        Said(at(HOUR - timedelta(microseconds=1), 999), b"last\n"),
        Said(at(HOUR), b"after\n"),
    )
    with server, on_a_socket(server, tmp_path / "d.sock"):
        place = f"http://{server.host_port}" if way == "tcp" else f"unix://{tmp_path / 'd.sock'}"
        lines, error = lines_of(f"docker+{place}?container=shop")

    assert error is None
    assert [(line.time - TEN, line.level, line.message) for line in lines] == [
        (timedelta(), "info", "first"),
        (timedelta(seconds=1), "error", 'level=error msg="no ink"'),
        (timedelta(seconds=2), "warn", "slow"),
        (HOUR - timedelta(microseconds=1), "info", "last"),
    ]
    assert metadata(lines[0]) == {
        "containerId": ID[:12], "image": "shop:1.4", "stream": "stdout", "timestampNs": str(at(0, 7))
    }  # fmt: skip
    assert [metadata(line)["stream"] for line in lines] == ["stdout", "stderr", "stdout", "stdout"]
    since, until = (
        (moment - EPOCH) // timedelta(seconds=1) for moment in (TEN - LOOK_AROUND, TEN + HOUR + LOOK_AROUND)
    )
    assert server.asked == [
        ("/containers/shop/json", {}),
        (
            f"/containers/{ID}/logs",
            {"stdout": "1", "stderr": "1", "timestamps": "1", "since": str(since), "until": str(until)},
        ),
    ]


TEXTS = st.lists(
    st.tuples(
        st.sampled_from([OUT, ERR]), st.one_of(st.text("aé \r€", max_size=6), st.just("x" * 16_383 + "é" * 9_000))
    ),
    max_size=8,
)


@hypothesis_settings(deadline=None, max_examples=40)
@given(TEXTS, st.integers(1, 40_000), st.booleans())
def test_lines_are_the_same_however_frames_and_chunks_are_cut(
    texts: list[tuple[int, str]], piece: int, tty: bool
) -> None:
    said = [Said(at(0.1 * n, n), text.encode() + b"\n", stream) for n, (stream, text) in enumerate(texts)]
    server = container(Said(at(-5), b"before\n"), *said, tty=tty)
    server.piece = max(piece, sum(len(one.text) for one in said) // 500)
    lines, error = served(server)

    assert error is None
    expected = sorted((n, text.rstrip("\r")) for n, (_, text) in enumerate(texts))
    assert sorted((round((line.time - TEN) / timedelta(seconds=0.1)), line.message) for line in lines) == expected
    if not tty:
        assert sorted(metadata(line)["stream"] for line in lines) == sorted(
            {OUT: "stdout", ERR: "stderr"}[stream] for stream, _ in texts
        )


def test_parts_of_streams_that_alternate_are_put_together_by_stream() -> None:
    long, other = Said(at(1), b"a" * 40_000 + b"\n"), Said(at(1, 5), b"b" * 20_000 + b"\n", ERR)
    parts = [[frame(one.stream, payload) for payload in sent(one)] for one in (long, other)]
    server = container()
    server.body = b"".join([parts[0][0], parts[1][0], parts[0][1], parts[1][1], parts[0][2]])

    assert sorted(line.message for line in served(server)[0]) == ["a" * 40_000, "b" * 20_000]


def test_the_last_part_of_a_line_may_lack_its_newline() -> None:
    """As Docker's driver `local` returns it, and Podman that gives times in seconds."""
    local = [
        frame(OUT, payload.removesuffix(b"\n"))
        for text in (b"a" * 20_000, b"next")
        for payload in sent(Said(at(1, len(text)), text + b"\n"))
    ]
    podman = [
        frame(OUT, b"2026-11-20T10:00:07Z " + text)
        for text in (b"c" * 4_096, b"c" * 4_096, b"d", b"\n", b"e\n", b"e\n")
    ]
    server = container()
    server.body = b"".join([*local, *podman])

    assert [line.message for line in served(server)[0]] == ["a" * 20_000, "next", "c" * 8_192 + "d", "e", "e"]


def test_a_trace_is_one_record_across_the_ends_of_windows() -> None:
    trace = [b"Exception in thread main java.lang.X: no ink\n", b"\tat a.B.c(B.java:1)\n", b"\t... 1 more\n"]
    begins = [-0.5, 1800, 3599.5]
    said = [Said(at(begin + n / 2), text, ERR) for begin in begins for n, text in enumerate(trace)]
    said += [Said(at(begin + 0.25), b"GET / 200\n") for begin in begins]
    hours = [served(container(*sorted(said)), Window(TEN + n * HOUR, TEN + (n + 1) * HOUR))[0] for n in (-1, 0, 1)]

    whole = b"".join(trace).decode().rstrip()
    traces = [[(line.time - TEN).total_seconds() for line in hour if line.message == whole] for hour in hours]
    assert traces == [[-0.5], [1800, 3599.5], []]
    assert sum(map(len, hours)) == 2 * len(begins)


def test_a_container_that_is_created_again_continues_and_is_known_the_next_time(database: Database) -> None:
    old = container(*[Said(at(60 * n), b"old %d\n" % n) for n in range(30)])
    with old:
        [node] = settings.nodes({"LOG_SOURCES": f"shop=docker+http://{old.host_port}?container=shop"})
        first = collect(Window(TEN, TEN + 6 * SLOT), [node], database.connect, now=TEN + HOUR, run_id="1")
        old.said = [Said(at(60 * n, 3), b"new %d\n" % n) for n in range(32, 60)]
        old.created = at(31 * 60)
        second, third = (
            collect(WINDOW, [node], database.connect, now=TEN + 3 * HOUR, run_id=str(n)).nodes["shop"] for n in (2, 3)
        )

    assert first.nodes["shop"].stored == 30
    assert (second.stored, second.duplicate, second.errors) == (28, 0, [])
    assert (third.stored, third.duplicate, third.errors) == (0, 28, [])
    assert database.rows('SELECT count(*) AS lines FROM "LogEntry"') == [{"lines": 58}]
    assert slots_by_status(database) == {"complete": 12}


@pytest.mark.parametrize(("created", "missing"), [(at(0), 0), (at(1801), 6), (at(299), 0), (at(301), 1)])
def test_of_slots_before_its_container_nothing_is_known(created: int, missing: int, database: Database) -> None:
    with container(Said(at(1802), b"hello\n"), created=created) as server:
        [node] = settings.nodes({"LOG_SOURCES": f"shop=docker+http://{server.host_port}?container=shop"})
        collect(WINDOW, [node], database.connect, now=TEN + HOUR, run_id="1")

    assert slots_by_status(database) == Counter(complete=1, empty=11 - missing, missing=missing)
    for row in database.rows("""SELECT error FROM "LogCoverage" WHERE status = 'missing'"""):
        assert str(row["error"]).startswith("the log begins at 2026-11-20 10:")


def test_a_window_before_its_container_is_missing() -> None:
    assert served(container(created=at(HOUR))) == (
        [], "the container was created at 2026-11-20 11:00:00 UTC; it has no earlier lines"
    )  # fmt: skip


@pytest.mark.parametrize(("options", "begins"), [({"max-size": "10m"}, TEN + timedelta(seconds=1801)), ({}, None)])
def test_what_the_engine_rotated_away_is_not_taken_for_silence(
    options: dict[str, str], begins: datetime | None
) -> None:
    with container(Said(at(1801), b"oldest that is kept\n"), created=at(-40_000)) as server:
        server.options = options
        [node] = settings.nodes({"BLUE_HOST": f"docker+http://{server.host_port}?container=shop"})
        with ask(Clients(), node, WINDOW) as answer:
            assert [len(run) for run in answer] == [1]

    assert (answer.error, answer.begins) == (None, begins)


@pytest.mark.parametrize(
    ("fault", "told", "lines"),
    [
        ({"name": "other"}, "HTTP 404: No such container: shop", 0),
        ({"refusals": {"json": 409}}, "HTTP 409: is what the engine says", 0),
        ({"refusals": {"logs": 409}}, "HTTP 409: is what the engine says", 0),
        ({"refusals": {"json": 500}}, "HTTP 500: is what the engine says", 0),
        ({"refusals": {"logs": 501}}, "HTTP 501: is what the engine says", 0),
        ({"refusals": {"logs": 403}}, "HTTP 403: credentials missing or refused", 0),
        ({"state_body": b"<html>"}, "answered no description of a container: <html>", 0),
        ({"state_body": b'{"Id": "x", "Created": "never"}'}, "answered no description of a container", 0),
        ({"body": b"<html>no frames at all, just text, and enough of it"}, "answered no frames of the Engine API", 0),
        ({"body": b"\x01\0\0\0\0\0\0\x05hello"}, "broke off: hello", 0),
        ({"body": frame(ERR, b"Error grabbing logs: unexpected EOF\n")}, "broke off: Error grabbing logs", 0),
        ({"body": frame(OUT, b"2026-99-20T10:00:00Z x\n")}, "answered a line whose time is not a time", 0),
        ({"body": frame(OUT, b"")}, None, 0),
        ({"truncate_at": 60}, "broke off: RemoteProtocolError", 1),
        ({"truncate_at": 60, "ends_well": True}, "broke off in the middle of a line", 1),
        ({"truncate_at": 90, "tty": True}, "broke off: RemoteProtocolError", 2),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_and_lines_before_it_are_kept(
    fault: dict[str, Any], told: str | None, lines: int
) -> None:
    server = container(*[Said(at(n), b"line %d\n" % n) for n in range(9)])
    for name, value in fault.items():
        setattr(server, name, value)
    found, error = served(server)

    assert ([line.message for line in found], told is None) == ([f"line {n}" for n in range(lines)], error is None)
    assert (told or "") in (error or "")


def test_a_line_without_an_end_takes_no_more_memory_than_the_limit_of_a_record() -> None:
    server = container(Said(at(1), b"x" * 3_000_000 + b"\n"), Said(at(2), b"y\n"))
    with server:
        [node] = settings.nodes({"BLUE_HOST": f"docker+http://{server.host_port}?container=shop"})
        small = Node(node.name, node.url, node.hostname, node.kind, limits=Limits(record_bytes=100_000))
        lines, error = lines_of_node(small)
        server.body = frame(OUT, sent(Said(at(1), b"x" * 3_000_000 + b"\n"), part=4_000_000)[0]) + frame(
            OUT, sent(Said(at(2), b"y\n"))[0]
        )
        in_one_frame, _ = lines_of_node(small)

    assert error is None
    assert [(len(line.message) < 120_000, line.message[-1]) for line in lines] == [(True, "x"), (True, "y")]
    assert [(len(line.message) < 120_000, line.message[-1]) for line in in_one_frame] == [(True, "x"), (True, "y")]


def test_no_socket_and_no_server_are_told(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # httpcore leaves closing such a socket to Python
        assert "No such file" in (lines_of(f"docker+unix://{tmp_path}/none.sock?container=shop")[1] or "")
        gc.collect()
    with container() as server:
        address = f"docker+http://{server.host_port}?container=shop"
    assert "Connection refused" in (lines_of(address)[1] or "")


def test_an_engine_that_hangs_is_cut_in_time(tmp_path: Path) -> None:
    server = container(Said(at(1), b"one\n"))
    with server, on_a_socket(server, tmp_path / "d.sock"):
        [node] = settings.nodes({"BLUE_HOST": f"docker+unix://{tmp_path}/d.sock?container=shop"})
        hurried = Node(
            node.name, node.url, node.hostname, node.kind, limits=Limits(answer_seconds=0), socket=node.socket
        )
        assert lines_of_node(hurried) == ([], "not done after 0 s")


@pytest.mark.parametrize(
    ("late", "waits"),
    [(timedelta(), 10), (timedelta(seconds=4), 6), (timedelta(seconds=10), 0), (HOUR, 0), (-SLOT, 0)],
)
def test_a_window_that_ended_just_now_waits_for_the_end_of_its_traces(
    late: timedelta, waits: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace that is still being written would be stored cut, and whole at the next poll."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    now = datetime.now(UTC)
    until = now - late
    with container(created=AN_HOUR_BEFORE) as server:
        lines_of(f"docker+http://{server.host_port}?container=shop", Window(until - SLOT, until))

    assert slept[0] == pytest.approx(waits, abs=1)


# -- real engines ---------------------------------------------------------------------------------------------------

SCRIPT = """
echo out; echo err >&2; busybox seq 1 9000 | busybox tr '\\n' ' '; echo; echo '{"level":"error","msg":"no ink"}'
printf 'Traceback (most recent call last):\\n  File "a.py", line 1\\nValueError: no\\n' >&2
"""


@pytest.fixture(params=["podman", "dockerd"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    try:
        with real_engine(request.param, tmp_path_factory.mktemp("e")) as engine:
            try:
                engine.run("probe", "true")
            except OSError as error:
                pytest.skip(f"{request.param} cannot run containers here: {error}")
            yield engine
    except OSError as error:
        pytest.skip(str(error))


def test_a_real_engine_with_and_without_a_terminal_and_again_under_the_same_name(engine: Any) -> None:
    engine.run("shop", SCRIPT)
    engine.run("tty", SCRIPT, Tty=True)
    now = datetime.now(UTC)
    window = Window(now - HOUR, now + HOUR)
    numbers = " ".join(map(str, range(1, 9_001))) + " "
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no'
    expected = [("error", trace), ("error", "no ink"), ("info", numbers), ("info", "err"), ("info", "out")]

    for name in ("shop", "tty"):
        deadline = time.monotonic() + 10
        while True:
            lines, error = lines_of(f"docker+unix://{engine.socket}?container={name}", window)
            if len(lines) >= len(expected) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert error is None
        assert sorted((line.level, line.message) for line in lines) == sorted(expected)
        assert all(abs(line.time - now) < timedelta(minutes=1) for line in lines)

    engine.call("DELETE", "/containers/shop?force=true")
    assert (lines_of(f"docker+unix://{engine.socket}?container=shop", window)[1] or "").startswith("HTTP 404: ")
    engine.run("shop", "echo again")
    time.sleep(1)
    again, error = lines_of(f"docker+unix://{engine.socket}?container=shop", window)
    assert ([line.message for line in again], error) == (["again"], None)
