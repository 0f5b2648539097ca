"""Which messages a channel gets, and when: severity, nodes, digest, quiet hours, and storms, of which one summary is
sent.

Here: decisions on plain data. Storing and sending: `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.channels.message import ChannelMessage, short_hash
from fleexmon_pipeline.channels.render import title_of
from fleexmon_pipeline.settings import ChannelSettings
from fleexmon_pipeline.settings.channels import SEVERITIES
from fleexmon_pipeline.wording import counted, duration

STORM_MESSAGES = 10  # to one channel in STORM_TIME; with more, those pending become one summary
STORM_TIME = timedelta(minutes=10)
MAX_SUMMARIZED = 15  # keys that a summary names
_NEVER_MERGED = ("digest", "summary", "test")


def rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def wants(channel: ChannelSettings, message: ChannelMessage, *, known: bool) -> bool:
    """Whether a channel gets a message. `known`: it got an earlier one of the same key, so it gets this one too."""
    if message.event in ("test", "summary"):
        return True
    if message.event == "digest":
        return channel.digest
    if known:
        return True
    if message.event == "ended" or (channel.nodes and message.nodes and not set(channel.nodes) & set(message.nodes)):
        return False
    return rank(message.severity) >= rank(channel.severity)


def may_send(channel: ChannelSettings, message: ChannelMessage, now: datetime) -> bool:
    """Whether it may go out now. Critical messages and tests pass quiet hours; the others wait for their end."""
    if channel.quiet is None or now not in channel.quiet:
        return True
    return message.severity == "critical" or message.event == "test"


@dataclass(frozen=True)
class Plan:
    """Messages to send one by one, and messages to replace by one summary. Those in neither wait."""

    single: list[ChannelMessage]
    merged: list[ChannelMessage]


def plan(due: Sequence[ChannelMessage], *, recently_sent: int, last_summary: datetime | None, now: datetime) -> Plan:
    """Storm control: all messages if the limit allows them; otherwise one summary, at most one in STORM_TIME."""
    urgent = [message for message in due if message.severity == "critical" or message.event in _NEVER_MERGED]
    others = [message for message in due if message not in urgent]
    if len(others) <= max(0, STORM_MESSAGES - recently_sent):
        return Plan(list(due), [])
    if last_summary is not None and now - STORM_TIME < last_summary <= now:
        return Plan(urgent, [])
    if len(others) == 1:  # a summary of one message would only say less
        return Plan(list(due), []) if last_summary is None else Plan(urgent, [])
    return Plan(urgent, others)


def summary_of(merged: Sequence[ChannelMessage], now: datetime) -> ChannelMessage:
    """One message for many: the last event of each key."""
    last = {message.key: message for message in merged}
    nodes = tuple(dict.fromkeys(node for message in merged for node in message.nodes))
    shown = [title_of(message) for message in list(last.values())[:MAX_SUMMARIZED]]
    more = [f"and {len(last) - MAX_SUMMARIZED} more"] if len(last) > MAX_SUMMARIZED else []
    identity = short_hash(*(f"{message.key} {message.event_id}" for message in merged))
    return ChannelMessage(
        key=f"summary:{identity}",
        event="summary",
        event_id=f"summary:{identity}",
        severity=max((message.severity for message in merged), key=rank),
        nodes=nodes,
        title=f"{counted(len(merged), 'message')} about {counted(len(last), 'problem')} combined into this one",
        lines=(f"More than {STORM_MESSAGES} in {duration(STORM_TIME)}. What happened last:", *shown, *more),
        at=now,
        command="fleexmon issues list",
        data={"merged": [{"key": message.key, "eventId": message.event_id} for message in merged]},
    )
