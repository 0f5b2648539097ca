"""What people do with issues: resolve, mute, call noise; written down with who and why.

Here: the writes. What follows from a resolve: `lifecycle.py` keeps it; from a mute: `reporting/alerts.py` is silent.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.issues import Row, find_issue, plain
from fleexmon_pipeline.identity import uuid8

SQL = statements("handling")
Verdict = Literal["noise", "real"]


@dataclass(frozen=True)
class Handled:
    """The issue as it was found, and whether anything changed."""

    id: uuid.UUID
    title: str
    fingerprint: str | None
    changed: bool


@dataclass(frozen=True)
class Scope:
    """What a mute is about: one thing that fires (of all rules: a node)."""

    fingerprint: str | None = None
    node: str | None = None

    def __str__(self) -> str:
        return f"node {self.node}" if self.node else f"{self.fingerprint}"


def resolve_issue(
    connection: Connection, name: str, *, by: str, why: str, verdict: Verdict | None, now: datetime
) -> Handled:
    """Resolve the issue that goes by `name`; firing later makes another one that names it. `verdict` is for backtests,
    also of an issue that is over. Raises UnknownIssueError."""
    key = find_issue(connection, name)
    told = {"id": key, "by": by, "why": why, "now": now}
    with connection.transaction():
        row = connection.execute(SQL["subject_of"], {"id": key}).fetchone()
        changed = connection.execute(SQL["resolve"], told).rowcount > 0
        fingerprint = row["fingerprint"] if row else None
        if verdict:
            connection.execute(SQL["judge"], {**told, "fingerprint": fingerprint, "verdict": verdict})
    return Handled(key, row["title"] if row else "", fingerprint, changed)


def scope_of(connection: Connection, name: str | None, node: str | None) -> Scope:
    """Of an issue's id (or its beginning) or a node's name, exactly one. Raises UnknownIssueError, ValueError."""
    if (name is None) == (node is None):
        raise ValueError("give an issue or --node, one of them")
    if node is not None:
        return Scope(node=node)
    row = connection.execute(SQL["subject_of"], {"id": find_issue(connection, name or "")}).fetchone()
    if row is None or row["fingerprint"] is None:
        raise ValueError(f"issue {name}: another program made it, it has no fingerprint to mute; resolve it there")
    return Scope(fingerprint=row["fingerprint"])


def mute(connection: Connection, scope: Scope, *, by: str, why: str, now: datetime, until: datetime | None) -> None:
    """From now on nobody is told of it on GitHub; `until` None: until `unmute`. Issues are made all the same."""
    key = uuid8(now, str(scope).encode(), by.encode(), why.encode())
    told = {"id": key, "fingerprint": scope.fingerprint, "node": scope.node, "by": by, "why": why}
    connection.execute(SQL["mute"], {**told, "now": now, "until": until})


def unmute(connection: Connection, scope: Scope, *, by: str, now: datetime) -> int:
    """How many mutes were ended."""
    told = {"fingerprint": scope.fingerprint, "node": scope.node, "by": by, "now": now}
    return connection.execute(SQL["unmute"], told).rowcount


def mutes(connection: Connection, *, now: datetime) -> list[Row]:
    """What is muted: fingerprint or node, by, why, since, until; the latest first."""
    return [plain(row) for row in connection.execute(SQL["muted"], {"now": now})]
