"""The context of an issue: its pattern, the 24 hours before it, similar issues, and where its evidence came from.

Here: reading, as JSON values. The issue itself: `read.py`. How a terminal shows it: `commands/issue_page.py`.
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
_MAX_SIMILAR = 5
_MAX_RUNS = 3


@dataclass(frozen=True)
class LastDay:
    """Lines in each of the 48 half hours up to the issue's last firing; None where no node responded."""

    since: str  # ISO 8601, UTC
    until: str
    of: str  # what was counted, in words
    lines: list[int | None]


@dataclass(frozen=True)
class IssueContext:
    pattern: Row | None  # id, template, level, firstSeen
    last_day: LastDay
    similar: list[Row]  # at most 5 earlier issues; `same`: has the same fingerprint
    windows: list[str]  # partition keys of the hours in which it fired
    runs: list[str]  # Dagster ids of the runs that collected its lines, latest first, at most 3
    verdict: Row | None  # what a person marked it as: verdict, by, why, at

    def as_json(self) -> Row:
        return asdict(self)


def issue_context(
    connection: Connection, issue: Issue, counted_levels: Mapping[str, Sequence[str]] | None = None
) -> IssueContext:
    """Read the context of an issue. `counted_levels`: rule → levels that it counts; a rule without an entry counts all.

    Runs that collected lines come from "LogCoverage"; the run that wrote the issue is in its metadata.
    """
    metadata = issue.figures
    pattern = _text(metadata.get("pattern"))
    params: Row = {
        "id": issue.id, "pattern": pattern, "rule": _text(metadata.get("rule")),
        "fingerprint": _text(metadata.get("fingerprint")), "before": issue.detected_at,
    }  # fmt: skip
    origin = connection.execute(_SQL["origin"], {**params, "limit": _MAX_RUNS}).fetchone() or {}
    return IssueContext(
        pattern=_one(connection, "pattern", params) if pattern else None,
        last_day=_last_day(connection, issue, pattern, (counted_levels or {}).get(params["rule"] or "")),
        similar=[plain(row) for row in connection.execute(_SQL["similar"], {**params, "limit": _MAX_SIMILAR})],
        windows=list(origin.get("windows") or ()),
        runs=list(origin.get("runs") or ()),
        verdict=_one(connection, "verdict", params),
    )


def _one(connection: Connection, name: str, params: Row) -> Row | None:
    row = connection.execute(_SQL[name], params).fetchone()
    return plain(row) if row else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _last_day(connection: Connection, issue: Issue, pattern: str | None, levels: Sequence[str] | None) -> LastDay:
    until = ceil(issue.updated_at, _HALF_HOUR)
    window = Window(until - DAY, until)
    params: Row = {
        "since": window.since, "until": window.until, "nodes": issue.nodes, "pattern": pattern,
        "levels": None if pattern else levels,
    }  # fmt: skip
    counts = {row["half"]: row["lines"] for row in connection.execute(_SQL["last_day"], params)}
    known_halves = {row["half"] for row in connection.execute(_SQL["known_halves"], params)} | counts.keys()
    what = "this pattern" if pattern else f"level {', '.join(levels)}" if levels else "all levels"
    return LastDay(
        since=iso_text(window.since, "seconds"),
        until=iso_text(window.until, "seconds"),
        of=f"lines of {what} on {', '.join(issue.nodes) or 'all nodes'}",
        lines=[counts.get(half, 0) if half in known_halves else None for half in range(DAY // _HALF_HOUR)],
    )
