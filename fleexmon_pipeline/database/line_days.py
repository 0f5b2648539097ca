"""The table of lines in parts by day: taking over a table that is whole, and the days that a window needs.

Here: when days are made. How, in SQL functions with their owner's rights: migration 0024. When a day goes:
`retention/days.py`. Why by ids: docs/decisions/0053.
"""

from __future__ import annotations

import logging
import math
from datetime import date, datetime, timedelta

import psycopg

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.window import Window

SQL = statements("line_days")
MAX_PARTS = 62
MAX_NAMED = 5  # things in the way
AHEAD, MAX_AHEAD = timedelta(days=2), timedelta(days=7)
# What others attached to the table since, such as a foreign key to lines of a part, keeps that part as it is.
IN_THE_WAY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.GeneratedAlways,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
)
_log = logging.getLogger(__name__)


class LinesNotByDayError(FleexmonError, RuntimeError):
    """What other programs attached to "LogEntry" would be lost if it were taken over."""


def take_over(connection: Connection, *, now: datetime) -> bool:
    """Put the table of lines, if it is whole and ours, under parts by day. True if it is by day then.

    Three steps, each a transaction of its own; a later call goes on where one was stopped. Inserts go on meanwhile. A
    table of 20M lines is read once, which takes seconds; no line is moved but those of other programs whose random ids
    lie among those of days. Raises LinesNotByDayError, having changed nothing, if a foreign key, trigger, policy or the
    like hangs on the table.
    """
    table = connection.execute(SQL["is_by_day"]).fetchone()
    if table is None or table["by_day"] or not table["owned"]:
        return bool(table and table["by_day"])
    with connection.transaction():
        connection.execute(SQL["lock"])
        begun = connection.execute(SQL["begun"]).fetchone()
        if begun is None:
            if reason := obstacle(connection):
                raise LinesNotByDayError(reason)
            floor = connection.execute(SQL["floor"], {"now": now}).fetchone()
            if floor is None:
                raise AssertionError("a query without FROM returns a row")
            connection.execute(SQL["divert"], floor)
    if begun is None or not begun["validated"]:
        connection.execute(SQL["validate"])
    with connection.transaction():
        connection.execute(SQL["lock"])
        table = connection.execute(SQL["is_by_day"]).fetchone()
        if table and not table["by_day"]:
            connection.execute(SQL["swap"])
    return True


def obstacle(connection: Connection) -> str | None:
    """Why a table in one piece stays so, as a sentence; None if nothing is in the way, or it is by day."""
    table = connection.execute(SQL["is_by_day"]).fetchone()
    if table is None or table["by_day"]:
        return None
    found = [row["what"] for row in connection.execute(SQL["obstacles"])]
    if not found:
        return None
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return (
        f'"LogEntry" stays in one piece, since other programs attached something to it: {", ".join(found[:MAX_NAMED])}'
        f"{more}. Everything works, but old lines are deleted one by one and take twice the space. Drop what is named, "
        "start fleexmon again, and attach it to the new table."
    )


def days_of_a_part(kept: timedelta) -> int:
    """One where lines are kept for up to two months. Each statement locks and plans every part, so they stay few."""
    return max(math.ceil(kept.days / MAX_PARTS), 1)


def make_days(connection: Connection, window: Window, *, now: datetime, kept_since: datetime, attempts: int = 1) -> int:
    """Make the days of a window, as far as lines are kept, and the next two; how many were made.

    Where the table is in use at each attempt, or something that others attached is in the way, none is made: lines then
    wait in the part for the future, and are moved when their day is made.
    """
    first = min(max(window.since, kept_since), now).date()
    last = min(max(window.until, now + AHEAD), now + MAX_AHEAD).date()
    days: dict[str, date | int] = {"first": first, "last": last, "each": days_of_a_part(now.date() - kept_since.date())}
    row = connection.execute(SQL["missing_days"], days).fetchone()
    if not (row and row["missing"]):
        return 0
    try:
        made = connection.execute(SQL["make_days"], {**days, "attempts": attempts}).fetchone()
    except IN_THE_WAY as error:
        level = logging.INFO if isinstance(error, psycopg.errors.LockNotAvailable) else logging.WARNING
        _log.log(level, "no day was made for lines from %s to %s: %s", first, last, error.diag.message_primary)
        return 0
    return int(made["made"]) if made else 0
