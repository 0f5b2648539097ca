"""The database has each line of the node exactly once, whatever the node does and however often it is polled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleexmon_pipeline.collection import fetch
from fleexmon_pipeline.collection.account import Account, NodeAccount
from fleexmon_pipeline.collection.collect import SQL, collect
from fleexmon_pipeline.collection.store import held_lines
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
LATER = TEN + 3 * HOUR


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as in production, without their waits."""
    monkeypatch.setattr(fetch, "retry_context", _hasty(retry_context))


def _hasty(real: Any) -> Any:
    return lambda **options: real(**{**options, "wait_initial": 0.01, "wait_max": 0.01, "wait_jitter": 0})


def run(
    database: Database, *servers: NodeServer, window: Window = WINDOW, now: datetime = LATER, **options: Any
) -> Account:
    nodes = [Node(name, server.url, "127.0.0.1") for name, server in zip(("blue", "green"), servers, strict=False)]
    return collect(window, nodes, database.connect, now=now, run_id="test", **options)


def only(account: Account, node: str = "blue") -> NodeAccount:
    found = account.nodes[node]
    assert found.received == found.stored + found.duplicate + found.rejected
    return found


def coverage(database: Database, node: str = "blue") -> list[str]:
    rows = database.rows('SELECT status FROM "LogCoverage" WHERE node = %(node)s ORDER BY slot', node=node)
    return [str(row["status"]) for row in rows]


TABLES = ('"LogEntry"', '"RejectedLog"', '"LogCoverage"')


def test_collecting_a_window_again_changes_nothing(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(200, TEN))
    first = only(run(database, blue))
    before = database.fingerprint(*TABLES)

    second = only(run(database, blue))

    assert (first.stored, second.stored, second.duplicate) == (200, 0, 200)
    assert database.fingerprint(*TABLES) == before


def test_ticks_and_the_whole_hour_give_the_same_rows_as_the_hour_alone(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(600, TEN, every=timedelta(seconds=6)))
    for minutes in range(5, 65, 5):
        run(database, blue, now=TEN + timedelta(minutes=minutes), slots="incomplete")
    by_ticks = database.rows('SELECT id, timestamp, message FROM "LogEntry" ORDER BY id')
    asked_by_ticks = len(blue.requests)

    whole = only(run(database, blue))

    assert len(by_ticks) == 600
    assert asked_by_ticks == 12
    assert (whole.stored, whole.duplicate) == (0, 600)
    assert coverage(database) == ["complete"] * 12


def test_two_identical_lines_stay_two(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(1, TEN) * 2 + lines(1, TEN + SLOT))
    run(database, blue)
    run(database, blue)

    assert len(database.rows('SELECT id FROM "LogEntry"')) == 3


def test_late_lines_of_a_closed_hour_are_added(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(10, TEN))
    run(database, blue)
    blue.serve(lines(12, TEN))

    assert only(run(database, blue)).stored == 2


def test_microseconds_zones_and_levels_are_kept(database: Database, blue: NodeServer) -> None:
    blue.serve(
        [
            {"timestamp": "2026-11-20T12:00:00.123456+02:00", "level": "ERROR", "message": "a", "metadata": {"k": 1}},
            {"timestamp": "2026-11-20T10:00:01Z", "level": "warn", "message": "b"},
        ]
    )
    run(database, blue)

    assert database.rows('SELECT timestamp, level, message, metadata, source, hostname FROM "LogEntry" ORDER BY 1') == [
        {"timestamp": TEN.replace(microsecond=123456), "level": "error", "message": "a", "source": "blue",
         "metadata": {"k": 1, "originalLevel": "ERROR"}, "hostname": "127.0.0.1"},
        {"timestamp": TEN + timedelta(seconds=1), "level": "warn", "message": "b", "metadata": None, "source": "blue",
         "hostname": "127.0.0.1"},
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["11/04/2026 10:00:05", "04/11/2026 10:00:05"])
def test_of_a_date_with_day_and_month_in_doubt_the_one_in_the_window_counts(
    form: str, database: Database, blue: NodeServer
) -> None:
    since = datetime(2026, 11, 4, 10, tzinfo=UTC)
    blue.serve(
        [{"timestamp": form, "level": "info", "message": "a"}, {"timestamp": "05/06/2026 10:00:05", "message": "b"}]
    )

    account = run(database, blue, window=Window(since, since + HOUR), now=since + 3 * HOUR)

    assert (only(account).stored, only(account).rejected) == (1, 1)
    assert database.rows('SELECT timestamp AS t FROM "LogEntry"') == [{"t": since + timedelta(seconds=5)}]
    assert database.rows('SELECT reason FROM "RejectedLog"') == [
        {"reason": "day and month are in doubt: 05/06/2026 10:00:05"}
    ]


