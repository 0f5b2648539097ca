"""Whole days of lines: dropped when their retention is over, and compacted when the day is over.

Here: which days, and when. What a day is: `database/line_days.py`. Lines that are in no day's part, or must go while
others of their day stay: in batches, `retention.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import NamedTuple

import psycopg

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import MAX_ATTEMPTS, SQL, forget_problem, note_problem
from fleexmon_pipeline.window import HOUR


class DayOfLines(NamedTuple):
    """A partition of the table: one day, or a few if lines are kept for long."""

    since: datetime
    until: datetime
    compact: bool


def days_of_lines(connection: Connection) -> list[DayOfLines]:
    """Oldest first."""
    rows = connection.execute(SQL["days"]).fetchall()
    return [DayOfLines(_midnight(row["day"]), _midnight(row["until"]), row["compact"]) for row in rows]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def drop_days(
    connection: Connection, *, before: datetime, record: Callable[[int], None], attempts: int = MAX_ATTEMPTS
) -> None:
    """Drop the days that end at or before `before`, oldest first; `record` gets the number of lines of each. For days
    with more than 500,000 lines that is PostgreSQL's estimate, since counting would take longer than everything else.

    Lines that are not analyzed, or are evidence of an unresolved issue, are moved to the partition for the past. Stops
    at a day with more than 50,000 such lines, that is in use for long, or that a foreign key of another program
    references.
    """
    for day in days_of_lines(connection):
        if day.until > before:
            break
        try:
            row = connection.execute(
                SQL["drop_day"], {"day": day.since.date(), "before": before, "attempts": attempts}
            ).fetchone()
        except psycopg.Error as error:
            note_problem(connection, "drop", error, f"lines of {day.since:%Y-%m-%d} are deleted one by one")
            return
        if row is None or row["lines"] is None:
            break
        record(row["lines"])
    forget_problem(connection, "drop")


def compact_days(connection: Connection, *, now: datetime, attempts: int = MAX_ATTEMPTS) -> int:
    """Rewrite days that are over without the space for updates, which is half of it. Returns how many.

    Days that have grown since, by a backfill for example, are rewritten again. A day with lines that are not analyzed
    waits. While a day is rewritten it can be read, and needs its space twice.
    """
    compacted, refused = 0, False
    for day in days_of_lines(connection):
        if day.compact or day.until + HOUR > now:
            continue
        try:
            row = connection.execute(SQL["compact_day"], {"day": day.since.date(), "attempts": attempts}).fetchone()
        except psycopg.Error as error:
            note_problem(connection, "compact", error, f"{day.since:%Y-%m-%d} was not made compact")
            refused = True
            continue
        compacted += bool(row and row["compacted"])
    if not refused:
        forget_problem(connection, "compact")
    if compacted:
        connection.execute(SQL["analyze"])
    return compacted
