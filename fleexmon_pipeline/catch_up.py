"""Unfinished windows: what the catch-up sensor retries, and when it gives up.

Unfinished windows are read from LogCoverage (slots that are partial, missing or were never polled) and from StaleWindow
(a stage could not finish, or its run failed). Materialized partitions are no evidence: they show that a run ended, not
that it got all lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import HOUR, SLOT, Window, ceil, floor

SQL = statements("catch_up")
RUN_FAILED = "run"  # stands for the waiting stage when a failed or killed run could not record it
MAX_ATTEMPTS = 12  # about two days with the backoff below; lines that a node rotated away do not come back
MIN_BACKOFF, MAX_BACKOFF = timedelta(minutes=5), timedelta(hours=6)
MAX_BACKOFF_WHEN_BACK = timedelta(minutes=30)  # if the node has answered for other slots since
SETTLE = timedelta(minutes=10)  # newer slots are left to the schedules


@dataclass(frozen=True)
class Due:
    """An hour to materialize again. `attempt` is part of the run key: each attempt is requested once."""

    hour: datetime
    attempt: int
    reason: str


def note_waiting(connection: Connection, asset: str, hour: datetime, reason: str, *, now: datetime) -> None:
    """Record that a stage could not finish an hour. It is retried with growing backoff.

    Ticks of the current hour record it every five minutes. An attempt counts only when it was due, or the ticks would
    use up all attempts before the hour is over.
    """
    connection.execute(SQL["note_waiting"], {"asset": asset, "hour": hour, "reason": reason[:500], "now": now})


def no_longer_waiting(connection: Connection, asset: str, window: Window, *, due_by: datetime | None = None) -> None:
    """Record that a window is done. `due_by`: when the work began; notes that others made since then stay."""
    where = {"asset": asset, "since": floor(window.since, HOUR), "until": window.until, "due_by": due_by}
    connection.execute(SQL["no_longer_waiting"], where)


def forget_waiting(connection: Connection, *, before: datetime) -> None:
    """Drop hours whose lines retention has deleted: nothing is left to process."""
    connection.execute(SQL["forget_waiting"], {"before": before})


def waiting(connection: Connection, asset: str) -> list[tuple[datetime, str]]:
    """Hours that this stage has not finished, oldest first, with the reason."""
    rows = connection.execute(SQL["waiting"], {"asset": asset})
    return [(row["hour"], row["reason"]) for row in rows]


def due(connection: Connection, nodes: Sequence[str], *, since: datetime, now: datetime, limit: int) -> list[Due]:
    """Hours from `since` on whose next attempt is due, oldest first, at most `limit`.

    After MAX_ATTEMPTS a reason is no longer retried; the assets' checks keep showing it. An hour's attempts are the sum
    over its reasons: it only grows while the hour waits, so no two attempts share a number. After a failed run an hour
    waits for that run's backoff, whatever else is missing: a run that fails before it collects leaves no other trace,
    and would be requested every minute.
    """
    total_attempts: Counter[datetime] = Counter()
    reasons: dict[datetime, str] = {}
    held: set[datetime] = set()
    since, until = ceil(since, SLOT), floor(now - SETTLE, SLOT)
    for row in connection.execute(SQL["gap_hours"], {"since": since, "until": until, "nodes": list(nodes)}):
        hour, attempts, tried_at = row["hour"], row["attempts"], row["triedAt"]
        total_attempts[hour] += attempts
        delay = min(backoff(attempts), MAX_BACKOFF_WHEN_BACK) if row["answersAgain"] else backoff(attempts)
        if attempts < MAX_ATTEMPTS and (tried_at is None or tried_at + delay <= now):
            only_late = row["slots"] == row["late"]
            reasons[hour] = f"{row['slots']} slots " + (
                "were not asked for late lines" if only_late else "of coverage are missing"
            )
    for row in connection.execute(SQL["waiting"], {"asset": None}):
        total_attempts[row["hour"]] += row["attempts"]
        if row["hour"] >= since and row["attempts"] < MAX_ATTEMPTS and row["nextAt"] <= now:
            reasons.setdefault(row["hour"], f"{row['asset']}: {row['reason']}")
        elif row["asset"] == RUN_FAILED:
            held.add(row["hour"])
    return [Due(hour, total_attempts[hour], reasons[hour]) for hour in sorted(reasons.keys() - held)[:limit]]


def backoff(attempt: int) -> timedelta:
    """5 minutes, 10, 20 … 6 hours."""
    return min(MIN_BACKOFF * (1 << min(attempt, 10)), MAX_BACKOFF)
