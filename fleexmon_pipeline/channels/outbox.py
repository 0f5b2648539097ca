"""The outbox of the channels: each event is sent to each channel once, and retried if that fails.

Here: queueing, delivery, backoff, and what is known after a crash. Which messages a channel gets: `policy.py`; how they
are sent: the transports. What counts as proof of delivery: docs/decisions/0034.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from fleexmon_pipeline.channels.answers import Delivery, SendResult
from fleexmon_pipeline.channels.channel import Channel
from fleexmon_pipeline.channels.message import ChannelMessage, from_document, short_hash
from fleexmon_pipeline.channels.policy import STORM_TIME, may_send, plan, summary_of, wants
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.wording import counted

SQL = statements("channels")
BACKOFF = timedelta(minutes=1)  # doubled with every failure in a row
MAX_BACKOFF = timedelta(hours=1)  # of a channel
MAX_MESSAGE_BACKOFF = timedelta(hours=6)  # of a message that the service refuses
MAX_WAIT = timedelta(hours=24)  # an absurd Retry-After, or a clock that jumped, must not end deliveries
MAX_AGE = timedelta(days=7)  # older messages are given up: nobody would act on them
MAX_ATTEMPTS = 12  # of a message that the service refuses; 20 hours
MAX_UNPROVEN = 2  # attempts that may have arrived, if receivers cannot recognise a repeat
RUN_SECONDS = 90.0  # after which no further message is begun, because ticks wait for the run that sends alerts
MAX_DUE = 5_000  # messages of a channel that a run reads
JITTER = 0.25  # share of a delay, more or less, so that channels of one service are not retried together


@dataclass
class Deliveries:
    """What a call of `deliver_messages` did. `failed`: channel → reason; `waiting`: messages not sent yet."""

    sent: list[tuple[str, str]] = field(default_factory=list)  # channel, event id
    failed: dict[str, str] = field(default_factory=dict)
    merged: int = 0
    waiting: int = 0

    def sentence(self) -> str:
        """`channels: 2 sent, 1 waiting; ops (slack): HTTP 401`"""
        merged = f", {self.merged} merged into a summary" if self.merged else ""
        reasons = "".join(f"; {name}: {reason}" for name, reason in self.failed.items())
        return f"channels: {len(self.sent)} sent{merged}, {self.waiting} waiting{reasons}"


def enqueue_messages(
    connection: Connection, messages: Iterable[ChannelMessage], channels: Sequence[Channel], *, now: datetime
) -> int:
    """Queue each message for the channels that want it. Idempotent; returns the number of new rows."""
    limited = [message.within_limits() for message in messages]
    count = 0
    with connection.transaction():
        connection.execute(SQL["lock_enqueue"])
        for channel, message in _wanted(connection, limited, channels):
            count += _insert(connection, channel, message, now)
    return count


def would_enqueue(connection: Connection, messages: Iterable[ChannelMessage], channels: Sequence[Channel]) -> bool:
    """Whether `enqueue_messages` would add a row. Reads only."""
    limited = [message.within_limits() for message in messages]
    for channel in channels:
        where = {"channel": channel.name, "keys": [message.key for message in limited]}
        queued = {(row["key"], row["event_id"]) for row in connection.execute(SQL["queued"], where)}
        for _, message in _wanted(connection, limited, [channel]):
            if (message.key, message.event_id) not in queued:
                return True
    return False


def _wanted(
    connection: Connection, messages: Sequence[ChannelMessage], channels: Sequence[Channel]
) -> list[tuple[str, ChannelMessage]]:
    wanted = []
    for channel in channels:
        where = {"channel": channel.name, "keys": [message.key for message in messages]}
        queued_keys = {row["key"] for row in connection.execute(SQL["known_keys"], where)}
        for message in messages:
            if wants(channel.settings, message, known=message.key in queued_keys):
                queued_keys.add(message.key)
                wanted.append((channel.name, message))
    return wanted


def _insert(connection: Connection, channel: str, message: ChannelMessage, now: datetime) -> int:
    values = {
        "channel": channel, "key": message.key, "event_id": message.event_id, "event": message.event,
        "severity": message.severity, "message": Jsonb(message.document()), "now": now,
    }  # fmt: skip
    return connection.execute(SQL["enqueue"], values).rowcount


# -- delivery -----------------------------------------------------------------------------------------------------


def are_due(connection: Connection, channels: Sequence[Channel], *, now: datetime) -> bool:
    """Whether `deliver_messages` has anything to do. Reads only."""
    return any(
        _is_ready(connection, channel, now, by_hand=False) and _due(connection, channel, now, by_hand=False)
        for channel in channels
    )


def deliver_messages(
    connection: Connection,
    channels: Sequence[Channel],
    *,
    now: datetime,
    by_hand: bool = False,
    seconds: float = RUN_SECONDS,
) -> Deliveries:
    """Send pending messages, channel by channel, oldest first. No message is begun after `seconds`.

    `by_hand`: a person asked for it, so our own backoff does not apply; a delay that a service asked for does.

    Failures are stored with the time of the next attempt and returned, never raised; a failing channel does not hold up
    others. Channels that work go first. Concurrent calls send nothing twice.
    """
    deliveries, deadline = Deliveries(), time.monotonic() + seconds
    states = {channel.name: _state(connection, channel.name) for channel in channels}
    for channel in sorted(channels, key=lambda channel: states[channel.name]["failures"]):
        if time.monotonic() >= deadline:
            break
        if not _is_ready(connection, channel, now, by_hand=by_hand) or not _locked(connection, channel.name):
            continue
        try:
            _Run(connection, channel, now, deliveries, by_hand=by_hand).send(deadline)
        finally:
            connection.execute(SQL["unlock"], {"channel": channel.name})
    names = {channel.name for channel in channels}
    overview = connection.execute(SQL["overview"], {"since": now - MAX_AGE})
    deliveries.waiting = sum(row["waiting"] for row in overview if row["channel"] in names)
    return deliveries


def _state(connection: Connection, channel: str) -> dict[str, Any]:
    row = connection.execute(SQL["state"], {"channel": channel}).fetchone()
    return row or {"failures": 0, "next_attempt": None, "held_until": None, "failing_since": None}


def _is_ready(connection: Connection, channel: Channel, now: datetime, *, by_hand: bool) -> bool:
    state = _state(connection, channel.name)
    until = state["held_until"] if by_hand else state["next_attempt"]
    return until is None or not now < until <= now + MAX_WAIT


def _due(connection: Connection, channel: Channel, now: datetime, *, by_hand: bool) -> list[ChannelMessage]:
    where = {"channel": channel.name, "now": now, "latest": now + MAX_WAIT, "by_hand": by_hand, "limit": MAX_DUE}
    rows = connection.execute(SQL["waiting"], where)
    messages = (from_document(row["message"]) for row in rows)
    return [message for message in messages if may_send(channel.settings, message, now)]


def _locked(connection: Connection, channel: str) -> bool:
    row = connection.execute(SQL["try_lock"], {"channel": channel}).fetchone()
    return row is not None and bool(row["locked"])


class _Run:
    """The deliveries of one channel, while its lock is held."""

    def __init__(
        self, connection: Connection, channel: Channel, now: datetime, deliveries: Deliveries, *, by_hand: bool
    ) -> None:
        self.connection, self.channel, self.now, self.deliveries = connection, channel, now, deliveries
        self.by_hand = by_hand

    def send(self, deadline: float) -> None:
        for message in self._planned():
            if time.monotonic() >= deadline:
                return
            answer = self._attempt(message)
            if answer is not None and answer.kind not in ("sent", "refused"):
                return  # the next message would fail the same way

    def _planned(self) -> list[ChannelMessage]:
        self.connection.execute(SQL["dissolve"], {"channel": self.channel.name})
        due = _due(self.connection, self.channel, self.now, by_hand=self.by_hand)
        where = {"channel": self.channel.name, "since": self.now - STORM_TIME, "now": self.now}
        recent = self.connection.execute(SQL["sent_since"], where).fetchone() or {"sent": 0, "summary": None}
        planned = plan(due, recently_sent=recent["sent"], last_summary=recent["summary"], now=self.now)
        return [*planned.single, *self._merged(planned.merged)]

    def _merged(self, messages: list[ChannelMessage]) -> list[ChannelMessage]:
        """Store the summary of these messages, and that it replaces them, in one transaction."""
        if not messages:
            return []
        summary = summary_of(messages, self.now).within_limits()
        where = {
            "channel": self.channel.name, "into": summary.event_id,
            "keys": [message.key for message in messages], "event_ids": [message.event_id for message in messages],
        }  # fmt: skip
        with self.connection.transaction():
            self.deliveries.merged += self.connection.execute(SQL["merge"], where).rowcount
            _insert(self.connection, self.channel.name, summary, self.now)
        return [summary]

    def _attempt(self, message: ChannelMessage) -> SendResult | None:
        where = {"channel": self.channel.name, "key": message.key, "event_id": message.event_id}
        row = self.connection.execute(SQL["begin"], where).fetchone()
        if row is None:
            return None
        gave_up = self._reason_to_give_up(message, row)
        if gave_up:
            self._not_sent(where, SendResult("refused", gave_up), row, give_up=True)
            return None
        thread = self.connection.execute(SQL["thread"], where).fetchone()
        is_running = True

        def on_accepted(target: str) -> None:
            """Store it immediately, so that the next attempt leaves this target out even if this process is killed.

            Not after a timeout: the call may go on in its own thread, which must not use the connection.
            """
            if is_running:
                self.connection.execute(SQL["accepted"], {**where, "target": target})

        delivery = Delivery(
            id=short_hash(*where.values()),
            thread=thread and thread["thread"],
            repeat=row["unproven"] > 0,
            accepted=row["accepted"],
            on_accepted=on_accepted,
        )
        answer = self._send_result(message, delivery)
        is_running = False
        if answer.kind == "sent":
            self._sent(where, answer)
        else:
            self._not_sent(where, answer, row, give_up=False)
        return answer

    def _send_result(self, message: ChannelMessage, delivery: Delivery) -> SendResult:
        try:
            return self.channel.transport.send(message, delivery)
        except psycopg.Error:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one of 130 plugins must not hold the other channels
            return SendResult("refused", f"its plugin failed: {type(error).__name__}")

    def _reason_to_give_up(self, message: ChannelMessage, row: dict[str, Any]) -> str | None:
        if self.now - message.at > MAX_AGE:
            return f"given up after {MAX_AGE.days} days"
        if row["unproven"] >= MAX_UNPROVEN and not self.channel.transport.knows_repeats:
            return f"given up after {counted(row['unproven'], 'attempt')} without an answer: it may have arrived"
        return None

    def _sent(self, where: dict[str, str], answer: SendResult) -> None:
        with self.connection.transaction():
            self.connection.execute(SQL["sent"], {**where, "now": self.now})
            self.connection.execute(SQL["channel_works"], {**where, "now": self.now})
            if answer.thread:
                self.connection.execute(SQL["set_thread"], {**where, "thread": Jsonb(answer.thread), "now": self.now})
        self.deliveries.sent.append((where["channel"], where["event_id"]))

    def _not_sent(self, where: dict[str, str], answer: SendResult, row: dict[str, Any], *, give_up: bool) -> None:
        self.deliveries.failed[self.channel.shown] = answer.reason
        refused = answer.kind == "refused"
        give_up = give_up or (refused and row["attempts"] >= MAX_ATTEMPTS)
        values = {
            "status": "failed" if give_up else "waiting",
            "unproven": int(answer.kind == "unproven"),
            "error": answer.reason,
            "next": self.now + backoff(where["event_id"], row["attempts"], MAX_MESSAGE_BACKOFF) if refused else None,
        }
        with self.connection.transaction():
            self.connection.execute(SQL["not_sent"], {**where, **values})
            if not refused:
                failure = _failure(self.connection, self.channel, answer, self.now)
                self.connection.execute(SQL["channel_fails"], {**where, "now": self.now, **failure})


def record_test(connection: Connection, channel: Channel, answer: SendResult, *, now: datetime) -> None:
    """Record the result of a test message. A success ends the channel's backoff: the next run sends what is pending."""
    statement = SQL["channel_works"] if answer.kind == "sent" else SQL["channel_fails"]
    connection.execute(statement, {"channel": channel.name, "now": now, **_failure(connection, channel, answer, now)})


def _failure(connection: Connection, channel: Channel, answer: SendResult, now: datetime) -> dict[str, Any]:
    failures = _state(connection, channel.name)["failures"]
    retry_after = min(timedelta(seconds=answer.retry_after or 0), MAX_WAIT)
    own_delay = backoff(channel.name, failures + 1, MAX_BACKOFF)
    return {
        "error": answer.reason,
        "next": now + max(own_delay, retry_after),
        "held": now + retry_after if retry_after else None,
    }


def backoff(who: str, attempt: int, most: timedelta) -> timedelta:
    """1 minute, 2, 4 … `most`, a quarter more or less by a hash of `who` and `attempt`, so that reruns agree."""
    share = int.from_bytes(hashlib.sha256(f"{who} {attempt}".encode()).digest()[:4]) / 2**32
    doubled: timedelta = BACKOFF * (1 << min(max(attempt - 1, 0), 12))
    return min(doubled, most) * (1 - JITTER + 2 * JITTER * share)
