"""Partition the table of lines by day: convert an unpartitioned table, and make the days that a window needs.

Here: when days are made. SQL functions that make them with their owner's rights: migrations 0024 and 0026. Deletion:
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
MAX_NAMED = 5  # obstacles in a message
MAX_ATTEMPTS = 10  # to lock the table, a second or two each
AHEAD, MAX_AHEAD = timedelta(days=2), timedelta(days=7)
_log = logging.getLogger(__name__)


class LinesNotByDayError(FleexmonError, RuntimeError):
    """Objects that other programs attached to "LogEntry" would be lost by partitioning it."""


class LineDayProblem(NamedTuple):
    """A step that the database refused: take over (partition), make, compact or drop."""

    step: str
    reason: str
    first_at: datetime
    last_at: datetime
    waits: bool


def take_over(connection: Connection, *, now: datetime) -> bool:
    """Partition the table of lines by day, if it is unpartitioned and ours. Returns whether it is now partitioned.

    There are three steps, each in its own transaction; after a kill a later call continues. Inserts are possible
    meanwhile. A table of 20M lines is read once, which takes seconds. Lines are not moved, except those of other
    programs whose random ids lie between the ids of a day. Raises LinesNotByDayError if a foreign key, trigger, policy
    or similar object depends on the table, and the errors of the database; then the table is unchanged. After an error
    it waits an hour, since each attempt reads the table.
    """
    table = connection.execute(SQL["is_by_day"]).fetchone()
    if table is None or table["by_day"] or not table["owned"]:
        return bool(table and table["by_day"])
    try:
        by_day = _take_over(connection, now)
    except (LinesNotByDayError, psycopg.Error):
        if not connection.closed:
            connection.execute(SQL["undivert"])  # lines that were put aside must not stay hidden until the next start
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
            _raise_obstacle(connection)  # one that appeared since the first step
            connection.execute(SQL["swap"])
    return True


def _raise_obstacle(connection: Connection) -> None:
    if reason := obstacle(connection):
        raise LinesNotByDayError(reason)


def obstacle(connection: Connection) -> str | None:
    """Why the table stays unpartitioned, as sentences; None if there is no obstacle, or it is partitioned."""
    table = connection.execute(SQL["is_by_day"]).fetchone()
    if table is None or table["by_day"]:
        return None
    stays = '"LogEntry" stays unpartitioned'
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
        "Drop these objects, start fleexmon again, and create them again on the new table."
    )


def is_pending(connection: Connection) -> bool:
    """Whether the table could be partitioned, but is not yet: it was in use, or the process was killed."""
    table = connection.execute(SQL["is_by_day"]).fetchone()
    return table is not None and not table["by_day"] and obstacle(connection) is None


def problems(connection: Connection) -> list[LineDayProblem]:
    """Steps whose last attempt the database refused."""
    return [LineDayProblem(**row) for row in connection.execute(SQL["problems"])]


def _waits(connection: Connection, step: str) -> bool:
    return any(problem.waits for problem in problems(connection) if problem.step == step)


def note_problem(connection: Connection, step: str, error: psycopg.Error, about: str) -> None:
    """Log an error of the database, and store it for `doctor`. If the table was only in use, the next attempt is soon.

    Objects of other programs, such as a foreign key to lines of a partition, only prevent changes of that partition:
    they must not stop collection. Raises the error again if the connection is lost.
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
    """Delete the stored problem of a step that has succeeded."""
    _keep(connection, "forget_problem", {"step": step})


def _keep(connection: Connection, statement: str, params: Mapping[str, str]) -> None:
    """Store a problem for people. If that fails, as on a full disk, it is only logged."""
    try:
        connection.execute(SQL[statement], params)
    except psycopg.Error as error:
        if connection.closed:
            raise
        _log.warning("a problem with the days of lines cannot be stored: %s", error.diag.message_primary)


def days_of_a_part(kept: timedelta) -> int:
    """One if lines are kept for up to two months. Each statement locks and plans every partition, so there must be
    few."""
    return max(math.ceil(kept.days / MAX_PARTS), 1)


def make_days(connection: Connection, window: Window, *, now: datetime, kept_since: datetime, attempts: int = 1) -> int:
    """Make the partitions of a window's days, unless their lines are too old to keep, and of the next two days. Returns
    how many were made.

    If the table is in use at each attempt, or objects of other programs prevent it, none is made. Lines then wait in
    the partition for the future, and are moved when their day is made. If that partition has grown large, for example
    because a program read the table for days, it becomes the partition of all these days, and no line is moved.
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
    """Turn the partition for the future into one of days. Each step is a transaction; after a kill a later call
    continues. After an error it waits an hour."""
    if not fenced:
        if _waits(connection, "make"):
            return 0
        connection.execute(SQL["fence_future"], {"last": last, "attempts": attempts})
    try:
        connection.execute(SQL["check_fence"])
        return _made(connection, "close_future", {"attempts": attempts}) or 0
    except psycopg.errors.LockNotAvailable:
        raise  # the next tick continues
    except psycopg.Error:
        if not connection.closed:
            connection.execute(SQL["unfence_future"], {"attempts": MAX_ATTEMPTS})
        raise


def _made(connection: Connection, statement: str, params: Mapping[str, object]) -> int | None:
    row = connection.execute(SQL[statement], params).fetchone()
    return row["made"] if row else 0
