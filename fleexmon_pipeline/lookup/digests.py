"""Stored digests: a list of their days, and one as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements


@dataclass(frozen=True)
class DigestDay:
    """`state`, `sentence`: its verdict."""

    day: date
    generated_at: datetime
    state: str | None
    sentence: str | None


@dataclass(frozen=True)
class StoredDigest:
    day: date
    figures: Any
    markdown: str
    html: str


def list_digests(connection: Connection, *, before: date | None = None, limit: int) -> list[DigestDay]:
    """Newest first; with `before` only earlier days."""
    params = {"before": before, "limit": limit}
    return [DigestDay(**row) for row in connection.execute(statements("lookup")["digests"], params)]


def one_digest(connection: Connection, day: date | None = None) -> StoredDigest | None:
    """The digest of that day, or the newest one; None if there is none."""
    row = connection.execute(statements("commands")["digest"], {"day": day}).fetchone()
    return StoredDigest(**row) if row else None
