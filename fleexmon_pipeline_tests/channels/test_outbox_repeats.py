"""No event is sent twice after a lost answer or a kill, or by two processes, except if it cannot be known."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleexmon_pipeline.channels.channel import open_channels
from fleexmon_pipeline.channels.outbox import enqueue_messages
from fleexmon_pipeline_tests.channels.conftest import opened
from fleexmon_pipeline_tests.channels.deliveries import deliver, json_channel, rows, signed_channel
from fleexmon_pipeline_tests.channels.receivers import TOKEN, Fault, Receiver, SlackLike, message
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN as NOW


def test_a_lost_answer_is_repeated_once_and_says_so(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
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
    channels = [signed_channel(receiver)]
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
    channels = [json_channel(receiver, name) for name in ("one", "two", "three")]
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
    channels = [json_channel(receiver, "one", "one"), signed_channel(receiver, "two")]
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
