"""The context of an issue: its pattern, the 24 hours before it, similar issues, and where its evidence came from.

Here: reading. The issue itself: `read.py`. How a terminal shows it: `commands/issues/page.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.read import Issue
from fleexmon_pipeline.window import DAY, Window, ceil

_SQL = statements("issues")
_HALF_HOUR = timedelta(minutes=30)
_MAX_SIMILAR = 5
_MAX_RUNS = 3
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


@dataclass(frozen=True)
class LastDay:
    """Lines in each of the 48 half hours up to the issue's last firing; None if no node responded."""

    since: datetime
    until: datetime
    of: str  # what was counted, in words
    lines: list[int | None]


class IssuePattern(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    template: str
    level: str
    first_seen: datetime


class SimilarIssue(msgspec.Struct, frozen=True, rename="camel"):
    """An earlier issue of the same fingerprint (`same`), of the same pattern, or of the same rule on another node."""

    id: uuid.UUID
    severity: str
    status: str | None
    title: str
    detected_at: datetime
    resolved_at: datetime | None
    root_cause: str | None
    nodes: Any
    resolved_reason: str | None
    resolved_by: str | None
    same: bool | None
    verdict: str | None
    why: str | None


class PersonsVerdict(msgspec.Struct, frozen=True):
    """What a person marked an issue as."""

    verdict: str
    by: str
    why: str | None
    at: datetime


@dataclass(frozen=True)
class IssueContext:
    pattern: IssuePattern | None
    last_day: LastDay
    similar: list[SimilarIssue]  # at most 5
    windows: list[str]  # partition keys of the hours in which it fired
    runs: list[str]  # Dagster ids of the runs that collected its lines, latest first, at most 3
    verdict: PersonsVerdict | None


def issue_context(
    connection: Connection, issue: Issue, counted_levels: Mapping[str, Sequence[str]] | None = None
) -> IssueContext:
    """Read the context of an issue. `counted_levels`: rule → levels that it counts; a rule without an entry counts all.

    Runs that collected lines come from "LogCoverage"; the run that wrote the issue is in its metadata.
    """
    metadata = issue.figures
    pattern = _text(metadata.get("pattern"))
    params: dict[str, Any] = {
        "id": issue.id, "pattern": pattern, "rule": _text(metadata.get("rule")),
        "fingerprint": _text(metadata.get("fingerprint")), "before": issue.detected_at,
    }  # fmt: skip
    origin = connection.execute(_SQL["origin"], {**params, "limit": _MAX_RUNS}).fetchone() or {}
    return IssueContext(
        pattern=_one(connection, "pattern", params, IssuePattern) if pattern else None,
        last_day=_last_day(connection, issue, pattern, (counted_levels or {}).get(params["rule"] or "")),
        similar=msgspec.convert(
            connection.execute(_SQL["similar"], {**params, "limit": _MAX_SIMILAR}).fetchall(), list[SimilarIssue]
        ),
        windows=list(origin.get("windows") or ()),
        runs=list(origin.get("runs") or ()),
        verdict=_one(connection, "verdict", params, PersonsVerdict),
    )


def _one(connection: Connection, name: str, params: Mapping[str, Any], kind: type[_Struct]) -> _Struct | None:
    row = connection.execute(_SQL[name], params).fetchone()
    return msgspec.convert(row, kind) if row else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _last_day(connection: Connection, issue: Issue, pattern: str | None, levels: Sequence[str] | None) -> LastDay:
    until = ceil(issue.updated_at, _HALF_HOUR)
    window = Window(until - DAY, until)
    params: dict[str, Any] = {
        "since": window.since, "until": window.until, "nodes": issue.nodes, "pattern": pattern,
        "levels": None if pattern else levels,
    }  # fmt: skip
    counts = {row["half"]: row["lines"] for row in connection.execute(_SQL["last_day"], params)}
    known_halves = {row["half"] for row in connection.execute(_SQL["known_halves"], params)} | counts.keys()
    what = "this pattern" if pattern else f"level {', '.join(levels)}" if levels else "all levels"
    return LastDay(
        since=window.since,
        until=window.until,
        of=f"lines of {what} on {', '.join(issue.nodes) or 'all nodes'}",
        lines=[counts.get(half, 0) if half in known_halves else None for half in range(DAY // _HALF_HOUR)],
    )
