"""Figures of the current state: progress of each stage, open issues, pending work.

Here: reading. Nodes: `nodes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from fleexmon_pipeline.catch_up import MAX_ATTEMPTS
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import DAY, HOUR, floor

SQL = statements("lookup")
_SEVERITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True)
class Freshness:
    """Until when each stage is done; None: nothing in the last week. `ticked`: when collection last wrote."""

    ticked: datetime | None
    collected: datetime | None
    analyzed: datetime | None
    judged_hour: datetime | None  # the start of the newest hour that detection evaluated
    digest: date | None
    new_patterns: int  # since midnight
    lines: int  # since midnight


@dataclass(frozen=True)
class Waiting:
    """An hour that a stage has not finished."""

    stage: str
    hour: datetime
    reason: str
    attempts: int
    next_at: datetime

    @property
    def given_up(self) -> bool:
        return self.attempts >= MAX_ATTEMPTS


@dataclass(frozen=True)
class Overview:
    freshness: Freshness
    open: dict[str, int]  # issues by severity, worst first
    waiting: list[Waiting]
    messages: int  # not delivered yet


def overview(connection: Connection, *, now: datetime) -> Overview:
    params = {"since": floor(now, HOUR) - 7 * DAY, "day": floor(now, DAY)}
    row = connection.execute(SQL["freshness"], params).fetchone() or {}
    severities = {row["severity"]: row["issues"] for row in connection.execute(SQL["open_by_severity"])}
    waiting = [
        Waiting(row["asset"], row["hour"], row["reason"], row["attempts"], row["nextAt"])
        for row in connection.execute(statements("catch_up")["waiting"], {"asset": None})
    ]
    outbox = connection.execute(statements("outbox")["counts"]).fetchone()
    order = [*(name for name in _SEVERITIES if name in severities), *sorted(severities.keys() - set(_SEVERITIES))]
    return Overview(
        Freshness(**row), {name: severities[name] for name in order}, waiting, outbox["waiting"] if outbox else 0
    )