def test_the_session_and_server_may_be_in_any_zone(database: Database, blue: NodeServer) -> None:
    with database.connect() as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET TimeZone = 'Pacific/Auckland'".encode())
    blue.serve(lines(1, TEN))
    run(database, blue)

    assert database.rows('SELECT timestamp::text AS t FROM "LogEntry"') == [{"t": "2026-11-20 10:00:00"}]


def test_what_cannot_be_stored_is_kept_with_its_reason_once(database: Database, blue: NodeServer) -> None:
    bad: list[Any] = [
        {"level": "info", "message": "no time"},
        {"timestamp": "yesterday", "level": "info", "message": "odd time"},
        {"timestamp": "2099-01-01T00:00:00Z", "level": "info", "message": "far ahead"},
        {"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": None},
        "not an object",
        {"level": "info", "message": "no time"},
    ]
    blue.serve([*lines(3, TEN), *bad], filtered=False)
    first, second = only(run(database, blue)), only(run(database, blue))

    assert (first.stored, first.rejected, second.rejected) == (3, 6, 6)
    rows = database.rows('SELECT reason, payload FROM "RejectedLog"')
    assert len(rows) == 6
    reasons = " | ".join(sorted({str(row["reason"]).split(":")[0] for row in rows}))
    assert (
        reasons == "a JSON str, not an object | its time is more than a day ahead | no message | no time | not a time"
    )
    [slot] = database.rows('SELECT received, stored, rejected, status FROM "LogCoverage" ORDER BY slot LIMIT 1')
    assert slot == {"received": 9, "stored": 3, "rejected": 6, "status": "complete"}


def test_lines_outside_the_window_are_neither_stored_nor_received(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(3, TEN - HOUR) + lines(2, TEN) + lines(4, TEN + HOUR), filtered=False)
    account = only(run(database, blue))

    assert (account.received, account.stored, account.outside) == (2, 2, 7)


def test_a_nul_and_half_a_surrogate_pair_lose_neither_their_line_nor_their_text(
    database: Database, blue: NodeServer
) -> None:
    blue.answer(
        body=b'[{"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "a\\u0000b\\ud800c", '
        b'"metadata": {"k\\u0000": "\\udfff"}}]'
    )
    run(database, blue)
    [row] = database.rows('SELECT message, metadata FROM "LogEntry"')

    assert row["message"] == "a␀b\ufffdc"
    assert isinstance(row["metadata"], dict)
    assert json.loads(row["metadata"]["messageJson"]) == "a\0b\ud800c"


def test_what_ends_a_field_or_a_row_of_copy_is_text_like_any_other(database: Database, blue: NodeServer) -> None:
    wild = ["tab\there", "two\r\nlines", "back\\slash", r"\N", r"\.", "\\\t\\", "🙂 \u2028", "", "\x01\x7f"]
    blue.serve(
        [{**line, "message": text, "metadata": {text: text}} for line, text in zip(lines(9, TEN), wild, strict=True)]
    )
    run(database, blue)

    rows = database.rows('SELECT message, metadata FROM "LogEntry" ORDER BY timestamp')
    assert rows == [{"message": text, "metadata": {text: text}} for text in wild]


def test_a_silent_slot_is_empty_not_missing(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(1, TEN))
    run(database, blue, now=TEN + 3 * SLOT)

    assert coverage(database) == ["complete", "empty", "empty"]


def test_the_slot_that_holds_now_is_left(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(300, TEN))
    run(database, blue, now=TEN + timedelta(minutes=4))

    assert (coverage(database), blue.requests) == ([], [])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"body": b"<!doctype html><title>Login</title>"}, "answered not JSON: <!doctype html>"),
        ({"status": 500}, "HTTP 500"),
        ({"status": 404}, "HTTP 404"),
        ({"body": b""}, "answered an empty body"),
        ({"body": b'{"logs": {}}'}, 'answered its "logs" is a JSON dict, not an array'),
        ({"body": b'{"error": "no"}'}, 'an object without "logs"'),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}}, "a redirect, which is not followed"),
        ({"truncate_at": 0}, "RemoteProtocolError"),
    ],
)
def test_a_node_that_answers_nonsense_is_missing_and_the_other_goes_on(
    database: Database, blue: NodeServer, green: NodeServer, fault: dict[str, Any], told: str
) -> None:
    blue.answer(**fault)
    green.serve(lines(5, TEN))
    account = run(database, blue, green)

    assert told in account.nodes["blue"].errors[0]
    assert coverage(database, "blue") == ["missing"] * 12
    assert only(account, "green").stored == 5

    blue.serve(lines(7, TEN))
    assert only(run(database, blue, green, slots="incomplete")).stored == 7
    assert coverage(database, "blue") == ["complete", *["empty"] * 11]


