"""Messages about incidents and digests: when they open, get worse, end and return; none for a backfill."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from fleexmon_pipeline.channels.channel import Channel
from fleexmon_pipeline.channels.message import ChannelMessage, from_document
from fleexmon_pipeline.channels.outbox import enqueue_messages
from fleexmon_pipeline.channels.produce import lowest_severity, message_of_digest, messages_of_incidents
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.read import list_incidents
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.window import DAY, Window
from fleexmon_pipeline_tests.channels.conftest import opened
from fleexmon_pipeline_tests.channels.receivers import message
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.reporting.rows import issue
from fleexmon_pipeline_tests.stories import TEN as NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as opened_connection:
        yield opened_connection


@pytest.fixture
def channel() -> Channel:
    return opened("json://127.0.0.1:9/x")


def tell(connection: Connection, channel: Channel, now: datetime = NOW) -> list[str]:
    """What is new, queued as a run does; the events."""
    refresh_incidents(connection)
    messages = messages_of_incidents(connection, now=now)
    enqueue_messages(connection, messages, [channel], now=now)
    return [one.event for one in messages]


def change(connection: Connection, name: str, **values: Any) -> None:
    for column, value in values.items():
        connection.execute(f'UPDATE "LogIssue" SET "{column}" = %s WHERE id = %s'.encode(), [value, name])


def test_the_story_of_an_issue_is_told_event_by_event(connection: Connection, channel: Channel) -> None:
    name = issue(connection, "Payments fail", NOW - 5 * MINUTE, severity="high")
    story = [tell(connection, channel), tell(connection, channel)]
    change(connection, name, updatedAt=NOW, title="Payments fail more")
    story.append(tell(connection, channel))
    change(connection, name, severity="critical")
    story += [tell(connection, channel), tell(connection, channel)]
    change(connection, name, severity="high")
    story.append(tell(connection, channel))
    change(connection, name, status="resolved", resolvedAt=NOW)
    story += [tell(connection, channel), tell(connection, channel)]
    change(connection, name, status="open", resolvedAt=None)
    story += [tell(connection, channel), tell(connection, channel)]
    change(connection, name, status="resolved", resolvedAt=NOW)
    story.append(tell(connection, channel))
    change(connection, name, status="open", resolvedAt=None)
    story.append(tell(connection, channel))

    assert story == [
        ["opened"], [], [], ["worse"], [], [], ["ended"], [], ["returned"], [], ["ended"], ["returned"]
    ]  # fmt: skip
    ids = [row["eventId"] for row in connection.execute('SELECT "eventId" FROM "ChannelMessage"')]
    assert len(set(ids)) == 6


def test_an_incident_is_told_once_though_it_has_many_issues_and_reaches_another_node(
    connection: Connection, channel: Channel
) -> None:
    issue(connection, "A", NOW - 20 * MINUTE, fingerprint="a:pattern:aaaa@blue")
    issue(connection, "B", NOW - 15 * MINUTE, fingerprint="b:node:blue")
    story = [tell(connection, channel)]
    issue(connection, "C", NOW - 10 * MINUTE, fingerprint="c:node:blue")
    story.append(tell(connection, channel))
    issue(connection, "A", NOW - 5 * MINUTE, fingerprint="a:pattern:aaaa@green", nodes=["green"])
    story += [tell(connection, channel), tell(connection, channel)]

    assert story == [["opened"], [], ["joined"], []]


def test_two_incidents_that_turn_out_to_be_one_go_on_as_the_older(connection: Connection, channel: Channel) -> None:
    first = issue(connection, "A", NOW - 70 * MINUTE, fingerprint="a:node:blue")
    second = issue(connection, "B", NOW - 10 * MINUTE, fingerprint="b:node:blue")
    story = [tell(connection, channel)]
    issue(connection, "C", NOW - 40 * MINUTE, fingerprint="c:node:blue", severity="low")
    story += [tell(connection, channel), tell(connection, channel)]

    assert story == [["opened", "opened"], ["ended"], []]
    rows = connection.execute('SELECT key FROM "ChannelMessage" ORDER BY position').fetchall()
    assert [row["key"] for row in rows] == [f"incident:{first}", f"incident:{second}", f"incident:{second}"]


def test_an_issue_of_another_day_is_not_told(connection: Connection, channel: Channel) -> None:
    """As a backfill makes them: its times are those of the event."""
    issue(connection, "Old", NOW - 2 * DAY, severity="critical")

    assert tell(connection, channel) == []


def test_an_issue_that_began_and_ended_unseen_is_not_told(connection: Connection, channel: Channel) -> None:
    issue(connection, "Over", NOW - 30 * MINUTE, resolved=NOW)

    assert tell(connection, channel) == []


def test_a_muted_issue_is_not_told_until_it_is_not_muted(connection: Connection, channel: Channel) -> None:
    issue(connection, "Muted", NOW - MINUTE, fingerprint="rule:node:blue")
    connection.execute(
        'INSERT INTO "IssueMute" (id, fingerprint, "by", why, since, until) VALUES (%s, %s, %s, %s, %s, %s)',
        [uuid.uuid4(), "rule:node:blue", "ann", "", NOW - DAY, NOW + MINUTE],
    )

    assert tell(connection, channel) == []
    assert tell(connection, channel, NOW + 2 * MINUTE) == ["opened"]


def test_maintenance_mutes_everything(connection: Connection, channel: Channel) -> None:
    issue(connection, "Muted", NOW - MINUTE)
    connection.execute(
        'INSERT INTO "IssueMute" (id, everything, "by", why, since, until) VALUES (%s, true, %s, %s, %s, %s)',
        [uuid.uuid4(), "ann", "", NOW - DAY, NOW + MINUTE],
    )

    assert tell(connection, channel) == []


def test_severities_that_no_channel_wants_are_not_read(connection: Connection) -> None:
    issue(connection, "Small", NOW - MINUTE, severity="medium")

    refresh_incidents(connection)
    assert messages_of_incidents(connection, now=NOW) == []
    assert [one.severity for one in messages_of_incidents(connection, now=NOW, min_severity="medium")] == ["medium"]
    assert lowest_severity([]) == "high"


def test_a_message_has_node_times_advice_evidence_and_the_command(connection: Connection) -> None:
    name = issue(connection, "Payments fail on blue", NOW - 5 * MINUTE, updated=NOW, rule="new-error")
    logs = [uuid.uuid4() for _ in range(7)]
    for n, log in enumerate(logs):
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) VALUES (%s, %s, %s, %s, %s, %s)',
            [log, NOW - n * MINUTE, "error", f"charge {n} failed password=hunter2hunter2", "blue", "b"],
        )
    change(connection, name, affectedLogs=logs)

    refresh_incidents(connection)
    found = messages_of_incidents(connection, now=NOW, ui_url="https://watch.example.com")
    (told,) = (one.within_limits() for one in found)

    assert told.nodes == ("blue",)
    since = "Open since 2026-11-20 09:50 UTC (10 min). 0 errors in 0 lines."
    assert told.lines == (since, "Do this.")
    assert told.evidence[0] == "09:54:00 blue error charge 6 failed password=<password>"
    assert len(told.evidence) == 5
    assert told.command == f"fleexmon incidents show {name}"
    assert told.link == f"https://watch.example.com/fleexmon/incidents/{name}"
    assert told.data["issues"] == [name]
    assert from_document(told.document()) == told


def test_metadata_of_another_program_does_no_harm(connection: Connection, channel: Channel) -> None:
    name = issue(connection, "Foreign", NOW - MINUTE, fingerprint=None)
    change(connection, name, metadata=Jsonb(["a", 1]))

    assert tell(connection, channel) == ["opened"]
    assert tell(connection, channel) == []


@pytest.mark.parametrize(
    ("hours", "told"), [(-1, False), (0, True), (8, True), (47, True), (48, False), (24 * 30, False)]
)
def test_a_digest_is_told_when_its_day_is_over_and_not_in_a_backfill(hours: int, told: bool) -> None:
    day = Window(datetime.combine(NOW.date(), datetime.min.time(), NOW.tzinfo), NOW.replace(hour=0) + DAY)

    one = message_of_digest(day, "Digest", ["All is well."], now=day.until + timedelta(hours=hours))

    assert (one is not None) == told
    if one:
        assert (one.key, one.event, one.command) == ("digest:2026-11-20", "digest", "fleexmon digest --date 2026-11-20")


def test_what_is_stored_is_what_was_said() -> None:
    one: ChannelMessage = message(data={"n": 1}, link="https://ui.example.com/x")

    assert from_document(one.document()) == one


def test_a_severity_that_rises_again_is_told_again_and_hides_nothing(connection: Connection, channel: Channel) -> None:
    name = issue(connection, "Payments fail", NOW - 5 * MINUTE, severity="high")
    story = [tell(connection, channel)]
    change(connection, name, severity="critical")
    story.append(tell(connection, channel))
    change(
        connection, name, severity="high", metadata=Jsonb({"fingerprint": "f:node:blue", "nodes": ["blue", "green"]})
    )
    story.append(tell(connection, channel))
    change(connection, name, severity="critical")
    story += [tell(connection, channel), tell(connection, channel)]

    assert story == [["opened"], ["worse"], ["joined"], ["worse"], []]


def test_each_part_of_an_incident_that_falls_apart_is_told_on(connection: Connection, channel: Channel) -> None:
    """The older issue turns up late, joins the reported one, and is found to be another incident after all."""
    younger = issue(connection, "B", NOW - 30 * MINUTE, fingerprint="b:node:blue")
    story = [tell(connection, channel)]
    issue(connection, "A", NOW - 100 * MINUTE, fingerprint="a:node:blue")
    bridge = issue(connection, "C", NOW - 60 * MINUTE, fingerprint="c:node:blue", nodes=["blue"], severity="low")
    issue(connection, "D", NOW - 80 * MINUTE, fingerprint="d:node:blue", severity="low")
    story += [tell(connection, channel), tell(connection, channel)]
    assert len(list_incidents(connection, now=NOW)) == 1
    connection.execute('DELETE FROM "LogIssue" WHERE id = %s', [bridge])
    story += [tell(connection, channel), tell(connection, channel)]
    change(connection, younger, severity="critical")
    story += [tell(connection, channel), tell(connection, channel)]

    assert story == [["opened"], [], [], ["opened"], [], ["worse"], []]


def test_one_ended_report_is_gone_on_with_once(connection: Connection, channel: Channel) -> None:
    """What ended as one comes back as two."""
    both = [issue(connection, name, NOW - 300 * MINUTE, fingerprint=f"{name}:node:blue") for name in "ab"]
    story = [tell(connection, channel)]
    for name in both:
        change(connection, name, status="resolved", resolvedAt=NOW - 290 * MINUTE)
    story.append(tell(connection, channel))
    issue(connection, "a", NOW - 100 * MINUTE, fingerprint="a:node:blue")
    issue(connection, "b", NOW - 5 * MINUTE, fingerprint="b:node:blue")
    story += [tell(connection, channel), tell(connection, channel)]

    assert story == [["opened"], ["ended"], ["returned", "opened"], []]
