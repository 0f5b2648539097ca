"""What helps to judge an issue: its pattern, the day before it, similar ones, where its evidence came from.

Here: reading, as values that JSON knows. The issue itself: `read.py`. How a terminal shows it: `commands/issues.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.read import Issue, Row, plain
from fleexmon_pipeline.window import DAY, Window, ceil
from fleexmon_pipeline.wording import iso_text

_SQL = statements("issues")
_HALF_HOUR = timedelta(minutes=30)
_SIMILAR = 5
_RUNS = 3


@dataclass(frozen=True)
class LastDay:
    """Lines in each of the 48 half hours that end with the issue's last firing; None where nobody answered."""

    since: str  # ISO 8601, UTC
    until: str
    of: str  # what was counted, in words
    lines: list[int | None]


@dataclass(frozen=True)
class IssueContext:
    pattern: Row | None  # id, template, level, firstSeen
    last_day: LastDay
    similar: list[Row]  # at most 5 earlier issues; `same`: of the same fingerprint
    windows: list[str]  # partition keys of the hours that fired
    runs: list[str]  # Dagster's ids of the runs that collected what fired, the latest first, at most 3
    verdict: Row | None  # what a person called it: verdict, by, why, at

    def as_json(self) -> Row:
        return asdict(self)


def issue_context(
    connection: Connection, issue: Issue, counted_levels: Mapping[str, Sequence[str]] | None = None
) -> IssueContext:
    """What surrounds an issue. `counted_levels`: rule → levels that it counts; all, where it is not there.

    The runs that collected are read from "LogCoverage"; the one that judged is in the issue's metadata.
    """
    metadata = issue.figures
    pattern = _text(metadata.get("pattern"))
    about: Row = {
        "id": issue.id, "pattern": pattern, "rule": _text(metadata.get("rule")),
        "fingerprint": _text(metadata.get("fingerprint")), "before": issue.detected_at,
    }  # fmt: skip
    stretch = connection.execute(_SQL["stretch"], {**about, "limit": _RUNS}).fetchone() or {}
    return IssueContext(
        pattern=_one(connection, "pattern", about) if pattern else None,
        last_day=_last_day(connection, issue, pattern, (counted_levels or {}).get(about["rule"] or "")),
        similar=[plain(row) for row in connection.execute(_SQL["similar"], {**about, "limit": _SIMILAR})],
        windows=list(stretch.get("windows") or ()),
        runs=list(stretch.get("runs") or ()),
        verdict=_one(connection, "verdict", about),
    )


def _one(connection: Connection, name: str, about: Row) -> Row | None:
    row = connection.execute(_SQL[name], about).fetchone()
    return plain(row) if row else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _last_day(connection: Connection, issue: Issue, pattern: str | None, levels: Sequence[str] | None) -> LastDay:
    until = ceil(issue.updated_at, _HALF_HOUR)
    window = Window(until - DAY, until)
    where: Row = {
        "since": window.since, "until": window.until, "nodes": issue.nodes, "pattern": pattern,
        "levels": None if pattern else levels,
    }  # fmt: skip
    counts = {row["half"]: row["lines"] for row in connection.execute(_SQL["last_day"], where)}
    known = {row["half"] for row in connection.execute(_SQL["known_halves"], where)} | counts.keys()
    what = "this pattern" if pattern else f"level {', '.join(levels)}" if levels else "all levels"
    return LastDay(
        since=iso_text(window.since, "seconds"),
        until=iso_text(window.until, "seconds"),
        of=f"lines of {what} on {', '.join(issue.nodes) or 'all nodes'}",
        lines=[counts.get(half, 0) if half in known else None for half in range(DAY // _HALF_HOUR)],
    )
