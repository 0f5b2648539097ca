"""Stored patterns: their numbers of lines, first lines and labels.

Here: reading. Where patterns come from: `patterns/`; their names: `patterns/labels.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import like_escaped, statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.window import HOUR, Window

SQL = statements("lookup")


class UnknownPatternError(FleexmonError, ValueError):
    """No pattern has this id."""


@dataclass(frozen=True)
class StoredPattern:
    id: str
    template: str  # redacted, as stored
    level: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class CountedPattern(StoredPattern):
    lines: int
    before: int  # in an equally long time before


@dataclass(frozen=True)
class PatternFilter:
    """Which patterns; None: all. `first`: only those first seen since."""

    node: str | None = None
    levels: Collection[str] | None = None
    text: str | None = None
    first: datetime | None = None
    ids: Collection[str] | None = None


@dataclass(frozen=True)
class PatternIssue:
    id: UUID
    severity: str
    status: str | None
    title: str
    detected_at: datetime


def list_patterns(
    connection: Connection, window: Window, wanted: PatternFilter = PatternFilter(), *, limit: int, offset: int = 0
) -> tuple[list[CountedPattern], int]:
    """Patterns with lines in the window or in an equally long time before it, most lines first; and their number."""
    params: dict[str, Any] = {
        "since": window.since, "until": window.until, "before": window.since - window.length, "node": wanted.node,
        "levels": None if wanted.levels is None else list(wanted.levels), "like": _like(wanted.text),
        "first": wanted.first, "ids": None if wanted.ids is None else list(wanted.ids), "limit": limit,
        "offset": offset,
    }  # fmt: skip
    rows = connection.execute(SQL["patterns"], params).fetchall()
    total = rows[0]["total"] if rows else 0
    return [CountedPattern(**{name: row[name] for name in row if name != "total"}) for row in rows], total


def known_from(connection: Connection, moment: datetime) -> bool:
    """Whether counts reach back to then, or an hour later. If not, the time before would look silent."""
    row = connection.execute(SQL["first_counted"], {"since": moment}).fetchone()
    return bool(row and row["slot"] is not None and row["slot"] <= moment + HOUR)


def patterns_with_text(connection: Connection, text: str, *, limit: int) -> list[StoredPattern]:
    """Patterns whose template contains this text, the latest first."""
    rows = connection.execute(SQL["patterns_with_text"], {"like": _like(text), "limit": limit})
    return [StoredPattern(**row) for row in rows]


def one_pattern(connection: Connection, name: str) -> StoredPattern:
    """The pattern of this id, or the one that it was merged into. Raises UnknownPatternError."""
    root = connection.execute(SQL["root"], {"id": name}).fetchone()
    row = connection.execute(SQL["pattern"], {"id": root["id"]}).fetchone() if root else None
    if row is None:
        raise UnknownPatternError(
            f'pattern "{name[:60]}": not found. Issues, digests and the list of patterns have ids.'
        )
    return StoredPattern(row["id"], row["template"], row["level"], row["first_seen"], row["last_seen"])


def members(connection: Connection, pattern: str) -> list[str]:
    """Ids of the stored patterns that were merged into this one, including its own."""
    return [row["id"] for row in connection.execute(SQL["members"], {"id": pattern})]


def lines_by_day(connection: Connection, patterns: Sequence[str], window: Window) -> dict[date, dict[str, int]]:
    """Lines of these patterns by day and node. `window`: whole days."""
    days: dict[date, dict[str, int]] = {}
    params = {"patterns": list(patterns), "since": window.since, "until": window.until}
    for row in connection.execute(SQL["pattern_days"], params):
        days.setdefault(row["day"].date(), {})[row["node"]] = row["lines"]
    return days


def issues_of(connection: Connection, patterns: Sequence[str], *, limit: int) -> list[PatternIssue]:
    """Issues about one of these patterns, the newest first."""
    rows = connection.execute(SQL["issues_of_pattern"], {"patterns": list(patterns), "limit": limit})
    return [PatternIssue(**row) for row in rows]


def pattern_of(connection: Connection, message: str) -> StoredPattern | None:
    """The pattern of a message; None if it is not stored."""
    (own,) = PatternMiner().identify([message])
    try:
        return one_pattern(connection, own)
    except UnknownPatternError:
        return None


def _like(text: str | None) -> str | None:
    return None if text is None else f"%{like_escaped(text)}%"
