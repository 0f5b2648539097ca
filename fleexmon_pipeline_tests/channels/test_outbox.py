"""Each event reaches each channel once, whatever fails, is killed or runs twice meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleexmon_pipeline.channels import outbox
from fleexmon_pipeline.channels.channel import Channel, open_channels
from fleexmon_pipeline.channels.message import ChannelMessage
from fleexmon_pipeline.channels.outbox import (
    Deliveries,
    are_due,
    backoff,
    deliver_messages,
    enqueue_messages,
    would_enqueue,
)
from fleexmon_pipeline.channels.overview import overview
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline_tests.channels.conftest import SIGNING, opened
from fleexmon_pipeline_tests.channels.receivers import Fault, Mailbox, Receiver, SlackLike, message
from fleexmon_pipeline_tests.channels.test_transports import TOKEN, mail_url
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN as NOW

HOUR = timedelta(hours=1)


def plain(receiver: Receiver, name: str = "ops", path: str = "x") -> Channel:
    return opened(f"json://{receiver.host_port}/{path}", name)


def signed(receiver: Receiver, name: str = "hook") -> Channel:
    return opened(f"webhook+http://{receiver.host_port}/hook", name)


def deliver(
    connection: Connection, channels: Sequence[Channel], *, minutes: float = 0, by_hand: bool = False
) -> Deliveries:
    return deliver_messages(connection, channels, now=NOW + timedelta(minutes=minutes), by_hand=by_hand)


def told(receiver: Receiver) -> list[str]:
    return [str(request.json["title"]) for request in receiver.got]


def rows(database: Database) -> list[dict[str, Any]]:
    return database.rows(
        'SELECT channel, "eventId", status, attempts, unproven, "lastError" FROM "ChannelMessage" ORDER BY position'
    )


def test_an_event_is_sent_once_to_each_channel(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver, "one"), plain(receiver, "two"), signed(receiver)]
    with database.connect() as connection:
        assert enqueue_messages(connection, [message()], channels, now=NOW) == 3
        assert enqueue_messages(connection, [message(), message()], channels, now=NOW + HOUR) == 0
        assert are_due(connection, channels, now=NOW)
        first = deliver(connection, channels)
        second = deliver(connection, channels, minutes=1)

    assert (len(first.sent), first.waiting, first.failed) == (3, 0, {})
    assert second.sent == []
    assert len(receiver.got) == 3
    assert {row["status"] for row in rows(database)} == {"sent"}
    assert first.sentence() == "channels: 3 sent, 0 waiting"


def test_a_rerun_changes_no_row(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        deliver(connection, channels)
        before = database.fingerprint('"ChannelMessage"', '"ChannelState"', '"ChannelThread"')
        enqueue_messages(connection, [message()], channels, now=NOW + HOUR)
        deliver(connection, channels, minutes=60)

    assert database.fingerprint('"ChannelMessage"', '"ChannelState"', '"ChannelThread"') == before


FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401}, "404": {"status": 404}, "500": {"status": 500}, "503": {"status": 503},
    "429": {"status": 429}, "400": {"status": 400},
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_failure_is_stored_and_made_good_later(database: Database, receiver: Receiver, name: str) -> None:
    channels = [plain(receiver)]
    receiver.fail(**FAULTS[name])
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        first = deliver(connection, channels)
        at_once = deliver(connection, channels, minutes=0.2)
        (view,) = overview(connection, [channels[0].settings], now=NOW)
        later = deliver(connection, channels, minutes=3)
        (after,) = overview(connection, [channels[0].settings], now=NOW + timedelta(minutes=3))

    assert first.failed == {"ops (json)": f"HTTP {name}: no"}
    assert (at_once.sent, at_once.waiting) == ([], 1), "it waits for the backoff"
    assert (view.waiting, view.error) == (1, f"HTTP {name}: no")
    assert f"HTTP {name}" in (view.problem() or "")
    assert (len(later.sent), later.waiting) == (1, 0)
    assert (after.waiting, after.problem(), after.last_success) == (0, None, NOW + timedelta(minutes=3))
    assert len(receiver.got) == 2


def test_what_a_service_asks_for_is_waited_for_even_by_hand(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    receiver.fail(429, headers={"Retry-After": "1800"})
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        deliver(connection, channels)
        by_hand = deliver(connection, channels, minutes=29, by_hand=True)
        due_early = are_due(connection, channels, now=NOW + timedelta(minutes=29))
        later = deliver(connection, channels, minutes=31)

    assert (by_hand.sent, due_early) == ([], False)
    assert len(later.sent) == 1


def test_a_person_does_not_wait_for_our_own_delays(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    receiver.fail(500)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        deliver(connection, channels)
        by_hand = deliver(connection, channels, by_hand=True)

    assert len(by_hand.sent) == 1


def test_a_channel_that_fails_does_not_hold_the_others(database: Database, receiver: Receiver) -> None:
    """And after its first failure it comes last."""
    with Receiver() as broken:
        broken.fail(500, times=100)
        channels = [plain(broken, "broken"), plain(receiver, "good")]
        with database.connect() as connection:
            for n in range(5):
                enqueue_messages(connection, [message(key=f"incident:{n}")], channels, now=NOW)
            done = deliver(connection, channels)

        assert len([one for one in done.sent if one[0] == "good"]) == 5
        assert len(broken.got) == 1, "the next message would meet the same"
        assert set(done.failed) == {"broken (json)"}


def test_a_run_ends_when_its_time_is_over_and_the_next_one_goes_on(database: Database, receiver: Receiver) -> None:
    """Ticks wait for it: ten channels that hang must not take their place."""
    channels = [plain(receiver, name) for name in ("one", "two")]
    with database.connect() as connection:
        enqueue_messages(connection, [message(key=f"i{n}") for n in range(3)], channels, now=NOW)
        none = deliver_messages(connection, channels, now=NOW, seconds=0)
        rest = deliver_messages(connection, channels, now=NOW)

    assert (none.sent, none.waiting) == ([], 6)
    assert len(rest.sent) == 6


def test_a_message_that_a_service_refuses_holds_no_other(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    receiver.fail(400)
    with database.connect() as connection:
        enqueue_messages(connection, [message(key="a"), message(key="b")], channels, now=NOW)
        done = deliver(connection, channels)
        for minutes in range(60, 60 * 72, 60):
            receiver.fail(400)
            deliver(connection, channels, minutes=minutes)
            receiver.faults.clear()
        (view,) = overview(connection, [channels[0].settings], now=NOW + timedelta(days=3))

    assert [event for _, event in done.sent] == ["opened:b"]
    first, second = rows(database)
    assert (first["status"], first["attempts"]) == ("failed", outbox.MAX_ATTEMPTS)
    assert second["status"] == "sent"
    assert view.failed == 1
    assert "1 message given up" in (view.problem() or "")


def test_delays_double_with_jitter_and_end(database: Database) -> None:
    delays = [backoff("ops", n, HOUR) for n in range(1, 20)]

    assert all(0.75 * min(2 ** (n - 1), 60) <= delays[n - 1] / timedelta(minutes=1) <= 1.25 * min(2 ** (n - 1), 60)
               for n in range(1, 20))  # fmt: skip
    assert delays == [backoff("ops", n, HOUR) for n in range(1, 20)], "a rerun computes the same"
    assert len({backoff(name, 5, HOUR) for name in "abcdef"}) == 6, "channels do not come back together"


# -- what may have arrived ----------------------------------------------------------------------------------------


def test_a_lost_answer_is_repeated_once_and_says_so(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    receiver.fail(200, body=b"x" * 100, die=True, times=10)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        for minutes in (0, 10, 60, 180, 500):
            deliver(connection, channels, minutes=minutes)

    assert len(receiver.got) == 2, "a receiver that cannot tell a repeat gets one"
    assert ["may be a repeat" in request.json["message"] for request in receiver.got] == [False, True]
    (row,) = rows(database)
    assert row["status"] == "failed"
    assert "it may have arrived" in row["lastError"]


def test_a_signed_webhook_can_tell_a_repeat_and_gets_as_many_as_it_takes(
    database: Database, receiver: Receiver
) -> None:
    channels = [signed(receiver)]
    receiver.fail(504, times=4)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        for minutes in (0, 10, 60, 180, 500):
            deliver(connection, channels, minutes=minutes)

    assert len({request.headers["X-Fleexmon-Delivery"] for request in receiver.got}) == 1
    assert [request.json["repeat"] for request in receiver.got] == [False, True, True, True, True]
    assert rows(database)[0]["status"] == "sent"


KILLED = """
import sys
from datetime import datetime, UTC
from fleexmon_pipeline.channels.channel import open_channels
from fleexmon_pipeline.channels.outbox import deliver_messages
from fleexmon_pipeline.database.connection import connect
with connect(sys.argv[1]) as connection:
    deliver_messages(connection, open_channels(), now=datetime.fromisoformat(sys.argv[2]))
