"""Which messages a channel gets and when, and storms, which become one message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fleexmon_pipeline.channels.channel import Channel, open_channels
from fleexmon_pipeline.channels.message import ChannelMessage
from fleexmon_pipeline.channels.outbox import are_due, enqueue_messages, would_enqueue
from fleexmon_pipeline_tests.channels.deliveries import HOUR, deliver, json_channel, received_titles, rows
from fleexmon_pipeline_tests.channels.receivers import Receiver, message
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN as NOW


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
    channels = [json_channel(receiver)]
    critical = message(key="incident:critical", severity="critical", title="Everything is down")
    with database.connect() as connection:
        enqueue_messages(connection, [*storm(25), critical], channels, now=NOW)
        done = deliver(connection, channels)
        again = deliver(connection, channels, minutes=1)

    assert (done.merged, done.waiting, again.sent) == (25, 0, [])
    assert received_titles(receiver) == [
        "[critical] Everything is down",
        "25 messages about 25 problems combined into this one",
    ]
    assert "[high] Problem 0" in receiver.got[1].json["message"]
    assert "and 10 more" in receiver.got[1].json["message"]
    assert [row["status"] for row in rows(database)].count("merged") == 25


def test_a_storm_that_goes_on_is_one_message_in_ten_minutes(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
    with database.connect() as connection:
        for minute in range(60):
            batch = [message(key=f"incident:{minute}:{n}", title=f"P{n}") for n in range(15)]
            enqueue_messages(connection, batch, channels, now=NOW + timedelta(minutes=minute))
            deliver(connection, channels, minutes=minute)
        waiting = deliver(connection, channels, minutes=75).waiting

    assert waiting == 0, "nothing is lost"
    assert len(receiver.got) <= 8
    assert sum(int(title.split(" ")[0]) for title in received_titles(receiver)) == 900


def test_ten_messages_are_no_storm(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
    with database.connect() as connection:
        enqueue_messages(connection, storm(10), channels, now=NOW)
        assert len(deliver(connection, channels).sent) == 10


def test_a_channel_that_was_down_for_a_day_gets_one_message_and_of_each_problem_the_last(
    database: Database, receiver: Receiver
) -> None:
    channels = [json_channel(receiver)]
    receiver.fail(503, times=1_000)
    with database.connect() as connection:
        for n in range(12):
            enqueue_messages(connection, [message(key=f"i{n}", title=f"P{n}")], channels, now=NOW + n * HOUR)
            deliver(connection, channels, minutes=60 * n)
            enqueue_messages(connection, [message("ended", key=f"i{n}", title=f"P{n}")], channels, now=NOW + n * HOUR)
        receiver.faults.clear()
        receiver.got.clear()
        deliver(connection, channels, minutes=60 * 26)

    assert received_titles(receiver) == ["24 messages about 12 problems combined into this one"]
    assert "[high] ended: P3" in receiver.got[0].json["message"]
    assert "[high] P3" not in receiver.got[0].json["message"]


def test_a_summary_survives_a_kill_before_it_is_sent(database: Database, receiver: Receiver) -> None:
    channels = [json_channel(receiver)]
    receiver.fail(500)
    with database.connect() as connection:
        enqueue_messages(connection, storm(25), channels, now=NOW)
        deliver(connection, channels)
        done = deliver(connection, channels, minutes=5)

    assert (len(done.sent), done.waiting) == (1, 0)
    assert received_titles(receiver) == ["25 messages about 25 problems combined into this one"] * 2
