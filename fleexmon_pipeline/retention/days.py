"""Days of lines as a whole: dropped when they are past their retention, written compact when they are over.

Here: which days, and when. What a day is: `database/line_days.py`. Lines that are in no day's part, or must go while
others of their day stay: in batches, `retention.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time

from psycopg.errors import LockNotAvailable

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import SQL
from fleexmon_pipeline.window import DAY, HOUR

_log = logging.getLogger(__name__)


def days_of_lines(connection: Connection) -> list[tuple[datetime, bool]]:
    """Beginnings of the days that have a part of their own, oldest first, and whether each is compact."""
    rows = connection.execute(SQL["days"]).fetchall()
    return [(datetime.combine(row["day"], time(), tzinfo=UTC), row["compact"]) for row in rows]


def drop_days(connection: Connection, *, before: datetime, record: Callable[[int], None]) -> None:
    """Drop the days that end by `before`, oldest first; `record` gets the number of lines of each.

    Lines that are not analyzed or are evidence of an unresolved issue are moved to the part for the past. Stops at a
    day of which more than 50,000 stay, or that is in use for long.
    """
    for day, _ in days_of_lines(connection):
        if day + DAY > before:
            return
        try:
            row = connection.execute(SQL["drop_day"], {"day": day.date(), "before": before}).fetchone()
        except LockNotAvailable as error:
            _log.warning("lines of %s stay until the next run: %s", f"{day:%Y-%m-%d}", error.diag.message_primary)
            return
        if row is None or row["lines"] is None:
            return
        record(row["lines"])


def compact_days(connection: Connection, *, now: datetime) -> int:
    """Write days that are over without the room for updates, half of their space; how many were.

    A day with lines that are not analyzed waits. Each is read while it is written, and needs its own space once more.
    """
    compacted = 0
    for day, compact in days_of_lines(connection):
        if compact or day + DAY + HOUR > now:
            continue
        try:
            row = connection.execute(SQL["compact_day"], {"day": day.date()}).fetchone()
        except LockNotAvailable as error:
            _log.warning("%s was not made compact: %s", f"{day:%Y-%m-%d}", error.diag.message_primary)
            continue
        compacted += bool(row and row["compacted"])
    if compacted:
        connection.execute(SQL["analyze"])
    return compacted
