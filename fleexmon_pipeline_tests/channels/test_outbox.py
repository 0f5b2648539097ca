"""Each event reaches each channel once, and a failure is retried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleexmon_pipeline.channels import outbox
from fleexmon_pipeline.channels.outbox import are_due, backoff, deliver_messages, enqueue_messages
from fleexmon_pipeline.channels.overview import overview
from fleexmon_pipeline_tests.channels.conftest import SIGNING, opened
from fleexmon_pipeline_tests.channels.deliveries import HOUR, deliver, json_channel, rows, signed_channel
from fleexmon_pipeline_tests.channels.receivers import TOKEN, Mailbox, Receiver, SlackLike, mail_url, message
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN as NOW


def test_an_event_is_sent_once_to_each_channel(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver, "one"), json_channel(receiver, "two"), signed_channel(receiver)]
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
    channels = [json_channel(receiver)]
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
    channels = [json_channel(receiver)]
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
    channels = [json_channel(receiver)]
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
    channels = [json_channel(receiver)]
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
        channels = [json_channel(broken, "broken"), json_channel(receiver, "good")]
        with database.connect() as connection:
            for n in range(5):
                enqueue_messages(connection, [message(key=f"incident:{n}")], channels, now=NOW)
            done = deliver(connection, channels)

        assert len([one for one in done.sent if one[0] == "good"]) == 5
        assert len(broken.got) == 1, "the next message would meet the same"
        assert set(done.failed) == {"broken (json)"}


def test_a_run_ends_when_its_time_is_over_and_the_next_one_goes_on(database: Database, receiver: Receiver) -> None:
    """Ticks wait for it: ten channels that hang must not take their place."""
    channels = [json_channel(receiver, name) for name in ("one", "two")]
    with database.connect() as connection:
        enqueue_messages(connection, [message(key=f"i{n}") for n in range(3)], channels, now=NOW)
        none = deliver_messages(connection, channels, now=NOW, seconds=0)
        rest = deliver_messages(connection, channels, now=NOW)

    assert (none.sent, none.waiting) == ([], 6)
    assert len(rest.sent) == 6


def test_a_message_that_a_service_refuses_holds_no_other(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
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


def test_a_clock_that_jumps_back_does_not_stop_deliveries(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
    receiver.fail(500)
    ahead = NOW + timedelta(days=400)
    with database.connect() as connection:
        enqueue_messages(connection, [message(at=ahead)], channels, now=ahead)
        deliver_messages(connection, channels, now=ahead)
        done = deliver(connection, channels)

    assert len(done.sent) == 1


def test_a_message_of_last_month_is_given_up(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        done = deliver(connection, channels, minutes=60 * 24 * 30)

    assert (receiver.got, done.failed) == ([], {"ops (json)": "given up after 7 days"})


def test_a_bug_in_a_plugin_holds_no_other_channel(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = json_channel(receiver, "bad"), json_channel(receiver, "good")
    monkeypatch.setattr(bad.transport, "send", lambda *_: 1 / 0)
    with database.connect() as connection:
        enqueue_messages(connection, [message()], [bad, good], now=NOW)
        done = deliver(connection, [bad, good])

    assert done.failed == {"bad (json)": "its plugin failed: ZeroDivisionError"}
    assert [channel for channel, _ in done.sent] == ["good"]


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
    channels = [opened(f"json://user:geheim4711@{receiver.host_port}/geheim4711"), signed_channel(receiver)]
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
    channels = [json_channel(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, [message()], channels, now=NOW)
        deliver(connection, channels, minutes=5)

    (row,) = database.rows('SELECT "createdAt", "sentAt" FROM "ChannelMessage"')
    assert row == {"createdAt": NOW, "sentAt": datetime(2026, 11, 20, 10, 5, tzinfo=UTC)}
