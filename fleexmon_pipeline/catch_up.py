"""Windows that are not done: what the catch-up sensor asks for again, and when it stops asking.

Found from LogCoverage (slots that are partial, missing or were never asked for) and from StaleWindow (a stage said that
it could not finish, or its run failed), never from partition counts: those say that a run ended, not what it got.
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
RUN_FAILED = "run"  # who waits, where no stage could say so itself: its run failed or was killed
MOST_ATTEMPTS = 12  # with the pauses below about two days; what a node has rotated away does not come back
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=6)
BACK_PAUSE = timedelta(minutes=30)  # at most, where the node has answered for other slots since
SETTLE = timedelta(minutes=10)  # what the schedules are about to do by themselves is not asked for


@dataclass(frozen=True)
class Due:
    """An hour to materialise again. `attempt` makes the request's key: the same try is asked for once."""

    hour: datetime
    attempt: int
    reason: str


def note_waiting(connection: Connection, asset: str, hour: datetime, reason: str, *, now: datetime) -> None:
    """A stage could not finish an hour; it is asked for again, later and later.

    The ticks of a running hour say so every five minutes. An attempt is counted only when it was due, or they would use
    up all of them before the hour is over.
    """
    connection.execute(SQL["note_waiting"], {"asset": asset, "hour": hour, "reason": reason[:500], "now": now})


def no_longer_waiting(connection: Connection, asset: str, window: Window, *, due_by: datetime | None = None) -> None:
    """Done. `due_by`: when it was begun, where others may have noted the hour meanwhile; that note stays."""
    where = {"asset": asset, "since": floor(window.since, HOUR), "until": window.until, "due_by": due_by}
    connection.execute(SQL["no_longer_waiting"], where)


def forget_waiting(connection: Connection, *, before: datetime) -> None:
    """Hours whose lines are not kept any more: nothing is left to do them with."""
    connection.execute(SQL["forget_waiting"], {"before": before})


def waiting(connection: Connection, asset: str) -> list[tuple[datetime, str]]:
    """Hours that this stage has not finished, oldest first, with the reason."""
    rows = connection.execute(SQL["waiting"], {"asset": asset})
    return [(row["hour"], row["reason"]) for row in rows]


def due(connection: Connection, nodes: Sequence[str], *, since: datetime, now: datetime, limit: int) -> list[Due]:
    """Hours from `since` on whose next try is due, oldest first, at most `limit`.

    A reason is given up after MOST_ATTEMPTS; the checks on the assets go on naming it. An hour's attempts are those of
    all its reasons: they only grow while it waits, so that no two tries have one number. After a failed run an hour
    waits for that pause, whatever is missing: a run that fails before it collects leaves no other trace, and would be
    asked for every minute.
    """
    tries: Counter[datetime] = Counter()
    reasons: dict[datetime, str] = {}
    held: set[datetime] = set()
    since, until = ceil(since, SLOT), floor(now - SETTLE, SLOT)
    for row in connection.execute(SQL["gap_hours"], {"since": since, "until": until, "nodes": list(nodes)}):
        hour, attempts, tried = row["hour"], row["attempts"], row["triedAt"]
        tries[hour] += attempts
        rest = min(pause(attempts), BACK_PAUSE) if row["answersAgain"] else pause(attempts)
        if attempts < MOST_ATTEMPTS and (tried is None or tried + rest <= now):
            known = row["slots"] == row["late"]
            reasons[hour] = f"{row['slots']} slots " + (
                "were not asked for late lines" if known else "of coverage are missing"
            )
    for row in connection.execute(SQL["waiting"], {"asset": None}):
        tries[row["hour"]] += row["attempts"]
        if row["hour"] >= since and row["attempts"] < MOST_ATTEMPTS and row["nextAt"] <= now:
            reasons.setdefault(row["hour"], f"{row['asset']}: {row['reason']}")
        elif row["asset"] == RUN_FAILED:
            held.add(row["hour"])
    return [Due(hour, tries[hour], reasons[hour]) for hour in sorted(reasons.keys() - held)[:limit]]


def pause(attempt: int) -> timedelta:
    """5 minutes, 10, 20 … 6 hours."""
    return min(FIRST_PAUSE * (1 << min(attempt, 10)), LONGEST_PAUSE)
