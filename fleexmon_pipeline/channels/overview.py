"""The state of each channel: last success, last failure, pending messages. For the command, the check and doctor.

Here: reading. URLs and other secrets are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline.channels.outbox import MAX_AGE, SQL
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.settings import ChannelSettings
from fleexmon_pipeline.wording import counted


@dataclass(frozen=True)
class ChannelOverview:
    """`failed`: messages given up in the last 7 days; `error`: why the last attempt failed, None if it did not."""

    name: str
    scheme: str
    severity: str
    digest: bool
    waiting: int = 0
    failed: int = 0
    sent: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    failing_since: datetime | None = None
    next_attempt: datetime | None = None
    error: str | None = None

    def problem(self) -> str | None:
        """A sentence for a check; None if nothing is wrong."""
        shown = f"{self.name} ({self.scheme})"
        waiting = f"; {counted(self.waiting, 'message')} waiting" if self.waiting else ""
        if self.failing_since is not None:
            return f"{shown} fails since {self.failing_since:%Y-%m-%d %H:%M} UTC: {self.error}{waiting}"
        if self.failed:
            return f"{shown}: {counted(self.failed, 'message')} given up in the last {MAX_AGE.days} days: {self.error}"
        if self.waiting and self.error:
            return f"{shown}: {self.error}{waiting}"
        return None


def without_history(channels: Sequence[ChannelSettings]) -> list[ChannelOverview]:
    """Overviews of channels that were never used."""
    return [ChannelOverview(channel.name, channel.scheme, channel.severity, channel.digest) for channel in channels]


def overview(connection: Connection, channels: Sequence[ChannelSettings], *, now: datetime) -> list[ChannelOverview]:
    """Each configured channel, in the order of the configuration."""
    rows = {row["channel"]: row for row in connection.execute(SQL["overview"], {"since": now - MAX_AGE})}
    views = []
    for channel in channels:
        row = rows.get(channel.name)
        head = (channel.name, channel.scheme, channel.severity, channel.digest)
        if row is None:
            views.append(ChannelOverview(*head))
            continue
        views.append(
            ChannelOverview(
                *head, row["waiting"], row["failed"], row["sent"], row["last_success"], row["last_failure"],
                row["failing_since"], row["next_attempt"], row["last_error"] or row["error"],
            )
        )  # fmt: skip
    return views
