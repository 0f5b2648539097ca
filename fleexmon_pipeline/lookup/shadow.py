"""What rules in shadow mode would have reported, rule by rule, to decide whether to promote or drop one.

Here: reading. Writing: `issues/shadows.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements

SQL = statements("lookup")


@dataclass(frozen=True)
class ShadowRule:
    """`subjects`: fingerprints; each would have been at least one issue. `days`: on which it fired."""

    rule: str
    subjects: int
    slots: int
    first: datetime
    last: datetime
    days: int
    worst: str


@dataclass(frozen=True)
class ShadowSubject:
    """The latest occurrence of one fingerprint."""

    fingerprint: str
    slot: datetime
    severity: str
    title: str
    nodes: list[str]
    affected: int
    slots: int
    first: datetime


def shadow_rules(connection: Connection, *, since: datetime) -> list[ShadowRule]:
    return [ShadowRule(**row) for row in connection.execute(SQL["shadow_rules"], {"since": since})]


def shadow_subjects(connection: Connection, rule: str, *, since: datetime, limit: int) -> list[ShadowSubject]:
    """Subjects of one rule, the latest first."""
    params = {"since": since, "rule": rule, "limit": limit}
    return [ShadowSubject(**row) for row in connection.execute(SQL["shadow_occurrences"], params)]