def test_a_node_that_is_down_is_missing_and_what_was_known_stays(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(5, TEN))
    run(database, blue)
    before = database.fingerprint(*TABLES)
    blue.stop()

    assert only(run(database, blue)).errors[0].startswith("ConnectError")
    assert database.fingerprint(*TABLES) == before


@pytest.mark.parametrize("shape", ["array", "object", "ndjson"])
@pytest.mark.parametrize("gzip", [False, True])
def test_every_shape_of_an_answer_is_read(database: Database, blue: NodeServer, shape: Any, gzip: bool) -> None:
    blue.serve(lines(50, TEN))
    blue.answer(shape=shape, gzip=gzip, chunked=gzip)

    assert only(run(database, blue)).stored == 50


@pytest.mark.parametrize("shape", ["array", "object", "ndjson"])
def test_an_answer_that_breaks_off_keeps_what_came_before(database: Database, blue: NodeServer, shape: Any) -> None:
    blue.serve(lines(50, TEN))
    blue.answer(shape=shape, truncate_at=2_000)
    first = only(run(database, blue))

    assert 10 < first.stored < 50
    assert "broke off" in first.errors[0]
    assert coverage(database)[0] == "partial"

    blue.serve(lines(50, TEN))
    assert only(run(database, blue, slots="incomplete")).stored == 50 - first.stored
    assert coverage(database)[0] == "complete"


def test_one_bad_record_does_not_lose_its_neighbours(database: Database, blue: NodeServer) -> None:
    good = json.dumps(lines(1, TEN)[0]).encode()
    blue.answer(body=b"[" + good + b', {"timestamp": "2026-11-20T10:00:02Z", "message": "\xff\xfe"}, ' + good + b"]")
    account = only(run(database, blue))

    assert (account.stored, account.rejected) == (2, 1)


def test_a_busy_node_is_asked_again(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(5, TEN))
    blue.answer(status=503, times=2)

    assert only(run(database, blue)).stored == 5


def test_rows_of_other_programs_are_counted_as_held_and_not_touched(database: Database, blue: NodeServer) -> None:
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname) VALUES (%s, %s, %s, %s, %s)',
            [TEN, "info", "by the old collector", "blue", "10.0.0.5"],
        )
    blue.serve(lines(5, TEN))

    assert only(run(database, blue)).stored == 5
    assert len(database.rows('SELECT id FROM "LogEntry"')) == 6


def test_late_lines_are_asked_for_only_where_somebody_asked_before(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(12, TEN, every=SLOT))
    run(database, blue, window=Window(TEN + 6 * SLOT, TEN + HOUR))
    blue.serve(lines(12, TEN, every=SLOT) + lines(1, TEN + HOUR - SLOT, message="late"))

    assert only(run(database, blue, slots="asked")).stored == 1
    assert coverage(database) == ["complete"] * 6


def test_a_node_that_is_down_is_asked_once_an_hour_of_a_range(database: Database, blue: NodeServer) -> None:
    blue.answer(status=503)
    run(database, blue, window=Window(TEN - 5 * HOUR, TEN + HOUR))

    assert len(blue.requests) == 3 + 5


def test_a_node_that_was_down_before_is_asked_once_and_after_the_others(database: Database, blue: NodeServer) -> None:
    blue.answer(status=503)
    run(database, blue, window=Window(TEN, TEN + 6 * SLOT))
    asked = len(blue.requests)
    with NodeServer() as green:
        green.serve(lines(1, TEN + 6 * SLOT))
        account = run(database, blue, green, window=Window(TEN + 6 * SLOT, TEN + 7 * SLOT))

    assert len(blue.requests) == asked + 1
    assert list(account.nodes) == ["green", "blue"]


def test_nodes_that_hang_keep_no_other_waiting(database: Database, blue: NodeServer) -> None:
    """They end when the lines of the one that works are stored: if these waited for them, none would end in time."""

    def hang() -> Iterator[bytes]:
        deadline = time.monotonic() + 60
        while not database.rows('SELECT FROM "LogCoverage" WHERE node = %(node)s', node="works"):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        yield b"[]"

    blue.answer(stream=hang)
    with NodeServer() as works:
        works.serve(lines(10, TEN))
        hanging = [Node(f"hangs-{n}", blue.url, "127.0.0.1") for n in range(12)]
        nodes = [*hanging, Node("works", works.url, "127.0.0.1")]
        account = collect(Window(TEN, TEN + SLOT), nodes, database.connect, now=LATER, run_id="test")

    assert account.nodes["works"].stored == 10
    assert [node.errors for node in account.nodes.values()] == [[]] * 13


