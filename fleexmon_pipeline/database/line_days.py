"""The table of lines in parts by day: taking over a table that is whole, and the days that a window needs.

Here: when days are made. How, in SQL functions with their owner's rights: migrations 0024 and 0026. When a day goes:
`retention/days.py`. Why by ids: docs/decisions/0053.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

import psycopg

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.window import Window

SQL = statements("line_days")
MAX_PARTS = 62
MAX_NAMED = 5  # things in the way
MAX_ATTEMPTS = 10  # to have the table for a moment, a second or two each
AHEAD, MAX_AHEAD = timedelta(days=2), timedelta(days=7)
_log = logging.getLogger(__name__)


class LinesNotByDayError(FleexmonError, RuntimeError):
    """What other programs attached to "LogEntry" would be lost if it were taken over."""


class LineDayProblem(NamedTuple):
    """A step that the database refused: take over, make, compact or drop."""

    step: str
    reason: str
    first_at: datetime
    last_at: datetime
    waits: bool


def take_over(connection: Connection, *, now: datetime) -> bool:
    """Put the table of lines, if it is whole and ours, under parts by day. True if it is by day then.

    Three steps, each a transaction of its own; a later call goes on where one was killed. Inserts go on meanwhile. A
    table of 20M lines is read once, which takes seconds; no line is moved but those of other programs whose random ids
    lie among those of days. Raises LinesNotByDayError if a foreign key, trigger, policy or the like hangs on the table,
    and whatever the database refuses; the table is as it was then. After a refusal it waits an hour, as the table would
    be read each time.
    """
    table = connection.execute(SQL["is_by_day"]).fetchone()
    if table is None or table["by_day"] or not table["owned"]:
        return bool(table and table["by_day"])
    try:
        by_day = _take_over(connection, now)
    except (LinesNotByDayError, psycopg.Error):
        if not connection.closed:
            connection.execute(SQL["undivert"])  # what was put aside must not stay out of sight until the next start
        raise
    if by_day:
        forget_problem(connection, "take over")
    return by_day


def _take_over(connection: Connection, now: datetime) -> bool:
    with connection.transaction():
        connection.execute(SQL["lock"])
        begun = connection.execute(SQL["begun"]).fetchone()
        _raise_obstacle(connection)
        if begun is None:
            if _waits(connection, "take over"):
                return False
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
            connection.execute(SQL["lock_table"])
            _raise_obstacle(connection)  # of what came since the first step
            connection.execute(SQL["swap"])
    return True


def _raise_obstacle(connection: Connection) -> None:
    if reason := obstacle(connection):
        raise LinesNotByDayError(reason)


def obstacle(connection: Connection) -> str | None:
    """Why a table in one piece stays so, as sentences; None if nothing is in the way, or it is by day."""
    table = connection.execute(SQL["is_by_day"]).fetchone()
    if table is None or table["by_day"]:
        return None
    stays = '"LogEntry" stays in one piece'
    costs = "Everything works, but old lines are deleted one by one and take twice the space."
    if not table["owned"]:
        return f"{stays}: it belongs to {table['owner']}. {costs} Run `fleexmon database migrate` as {table['owner']}."
    may = connection.execute(SQL["may_create"]).fetchone()
    if may and not may["may"]:
        return (
            f"{stays}: the role {may['role']} may not create tables. {costs} GRANT CREATE ON SCHEMA {may['schema']} TO "
            f"{may['role']}, and start fleexmon again."
        )
    obstacles = [row["what"] for row in connection.execute(SQL["obstacles"])]
    if not obstacles:
        return None
    more = f" and {len(obstacles) - MAX_NAMED} more" if len(obstacles) > MAX_NAMED else ""
    return (
        f"{stays}, since other programs attached something to it: {', '.join(obstacles[:MAX_NAMED])}{more}. {costs} "
        "Drop what is named, start fleexmon again, and attach it to the new table."
    )


def is_pending(connection: Connection) -> bool:
    """Whether the table is in one piece although it could be taken over: it was in use, or the process was killed."""
    table = connection.execute(SQL["is_by_day"]).fetchone()
    return table is not None and not table["by_day"] and obstacle(connection) is None


def problems(connection: Connection) -> list[LineDayProblem]:
    """Steps that the database refused the last time."""
    return [LineDayProblem(**row) for row in connection.execute(SQL["problems"])]


def _waits(connection: Connection, step: str) -> bool:
    return any(problem.waits for problem in problems(connection) if problem.step == step)


def note_problem(connection: Connection, step: str, error: psycopg.Error, about: str) -> None:
    """Log what the database refused, and keep it for `doctor`. A table that was only in use is tried again soon.

    Whatever others attached to the table, such as a foreign key to lines of a part, keeps that part as it is: it must
    not stop who collects. Raises the error again where the connection is lost.
    """
    if connection.closed:
        raise error
    if isinstance(error, psycopg.errors.LockNotAvailable):
        _log.info("%s: %s", about, error.diag.message_primary)
        return
    reason = error.diag.message_primary or str(error)
    _log.warning("%s: %s", about, reason)
    _keep(connection, "note_problem", {"step": step, "reason": f"{about}: {reason}"})


def forget_problem(connection: Connection, step: str) -> None:
    """The step succeeded."""
    _keep(connection, "forget_problem", {"step": step})


def _keep(connection: Connection, statement: str, params: Mapping[str, str]) -> None:
    """A note for people; where it cannot be kept, as on a full disk, the log has it."""
    try:
        connection.execute(SQL[statement], params)
    except psycopg.Error as error:
        if connection.closed:
            raise
        _log.warning("what is in the way of days of lines cannot be kept: %s", error.diag.message_primary)


def days_of_a_part(kept: timedelta) -> int:
    """One where lines are kept for up to two months. Each statement locks and plans every part, so they stay few."""
    return max(math.ceil(kept.days / MAX_PARTS), 1)


def make_days(connection: Connection, window: Window, *, now: datetime, kept_since: datetime, attempts: int = 1) -> int:
    """Make the days of a window, as far as lines are kept, and the next two; how many parts were made.

    Where the table is in use at each attempt, or something that others attached is in the way, none is made: lines then
    wait in the part for the future, and are moved when their day is made. If they are many by then, as after a program
    has read the table for days, that part becomes the part of all these days, and no line is moved.
    """
    first = min(max(window.since, kept_since), now).date()
    last = min(max(window.until, now + AHEAD), now + MAX_AHEAD).date()
    days: dict[str, date | int] = {"first": first, "last": last, "each": days_of_a_part(now.date() - kept_since.date())}
    row = connection.execute(SQL["missing_days"], days).fetchone()
    if not (row and (row["missing"] or row["fenced"])):
        return 0
    try:
        made = None if row["fenced"] else _made(connection, "make_days", {**days, "attempts": attempts})
        if made is None:
            made = _future_as_part(connection, last, attempts, fenced=row["fenced"])
    except psycopg.Error as error:
        note_problem(connection, "make", error, f"no day was made for lines from {first} to {last}")
        return 0
    if made:
        forget_problem(connection, "make")
    return made


def _future_as_part(connection: Connection, last: date, attempts: int, *, fenced: bool) -> int:
    """Each step is a transaction; a later call goes on where one was killed. After a refusal it waits an hour."""
    if not fenced:
        if _waits(connection, "make"):
            return 0
        connection.execute(SQL["fence_future"], {"last": last, "attempts": attempts})
    try:
        connection.execute(SQL["check_fence"])
        return _made(connection, "close_future", {"attempts": attempts}) or 0
    except psycopg.errors.LockNotAvailable:
        raise  # the next tick goes on
    except psycopg.Error:
        if not connection.closed:
            connection.execute(SQL["unfence_future"], {"attempts": MAX_ATTEMPTS})
        raise


def _made(connection: Connection, statement: str, params: Mapping[str, object]) -> int | None:
    row = connection.execute(SQL[statement], params).fetchone()
    return row["made"] if row else 0
