"""Names that people give to patterns, and patterns that they ignore.

Here: storing and reading labels. Their effect: `detection/evaluate.py` raises no issue about an ignored pattern and
puts a pattern's name into titles. Counts, totals and digests do not change: an ignored line is still a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fleexmon_pipeline.database.statements import like_escaped, statements
from fleexmon_pipeline.errors import FleexmonError

if TYPE_CHECKING:  # `fleexmon patterns FILE` needs no database
    from fleexmon_pipeline.database.connection import Connection

SQL = statements("labels")
MAX_NAME_CHARS = 80


class UnknownPatternError(FleexmonError, ValueError):
    """The message quotes the id and says where to find the right one."""


@dataclass(frozen=True)
class Label:
    pattern: str  # resolved: what the labelled pattern has merged into
    template: str  # redacted, as stored
    name: str | None
    ignored: bool
    why: str | None
    by: str
    at: datetime


def read_labels(connection: Connection) -> Mapping[str, Label]:
    """The labels by resolved pattern. If two labelled patterns merged, the newer label counts."""
    labels = [
        Label(r["pattern"], r["template"] or r["pattern"], r["name"], r["ignored"], r["why"], r["by"], r["at"])
        for r in connection.execute(SQL["labels"])
    ]
    return {label.pattern: label for label in sorted(labels, key=lambda label: label.at)}


def find_pattern(connection: Connection, prefix: str) -> tuple[str, str]:
    """Id and template of the pattern with this id or unique prefix. Raises UnknownPatternError."""
    like = {"like": f"{like_escaped(prefix)}%"}
    rows = connection.execute(SQL["patterns_like"], like).fetchall() if prefix else []
    if len(rows) != 1:
        problem = "matches several patterns; give more digits" if rows else "is not a pattern"
        raise UnknownPatternError(f'"{prefix}" {problem}. `fleexmon patterns list` and digests show pattern ids.')
    return rows[0]["id"], rows[0]["template"]


def label(
    connection: Connection,
    prefix: str,
    *,
    by: str,
    now: datetime,
    name: str | None = None,
    ignored: bool | None = None,
    why: str | None = None,
) -> Label:
    """Store a label and return the pattern's current one. Raises UnknownPatternError."""
    pattern, template = find_pattern(connection, prefix)
    params = {"pattern": pattern, "name": name, "ignored": ignored, "why": why, "by": by, "now": now}
    with connection.transaction():
        connection.execute(SQL["label"], params)
        labels = [stored for stored in read_labels(connection).values() if stored.at == now]
    return next(iter(labels), Label(pattern, template, name, bool(ignored), why, by, now))