def test_an_hour_is_not_given_up_while_its_node_is_silent(database: Database, blue: NodeServer) -> None:
    blue.stop()
    for n in range(15):
        run(database, blue, now=LATER + n * HOUR)
    silent = database.rows('SELECT max(attempts) AS most FROM "LogCoverage"')
    blue.start()
    run(database, blue, window=Window(TEN + HOUR, TEN + 2 * HOUR), now=LATER + 20 * HOUR)
    blue.answer(status=404)
    run(database, blue, now=LATER + 21 * HOUR)

    assert silent == [{"most": 8}]
    assert database.rows('SELECT max(attempts) AS most FROM "LogCoverage"') == [{"most": 9}]


def test_lines_that_were_deleted_do_not_make_a_slot_empty(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(10, TEN))
    run(database, blue)
    with database.connect() as connection:
        connection.execute('DELETE FROM "LogEntry"')
    before = database.fingerprint('"LogCoverage"')
    blue.serve([])
    run(database, blue)

    assert database.fingerprint('"LogCoverage"') == before


def test_a_node_whose_hour_another_run_holds_is_told_and_the_other_goes_on(
    database: Database, blue: NodeServer, green: NodeServer
) -> None:
    blue.serve(lines(3, TEN))
    green.serve(lines(3, TEN))
    hasty = Database(database.url + "&options=-c%20lock_timeout%3D200ms")
    with database.connect() as other, other.transaction():
        other.execute(SQL["lock_hour"], {"hour": TEN, "node": "blue"})
        account = run(hasty, blue, green)

    assert account.nodes["blue"].errors[0].startswith("another run is still collecting")
    assert account.nodes["green"].stored == 3


LOOKED_UP = "fleexmon_pipeline.collection.collect.held_lines"


def many(server: NodeServer) -> list[Node]:
    """A crowd at one address, each with its own name and so with its own lines, and blue among them."""
    return [Node(name, server.url, "127.0.0.1") for name in (*(f"n{number}" for number in range(29)), "blue")]


def collected(database: Database, server: NodeServer, now: datetime = LATER) -> Account:
    return collect(WINDOW, many(server), database.connect, now=now, run_id="test")


def test_many_nodes_collected_again_change_nothing(database: Database, blue: NodeServer) -> None:
    blue.serve(lines(50, TEN))
    first = collected(database, blue)
    before = database.fingerprint(*TABLES)

    second = collected(database, blue)

    assert {(node.stored, node.duplicate) for node in first.nodes.values()} == {(50, 0)}
    assert {(node.stored, node.duplicate) for node in second.nodes.values()} == {(0, 50)}
    assert database.fingerprint(*TABLES) == before


def test_late_lines_of_a_node_among_many_are_added_and_counted(database: Database, blue: NodeServer) -> None:
    blue.serve([*lines(50, TEN), *lines(20, TEN + SLOT)])
    collected(database, blue)
    blue.serve([*lines(52, TEN), *lines(20, TEN + SLOT), *lines(1, TEN + 2 * SLOT)])

    account = collected(database, blue)

    assert only(account).stored == 3
    rows = database.rows("SELECT stored, received FROM \"LogCoverage\" WHERE node = 'blue' ORDER BY slot LIMIT 4")
    assert [(row["stored"], row["received"]) for row in rows] == [(52, 52), (20, 20), (1, 1), (0, 0)]


def test_rows_of_other_programs_among_many_nodes_are_counted_as_held(database: Database, blue: NodeServer) -> None:
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname) VALUES (%s, %s, %s, %s, %s)',
            [TEN, "info", "by the old collector", "blue", "10.0.0.5"],
        )
    blue.serve(lines(5, TEN))

    for stored in (5, 0):
        assert only(collected(database, blue)).stored == stored
        rows = database.rows("SELECT stored FROM \"LogCoverage\" WHERE node = 'blue' ORDER BY slot LIMIT 1")
        assert rows == [{"stored": 6}]


def test_what_another_run_stored_since_it_was_looked_up_is_not_stored_twice(
    database: Database, blue: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    blue.serve(lines(50, TEN))

    def then_another_run(connection: Any, window: Window) -> Any:
        held = held_lines(connection, window)
        monkeypatch.setattr(LOOKED_UP, held_lines)
        collected(database, blue)
        return held

    monkeypatch.setattr(LOOKED_UP, then_another_run)
    account = collected(database, blue)

    assert {(node.stored, node.duplicate) for node in account.nodes.values()} == {(0, 50)}
    assert len(database.rows('SELECT id FROM "LogEntry"')) == 30 * 50
