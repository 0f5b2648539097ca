"""What people call a pattern, and which ones they do not want to hear of.

Here: noting it and reading it. What follows from it: `detection/evaluate.py` makes no issue about an ignored pattern,
and calls a named one by its name. Counts, totals and digests are not touched: an ignored line is still a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError

SQL = statements("labels")
LONGEST_NAME = 80


class UnknownPatternError(FleexmonError, ValueError):
    """The text says which pattern was asked for, and what would do."""


@dataclass(frozen=True)
class Label:
    pattern: str  # what it stands for today
    template: str  # redacted, as stored
    name: str | None
    ignored: bool
    why: str | None
    by: str
    at: datetime


def read_labels(connection: Connection) -> Mapping[str, Label]:
    """By pattern, merges resolved. Of two whose patterns were merged, the later one counts."""
    found = [
        Label(r["pattern"], r["template"] or r["pattern"], r["name"], r["ignored"], r["why"], r["by"], r["at"])
        for r in connection.execute(SQL["labels"])
    ]
    return {label.pattern: label for label in sorted(found, key=lambda label: label.at)}


def label(
    connection: Connection,
    beginning: str,
    *,
    by: str,
    now: datetime,
    name: str | None = None,
    ignored: bool | None = None,
    why: str | None = None,
) -> Label:
    """Note it, and give back what is known of the pattern then. Raises UnknownPatternError."""
    escaped = beginning.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    found = connection.execute(SQL["patterns_like"], {"beginning": f"{escaped}%"}).fetchall() if beginning else []
    if len(found) != 1:
        said = "begins the ids of several patterns; give more of it" if found else "is no pattern"
        raise UnknownPatternError(f'"{beginning}" {said}. `fleexmon issues show ID` and digests name the ids.')
    pattern, template = found[0]["id"], found[0]["template"]
    noted = {"pattern": pattern, "name": name, "ignored": ignored, "why": why, "by": by, "now": now}
    with connection.transaction():
        connection.execute(SQL["label"], noted)
        labels = [each for each in read_labels(connection).values() if each.at == now]
    return next(iter(labels), Label(pattern, template, name, bool(ignored), why, by, now))