"""


def test_after_a_kill_what_is_proven_is_not_repeated(database: Database, slack: SlackLike, receiver: Receiver) -> None:
    """Killed while the third of three receivers has the request and does not answer."""
    urls = [f"json://{receiver.host_port}/{name}" for name in ("a", "b", "c")]
    variables = {"FLEEXMON_CHANNELS": "\n".join(f"{url[-1]}={url}" for url in urls)}
    channels = open_channels(variables)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
    receiver.faults = [Fault(200, body=b"ok"), Fault(200, body=b"ok"), Fault(hang=True)]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, database.url, NOW.isoformat()], env={**os.environ, **variables}
    )
    deadline = time.monotonic() + 30
    while len(receiver.got) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    with database.connect() as connection:
        done = deliver(connection, channels)

    assert [request.path for request in receiver.got] == ["/a", "/b", "/c", "/c"]
    assert [channel for channel, _ in done.sent] == ["c"]
    assert "may be a repeat" in receiver.got[-1].json["message"]


def test_after_a_kill_targets_that_took_it_are_left_out(database: Database, slack: SlackLike) -> None:
    """As if killed between two channels of one Slack URL: what was noted is all that the next attempt has."""
    channels = [opened(f"slack://{TOKEN}/#alerts/#second")]
    slack.fail(200, body=b'{"ok": true, "channel": "C1", "ts": "1.1"}')
    slack.fail(500)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        deliver(connection, channels)
        connection.execute('UPDATE "ChannelMessage" SET "inFlight" = true')
        deliver(connection, channels, minutes=5)

    assert [request.json["channel"] for request in slack.got] == ["#alerts", "#second", "#second"]


def test_two_runs_at_once_send_nothing_twice(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver, name) for name in ("one", "two", "three")]
    messages = [message(key=f"incident:{n}") for n in range(9)]
    start = threading.Barrier(4)

    def work() -> None:
        with database.connect() as connection:
            start.wait()
            enqueue_messages(connection, messages, channels, now=NOW)
            deliver(connection, channels)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: work(), range(4)))
    with database.connect() as connection:
        deliver(connection, channels, minutes=1)

    assert len(receiver.got) == 27
    assert {row["status"] for row in rows(database)} == {"sent"}


@pytest.mark.parametrize("seed", range(3))
def test_any_faults_in_any_order_end_with_each_message_sent_once(
    database: Database, receiver: Receiver, seed: int
) -> None:
    """Faults that prove that nothing arrived; messages that come one by one, runs whenever they like."""
    rng = random.Random(seed)
    channels = [plain(receiver, "one", "one"), signed(receiver, "two")]
    accepted: list[str] = []
    with database.connect() as connection:
        for n in range(40):
            if n < 8:
                enqueue_messages(connection, [message(key=f"incident:{n}")], channels, now=NOW)
            receiver.faults.clear()
            if rng.random() < 0.6 and n < 30:
                receiver.fail(rng.choice([401, 404, 429, 500, 503, 400]), times=rng.randint(1, 3))
            before = len(receiver.got)
            done = deliver(connection, channels, minutes=n * 45)
            assert len(receiver.got) - before >= len(done.sent)
            accepted += [f"{channel} {event}" for channel, event in done.sent]

    assert sorted(accepted) == sorted(f"{name} opened:incident:{n}" for n in range(8) for name in ("one", "two"))


def test_a_clock_that_jumps_back_does_not_stop_deliveries(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    receiver.fail(500)
    ahead = NOW + timedelta(days=400)
    with database.connect() as connection:
        enqueue_messages(connection, [message(at=ahead)], channels, now=ahead)
        deliver_messages(connection, channels, now=ahead)
        done = deliver(connection, channels)

    assert len(done.sent) == 1


def test_a_message_of_last_month_is_given_up(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        done = deliver(connection, channels, minutes=60 * 24 * 30)

    assert (receiver.got, done.failed) == ([], {"ops (json)": "given up after 7 days"})


def test_a_bug_in_a_plugin_holds_no_other_channel(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = plain(receiver, "bad"), plain(receiver, "good")
    monkeypatch.setattr(bad.transport, "send", lambda *_: 1 / 0)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], [bad, good], now=NOW)
        done = deliver(connection, [bad, good])

    assert done.failed == {"bad (json)": "its plugin failed: ZeroDivisionError"}
    assert [channel for channel, _ in done.sent] == ["good"]


# -- who gets what ------------------------------------------------------------------------------------------------


def configured(receiver: Receiver, tmp_path: Any, **values: object) -> Channel:
    lines = "\n".join(f"    {name}: {value}" for name, value in values.items())
    file = tmp_path / "channels.yaml"
    file.write_text(f"channels:\n  - name: ops\n    url: json://{receiver.host_port}/x\n{lines}\n")
    (channel,) = open_channels({"FLEEXMON_CHANNELS": str(file)})
    return channel


def events(database: Database) -> list[str]:
    return [str(row["eventId"]) for row in rows(database)]


def test_a_channel_gets_its_severity_and_then_the_whole_story(
    database: Database, receiver: Receiver, tmp_path: Any
) -> None:
    channel = configured(receiver, tmp_path, severity="high")
    story = [
        message(severity="medium"),  # too small
        message("ended", event_id="ended-1", severity="medium"),  # nobody was told that it began
        message("worse", severity="high"),
        message("ended", event_id="ended-2", severity="medium"),
    ]
    with database.connect() as connection:
        enqueue_messages(connection, story, [channel], now=NOW)

    assert events(database) == ["worse:incident:1", "ended-2"]


def test_a_channel_gets_its_nodes(database: Database, receiver: Receiver, tmp_path: Any) -> None:
    channel = configured(receiver, tmp_path, nodes="[green]")
    messages = [
        message(key="a", nodes=("blue",)), message(key="b", nodes=("blue", "green")), message(key="c", nodes=()),
    ]  # fmt: skip
    with database.connect() as connection:
        enqueue_messages(connection, messages, [channel], now=NOW)

    assert events(database) == ["opened:b", "opened:c"]


@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_a_digest_goes_where_it_is_wanted(database: Database, receiver: Receiver, tmp_path: Any, wanted: str) -> None:
    channel = configured(receiver, tmp_path, digest=wanted, nodes="[green]")
    with database.connect() as connection:
        count = enqueue_messages(connection, [message("digest", severity="low")], [channel], now=NOW)

    assert count == (wanted == "yes")


def test_quiet_hours_hold_what_is_not_critical(database: Database, receiver: Receiver, tmp_path: Any) -> None:
    channel = configured(receiver, tmp_path, quiet='"09:00-11:00 UTC"')
    with database.connect() as connection:
        enqueue_messages(connection, [message(key="a"), message(key="b", severity="critical")], [channel], now=NOW)
        quiet = deliver(connection, [channel])
        due = are_due(connection, [channel], now=NOW)
        after = deliver(connection, [channel], minutes=60)

    assert [event for _, event in quiet.sent] == ["opened:b"]
    assert not due, "a sensor has nothing to start a run for"
    assert [event for _, event in after.sent] == ["opened:a"]


def test_whether_something_would_be_queued_is_read_without_a_write(
    database: Database, receiver: Receiver, tmp_path: Any
) -> None:
    channel = configured(receiver, tmp_path)
    with database.connect() as connection:
        before = would_enqueue(connection, [message()], [channel])
        enqueue_messages(connection, [message()], [channel], now=NOW)
        after = would_enqueue(connection, [message(), message(key="b", severity="low")], [channel])

    assert (before, after) == (True, False)


# -- storms -------------------------------------------------------------------------------------------------------


def storm(count: int, **changes: Any) -> list[ChannelMessage]:
    return [message(key=f"incident:{n}", title=f"Problem {n}", **changes) for n in range(count)]


def test_a_storm_is_one_message_and_critical_passes(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    critical = message(key="incident:critical", severity="critical", title="Everything is down")
    with database.connect() as connection:
        enqueue_messages(connection, [*storm(25), critical], channels, now=NOW)
        done = deliver(connection, channels)
        again = deliver(connection, channels, minutes=1)

    assert (done.merged, done.waiting, again.sent) == (25, 0, [])
    assert told(receiver) == ["[critical] Everything is down", "25 messages about 25 problems became this one"]
    assert "[high] Problem 0" in receiver.got[1].json["message"]
    assert "and 10 more" in receiver.got[1].json["message"]
    assert [row["status"] for row in rows(database)].count("merged") == 25


def test_a_storm_that_goes_on_is_one_message_in_ten_minutes(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    with database.connect() as connection:
        for minute in range(60):
            batch = [message(key=f"incident:{minute}:{n}", title=f"P{n}") for n in range(15)]
            enqueue_messages(connection, batch, channels, now=NOW + timedelta(minutes=minute))
            deliver(connection, channels, minutes=minute)
        waiting = deliver(connection, channels, minutes=75).waiting

    assert waiting == 0, "nothing is lost"
    assert len(receiver.got) <= 8
    assert sum(int(title.split(" ")[0]) for title in told(receiver)) == 900


def test_ten_messages_are_no_storm(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, storm(10), channels, now=NOW)
        assert len(deliver(connection, channels).sent) == 10


def test_a_channel_that_was_down_for_a_day_gets_one_message_and_of_each_problem_the_last(
    database: Database, receiver: Receiver
) -> None:
    channels = [plain(receiver)]
    receiver.fail(503, times=1_000)
    with database.connect() as connection:
        for n in range(12):
            enqueue_messages(connection, [message(key=f"i{n}", title=f"P{n}")], channels, now=NOW + n * HOUR)
            deliver(connection, channels, minutes=60 * n)
            enqueue_messages(connection, [message("ended", key=f"i{n}", title=f"P{n}")], channels, now=NOW + n * HOUR)
        receiver.faults.clear()
        receiver.got.clear()
        deliver(connection, channels, minutes=60 * 26)

    assert told(receiver) == ["24 messages about 12 problems became this one"]
    assert "[high] ended: P3" in receiver.got[0].json["message"]
    assert "[high] P3" not in receiver.got[0].json["message"]


def test_a_summary_survives_a_kill_before_it_is_sent(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    receiver.fail(500)
    with database.connect() as connection:
        enqueue_messages(connection, storm(25), channels, now=NOW)
        deliver(connection, channels)
        done = deliver(connection, channels, minutes=5)

    assert (len(done.sent), done.waiting) == (1, 0)
    assert told(receiver) == ["25 messages about 25 problems became this one"] * 2


# -- threads ------------------------------------------------------------------------------------------------------


def test_updates_go_where_the_first_message_went(database: Database, slack: SlackLike, mailbox: Mailbox) -> None:
    channels = [opened(f"slack://{TOKEN}/#alerts", "chat"), opened(mail_url(mailbox), "mail")]
    with database.connect() as connection:
        for event in ("opened", "worse", "ended"):
            enqueue_messages(connection, [message(event)], channels, now=NOW)
            deliver(connection, channels)

    first, *rest = [request.json.get("thread_ts") for request in slack.got]
    assert (first, rest) == (None, ["1700000001.000100"] * 2)
    assert len({mail["References"] for mail in mailbox.mails}) == 1


def test_secrets_do_not_reach_the_database(database: Database, receiver: Receiver) -> None:
    channels = [opened(f"json://user:geheim4711@{receiver.host_port}/geheim4711"), signed(receiver)]
    receiver.fail(401, body=b"geheim4711")
    receiver.fail(401)
    with database.connect() as connection:
        enqueue_messages(connection, [message(lines=("password=hunter2hunter2",))], channels, now=NOW)
        deliver(connection, channels)

    stored = str([database.rows(f'SELECT t::text FROM "{table}" t') for table in _TABLES])
    assert "HTTP 401" in stored
    for secret in ("geheim4711", SIGNING, "hunter2hunter2"):
        assert secret not in stored


_TABLES = ("ChannelMessage", "ChannelState", "ChannelThread")


def test_times_are_those_that_were_passed_in(database: Database, receiver: Receiver) -> None:
    channels = [plain(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        deliver(connection, channels, minutes=5)

    (row,) = database.rows('SELECT "createdAt", "sentAt" FROM "ChannelMessage"')
    assert row == {"createdAt": NOW, "sentAt": datetime(2026, 11, 20, 10, 5, tzinfo=UTC)}
