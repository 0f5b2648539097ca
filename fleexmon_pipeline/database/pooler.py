"""Detect a pooler (PgBouncer) between this program and PostgreSQL when a connection is made.

A run keeps locks and settings in its session from one transaction to the next. A pooler in session mode reserves a
session for each client but may drop its initial settings; these are set again. A pooler in transaction mode is refused:
each transaction gets another session, so a lock would silently pass to another client.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.errors import FleexmonError

MARK, OWN = "fleexmon.session", "own"  # a setting, and its value in a session that was opened with our settings
TRIES = 3  # another client of the pooler may get the session that was just released
_SETTING = re.compile(r"-c\s+([\w.]+)=((?:\\.|\S)+)")


class PoolerError(FleexmonError, psycopg.OperationalError):
    """A pooler in transaction mode. The text says what to change."""

    def __init__(self) -> None:
        super().__init__(
            "the connection leads through a pooler that gives each transaction another session (PgBouncer with "
            "pool_mode=transaction): locks that a run holds would be lost. Connect to PostgreSQL itself, or to a "
            "database of the pooler with pool_mode=session."
        )


def keep_session(connection: psycopg.Connection[Any]) -> None:
    """Make sure that this connection has its own session, with the settings it was opened with."""
    if _mark(connection) == OWN:
        return
    if _is_shared(connection):
        raise PoolerError
    for name, value in _SETTING.findall(connection.info.get_parameters().get("options", "")):
        connection.execute("SELECT set_config(%s, %s, false)", [name, re.sub(r"\\(.)", r"\1", value)])


def remedy(error: Exception) -> str:
    """What to change if a pooler refuses our settings; "" for any other error."""
    if "unsupported startup parameter" not in str(error):
        return ""
    return (
        ". A pooler (PgBouncer) refuses settings of a session. Connect to PostgreSQL itself, or to a database of the "
        "pooler with pool_mode=session, and give it ignore_startup_parameters=options."
    )


def _mark(connection: psycopg.Connection[Any]) -> str | None:
    with connection.cursor(row_factory=psycopg.rows.scalar_row) as cursor:
        mark: str | None = cursor.execute("SELECT current_setting(%s, true)", [MARK]).fetchone()
    return mark


def _is_shared(connection: psycopg.Connection[Any]) -> bool:
    """Whether another connection gets the session that this one just used: poolers reuse the latest one first."""
    place = make_conninfo(connection.info.dsn, password=connection.info.password or None)
    for _ in range(TRIES):
        token = uuid4().hex
        connection.execute("SELECT set_config(%s, %s, false)", [MARK, token])
        with psycopg.connect(place, autocommit=True) as other:
            if _mark(other) == token or _mark(connection) != token:
                return True
    return False
