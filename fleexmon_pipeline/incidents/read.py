"""Read incidents: a list, or one with its issues.

Here: reading. Rows are structs with the columns' names in JSON. Where incidents come from: `refresh.py`; an issue in
full: `issues/read.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.changes import Change
from fleexmon_pipeline.issues.read import IssueSummary, Status, UnknownIssueError, find_issue
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import Window

SQL = statements("incidents")
MAX_LISTED = 10_000


class IncidentFigures(msgspec.Struct, frozen=True, rename="camel"):
    """From its start to its end, on its nodes.

    `usual_errors`: in as many slots of the day before, None if too little of it is known; `of_pattern`: lines of the
    pattern that the title names.
    """

    lines: int
    errors: int
    usual_errors: float | None
    of_pattern: int


class Incident(msgspec.Struct, frozen=True, rename="camel"):
    """A row of "Incident". `id`: of the issue that came first; `issues`: from first to last."""

    id: uuid.UUID
    title: str
    severity: str
    status: str
    nodes: list[str]
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    issues: list[uuid.UUID]
    headline: uuid.UUID
    first_pattern: str | None
    figures: IncidentFigures
    changes: list[Change]
    acknowledged: str | None  # by whom
    acknowledged_at: datetime | None
    assignee: str | None
    muted: bool  # whether all of its open issues are; if it has ended, whether all of its issues are

    @property
    def is_open(self) -> bool:
        return self.status == "open"


class Handling(msgspec.Struct, frozen=True):
    """What a person did: acknowledged it, took that back, or assigned it (`assignee` None: to nobody)."""

    action: str
    assignee: str | None
    by: str
    why: str
    at: datetime


@dataclass(frozen=True)
class IncidentDetail:
    incident: Incident
    issues: list[IssueSummary]  # from first to last
    handling: list[Handling]  # from first to last
    hypothesis: str | None  # what GenAI says is the cause


def list_incidents(
    connection: Connection,
    *,
    now: datetime,
    status: Status = "open",
    severities: Collection[str] | None = None,
    node: str | None = None,
    during: Window | None = None,
    ids: Collection[uuid.UUID] | None = None,
    limit: int = MAX_LISTED,
) -> list[Incident]:
    """Incidents, the most recently seen first. `during`: only those that touch this window."""
    params = {
        "now": now,
        "status": None if status == "all" else status,
        "severities": None if severities is None else list(severities),
        "node": node,
        "since": during.since if during else None,
        "until": during.until if during else None,
        "ids": None if ids is None else list(ids),
        "limit": limit,
    }
    return msgspec.convert(connection.execute(SQL["list"], params).fetchall(), list[Incident])


def find_incident(connection: Connection, name: str) -> uuid.UUID:
    """The id of the incident that holds the issue with this id or unique prefix; an incident's id is that of its first
    issue. Raises UnknownIssueError."""
    issue = find_issue(connection, name, noun="incident")
    row = connection.execute(SQL["of_issue"], {"issue": issue}).fetchone()
    if row is None:  # it was written a moment ago
        raise UnknownIssueError(
            f"issue {issue} is in no incident yet: the next run of detected_issues groups it. "
            f"`fleexmon issues show {str(issue)[:18]}` shows the issue."
        )
    key: uuid.UUID = row["id"]
    return key


def show_incident(connection: Connection, name: str, *, now: datetime) -> IncidentDetail:
    """The incident with this id, or the id of one of its issues, or a unique prefix. Raises UnknownIssueError."""
    key = find_incident(connection, name)
    incidents = list_incidents(connection, now=now, status="all", ids=[key])
    if not incidents:
        raise UnknownIssueError(f"incident {name} has just been merged with another one. Try again.")
    return detail_of(connection, incidents[0])


def detail_of(connection: Connection, incident: Incident) -> IncidentDetail:
    issues = issues_of(connection, incident.issues)
    rows = connection.execute(SQL["handling"], {"ids": incident.issues}).fetchall()
    handling = msgspec.convert(rows, list[Handling])
    return IncidentDetail(incident, issues, handling, read_hypothesis(connection, incident))


def read_hypothesis(connection: Connection, incident: Incident) -> str | None:
    """What GenAI says is the cause, redacted; about the whole incident if it was asked about that."""
    where = {"ids": incident.issues, "headline": incident.headline}
    row = connection.execute(SQL["hypothesis"], where).fetchone()
    return redact(row["text"]) if row else None


def issues_of(connection: Connection, ids: Sequence[uuid.UUID]) -> list[IssueSummary]:
    """These issues, from first to last."""
    rows = connection.execute(SQL["issues_of"], {"ids": list(ids)}).fetchall()
    for row in rows:
        row["nodes"] = row["nodes"] if isinstance(row["nodes"], list) else []
    return msgspec.convert(rows, list[IssueSummary])


def acknowledged_by(connection: Connection, issues: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Which of these issues somebody acknowledged, and who."""
    return {row["issue"]: row["by"] for row in connection.execute(SQL["acknowledged"], {"ids": list(issues)})}


def incident_of(connection: Connection, issue: uuid.UUID) -> tuple[uuid.UUID, str] | None:
    """Id and title of the incident that holds an issue; None for one that was written a moment ago."""
    row = connection.execute(SQL["of_issue"], {"issue": issue}).fetchone()
    return (row["id"], row["title"]) if row else None
