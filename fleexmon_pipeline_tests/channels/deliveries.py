"""Helpers for tests of the outbox: channels to a receiver, a delivery, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fleexmon_pipeline.channels.channel import Channel
from fleexmon_pipeline.channels.outbox import Deliveries, deliver_messages
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline_tests.channels.conftest import opened
from fleexmon_pipeline_tests.channels.receivers import Receiver
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN as NOW

HOUR = timedelta(hours=1)


def json_channel(receiver: Receiver, name: str = "ops", path: str = "x") -> Channel:
    return opened(f"json://{receiver.host_port}/{path}", name)


def signed_channel(receiver: Receiver, name: str = "hook") -> Channel:
    return opened(f"webhook+http://{receiver.host_port}/hook", name)


def deliver(
    connection: Connection, channels: Sequence[Channel], *, minutes: float = 0, by_hand: bool = False
) -> Deliveries:
    return deliver_messages(connection, channels, now=NOW + timedelta(minutes=minutes), by_hand=by_hand)


def received_titles(receiver: Receiver) -> list[str]:
    return [str(request.json["title"]) for request in receiver.got]


def rows(database: Database) -> list[dict[str, Any]]:
    return database.rows(
        'SELECT channel, "eventId", status, attempts, unproven, "lastError" FROM "ChannelMessage" ORDER BY position'
    )
