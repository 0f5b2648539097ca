"""Dagster's schedules and its daemon, read from its database without importing Dagster, which takes a second.

Here: reading. The format is internal to Dagster and may change; unreadable rows are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.database.statements import statements

MAX_HEARTBEAT_AGE = timedelta(minutes=2)
SQL = statements("run_history")


@dataclass(frozen=True)
class Schedule:
    """`status` and `ticked_at` are of the last tick; None before the first."""

    name: str
    cron: str  # UTC
    on: bool
    ticked_at: datetime | None
    status: str | None


@dataclass(frozen=True)
class Schedules:
    """`daemon_seen`: last heartbeat of the daemon, without which no schedule runs.

    `starting_since`: when the running `up` started, if its daemon has not sent a heartbeat yet.
    """

    daemon_seen: datetime | None
    running: bool
    schedules: list[Schedule]
    starting_since: datetime | None = None


@dataclass(frozen=True)
class Up:
    """`fleexmon up` of a home. `at`: when it started; when it stopped if it is not running."""

    running: bool
    at: datetime


def read_schedules(url: str | None = None, *, now: datetime, up: Up | None = None) -> Schedules:
    """`url`: of this program's database; Dagster's is on the same server. None: taken from the environment.

    `up`: that of this home, if there ever was one.
    """
    with psycopg.connect(psycopg.conninfo.make_conninfo(**dagster_conninfo(url))) as own:
        seen = last_heartbeat(own)
        table = own.execute(SQL["has_schedules"]).fetchone()
        rows = own.execute(SQL["schedules"]).fetchall() if table and table[0] else []
    schedules = [
        Schedule(str(name), str(cron), status != "STOPPED", _utc(ticked_at), tick and str(tick).lower())
        for name, cron, status, ticked_at, tick in rows
    ]
    return Schedules(seen, is_running(seen, up, now), schedules, starting_since(seen, up))


def is_running(seen: datetime | None, up: Up | None, now: datetime) -> bool:
    """Whether a daemon runs. A heartbeat from before `up` started or stopped is that of a daemon that has ended."""
    return seen is not None and now - seen <= MAX_HEARTBEAT_AGE and (up is None or seen > up.at)


def starting_since(seen: datetime | None, up: Up | None) -> datetime | None:
    """When `up` started, if it runs and its daemon has not sent a heartbeat yet."""
    return up.at if up and up.running and (seen is None or seen <= up.at) else None


def last_heartbeat(own: psycopg.Connection[tuple[Any, ...]]) -> datetime | None:
    """Last heartbeat of the daemon; None if it has never run."""
    table = own.execute(SQL["has_heartbeats"]).fetchone()
    row = own.execute(SQL["heartbeat"]).fetchone() if table and table[0] else None
    return _utc(row[0]) if row else None


def _utc(moment: object) -> datetime | None:
    """Dagster stores times in UTC without a zone."""
    return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None
