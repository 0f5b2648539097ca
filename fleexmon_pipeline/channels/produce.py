"""Where messages come from: issues and digests as ChannelMessages.

Here: what is worth a message, and its words. `messages_of_issues` is the one function to replace when incidents are
told instead: whatever returns ChannelMessages with stable keys and event ids can be queued. Queueing: `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.channels.message import MAX_EVIDENCE, ChannelMessage, Event
from fleexmon_pipeline.channels.outbox import SQL
from fleexmon_pipeline.channels.policy import rank
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.settings import ChannelSettings
from fleexmon_pipeline.settings.channels import SEVERITIES
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import iso_text

RECENT = timedelta(hours=24)  # by event time: a backfill of last month tells nobody
DIGEST_RECENT = timedelta(days=2)  # after the day's end
MAX_ADVICE = 400  # characters


def least_severity(channels: Sequence[ChannelSettings]) -> str:
    """The least that any of them is sent."""
    return min((channel.severity for channel in channels), key=rank, default="high")


def messages_of_issues(connection: Connection, *, now: datetime, least: str = "high") -> list[ChannelMessage]:
    """What changed since each issue was last told: opened, worse, ended, returned. Reads only, and is idempotent.

    An issue is told when it is open, not muted, at least `least`, and was updated in the last 24 hours; from then on
    it is followed at any age.
    """
    told = {row["key"]: _Told.of(row) for row in connection.execute(SQL["last_events"])}
    where = {
        "now": now,
        "recent": now - RECENT,
        "severities": [name for name in SEVERITIES if rank(name) >= rank(least)],
        "open": [key for key, last in told.items() if last.event != "ended"],
    }
    rows = connection.execute(SQL["urgent_issues"], where).fetchall()
    changes = ((row, _change(row, told.get(row["key"]))) for row in rows)
    return [_message(connection, row, *change) for row, change in changes if change]


@dataclass(frozen=True)
class _Told:
    """What was last said of a key. `since`: the event id of its opening, which makes later ones unique."""

    event: str
    event_id: str
    since: str
    severity: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Told:
        data = row["message"]["data"]
        return cls(row["event"], row["event_id"], data["since"], data["severity"])


def _change(row: Mapping[str, Any], told: _Told | None) -> tuple[Event, str, str] | None:
    """Event, its id, and the id of the opening it belongs to; None where there is nothing to say."""
    is_open = row["status"] != "resolved"
    if told is None:
        opened = f"opened:{row['id']}"
        return ("opened", opened, opened) if is_open and not row["muted"] else None
    if not is_open:
        return None if told.event == "ended" else ("ended", f"ended:{told.since}", told.since)
    if row["muted"]:
        return None
    if told.event == "ended":
        before = int(told.since.rpartition(":")[2]) if told.since.startswith("returned:") else 0
        returned = f"returned:{row['id']}:{before + 1}"
        return "returned", returned, returned
    if rank(row["severity"]) > rank(told.severity):
        return "worse", f"{row['severity']}:{told.since}", told.since
    return None


def _message(connection: Connection, row: Mapping[str, Any], event: Event, event_id: str, since: str) -> ChannelMessage:
    metadata = row["metadata"] if isinstance(row["metadata"], dict) else {}
    nodes = metadata.get("nodes")
    at = row["resolved_at"] if event == "ended" and row["resolved_at"] else row["updated_at"]
    return ChannelMessage(
        key=row["key"],
        event=event,
        event_id=event_id,
        severity=row["severity"],
        nodes=tuple(str(node) for node in nodes) if isinstance(nodes, list) else (),
        title=row["title"],
        lines=tuple(_lines(row, event, metadata)),
        at=at,
        evidence=() if event == "ended" else _evidence(connection, row["id"]),
        command=f"fleexmon issues show {row['id']}",
        data={
            "issue": row["id"],
            "since": since,
            "severity": row["severity"],
            "type": row["type"],
            "rule": str(metadata.get("rule", "")),
            "status": row["status"],
            "firstSeen": iso_text(row["detected_at"], "seconds"),
            "lastSeen": iso_text(row["updated_at"], "seconds"),
        },
    )


def _lines(row: Mapping[str, Any], event: Event, metadata: Mapping[str, Any]) -> list[str]:
    if event == "ended":
        reason = metadata.get("resolvedReason")
        lasted = f"Seen from {_time(row['detected_at'])} to {_time(row['updated_at'])}."
        return [f"{lasted} {reason}" if reason else lasted]
    lines = [f"Since {_time(row['detected_at'])}, last seen {_time(row['updated_at'])}.", row["description"]]
    if row["recommendation"] and event != "worse":
        lines.append(" ".join(str(row["recommendation"]).split())[:MAX_ADVICE])
    return lines


def _evidence(connection: Connection, issue: str) -> tuple[str, ...]:
    """The newest lines, oldest of them first; the message redacts them."""
    rows = connection.execute(SQL["evidence"], {"issue": issue, "limit": MAX_EVIDENCE}).fetchall()
    return tuple(f"{row['timestamp']:%H:%M:%S} {row['level']} {row['message']}" for row in reversed(rows))


def message_of_digest(day: Window, title: str, sentences: Sequence[str], *, now: datetime) -> ChannelMessage | None:
    """A day's digest, told once, when the day is over; None where it is too early or too late, as in a backfill.

    `sentences`: what a person should know without opening it.
    """
    if not day.until <= now < day.until + DIGEST_RECENT:
        return None
    name = f"{day.since:%Y-%m-%d}"
    return ChannelMessage(
        key=f"digest:{name}",
        event="digest",
        event_id=f"digest:{name}",
        severity="low",
        nodes=(),
        title=title,
        lines=tuple(sentences),
        at=day.until,
        command=f"fleexmon digest --date {name}",
        data={"day": name},
    )


def message_of_test(name: str, *, at: datetime) -> ChannelMessage:
    """A marked message that a person asked for."""
    return ChannelMessage(
        key="test",
        event="test",
        event_id=f"test:{iso_text(at)}",
        severity="low",
        nodes=(),
        title=f"test of the channel {name}",
        lines=("Somebody ran `fleexmon channels test`. Nothing is wrong, and nothing is to be done.",),
        at=at,
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
