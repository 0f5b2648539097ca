"""Apply what people do to alerts on GitHub to our issues: close, assign, label.

Here: an alert closed as completed resolves its issues, one closed as not planned mutes them. An assignee is assigned,
and the label `noise` marks them as noise. Posting: `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.follow import Report
from fleexmon_pipeline.incidents.people import handle
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.issues import people
from fleexmon_pipeline.reporting.github import GitHubClient, SeenIssue
from fleexmon_pipeline.window import EPOCH
from fleexmon_pipeline.wording import one_line

SQL = statements("outbox")
LABELS = ("alert",)
NOISE = "noise"  # a label that people add
POLL_EVERY = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)  # clocks differ, and a request takes a while; applying something twice is harmless
FIRST_LOOK_BACK = timedelta(days=7)
MAX_NAME = 60


@dataclass
class Feedback:
    """Outbox keys by what people did."""

    resolved: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    assigned: list[str] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        parts = [f"{len(keys)} {action}" for action, keys in vars(self).items() if keys]
        return f"people on GitHub: {', '.join(parts) or 'nothing new'}"


def feedback_is_due(connection: Connection, *, now: datetime, repository: str) -> bool:
    """Whether to poll GitHub again: an alert is open there, and the last poll was POLL_EVERY ago."""
    row = connection.execute(SQL["open_alerts"]).fetchone()
    polled = _polled_at(connection, repository)
    return bool(row and row["any"]) and (polled is None or polled <= now - POLL_EVERY)


def read_feedback(connection: Connection, github: GitHubClient, *, now: datetime) -> Feedback:
    """Apply what people did since the last call. Raises GitHubError; the next call then covers this time, too."""
    polled = _polled_at(connection, github.name)
    seen = github.seen(LABELS, since=polled - OVERLAP if polled else now - FIRST_LOOK_BACK)
    by_number = {issue.number: issue for issue in seen}
    rows = connection.execute(SQL["alerts_by_number"], {"numbers": list(by_number)}).fetchall()
    done = Feedback()
    for row in rows:
        issue = by_number[row["number"]]
        closed_by = github.closed_by(issue.number) if _closed_by_a_person(issue, row["desired"]) else ""
        with connection.transaction():
            _apply(connection, issue, row, closed_by, done, now)
    connection.execute(SQL["set_polled"], {"repository": github.name, "now": now})
    return done


def _polled_at(connection: Connection, repository: str) -> datetime | None:
    row = connection.execute(SQL["polled_at"], {"repository": repository}).fetchone()
    return row["at"] if row else None


def _closed_by_a_person(issue: SeenIssue, desired: Mapping[str, Any]) -> bool:
    """Whether it is closed on GitHub although we want it open."""
    return not issue.is_open and desired["state"] == "open"


def _apply(
    connection: Connection, issue: SeenIssue, row: Mapping[str, Any], closed_by: str, done: Feedback, now: datetime
) -> None:
    key, desired = row["key"], row["desired"]
    report = Report.of(key, desired["about"], is_open=desired["state"] == "open")
    incidents = list_incidents(connection, now=now, status="all", ids=_incidents_of(connection, report))
    by = f"{one_line(closed_by, most=MAX_NAME) or 'somebody'} on GitHub"
    where = f"GitHub issue #{issue.number}"
    for incident in incidents:
        names = _existing(connection, incident.issues)
        verdict: people.Verdict | None = "noise" if NOISE in issue.labels else None
        if verdict and not _is_noise(connection, incident.issues):
            _mark_as_noise(connection, incident, where, now)
            done.noise.append(key)
        assignee = one_line(issue.assignee or "", most=MAX_NAME) or None
        if assignee != _assigned_before(connection, incident.issues, where):
            handle(connection, incident.issues, "assign", by=by, why=where, now=now, assignee=assignee)
            done.assigned.append(key)
        if not _closed_by_a_person(issue, desired):
            continue
        if issue.reason == "not_planned":
            why = f"{where} was closed as not planned"
            if not incident.muted and not _was_muted(connection, why, issue.closed_at):
                _mute(connection, names, by=by, why=why, now=now)
                done.muted.append(key)
        elif incident.is_open:
            why = f"{where} was closed"
            people.resolve_issues(connection, names, by=by, why=why, verdict=verdict, now=now)
            done.resolved.append(key)


def _incidents_of(connection: Connection, report: Report) -> list[UUID]:
    rows = connection.execute(statements("incidents")["holding"], {"ids": list(report.issues)})
    return [row["id"] for row in rows]


def _existing(connection: Connection, issues: list[UUID]) -> list[str]:
    """The issues that still exist: another program may have deleted some."""
    return [str(row["id"]) for row in connection.execute(statements("handling")["fingerprints_of"], {"ids": issues})]


def _assigned_before(connection: Connection, issues: list[UUID], where: str) -> str | None:
    """The assignee that was last applied from this GitHub issue. One that a command named since then stays."""
    row = connection.execute(SQL["assigned_by"], {"ids": issues, "why": where}).fetchone()
    return row["assignee"] if row else None


def _is_noise(connection: Connection, issues: list[UUID]) -> bool:
    row = connection.execute(SQL["marked_as_noise"], {"ids": issues}).fetchone()
    return bool(row and row["all"])


def _mark_as_noise(connection: Connection, incident: Incident, where: str, now: datetime) -> None:
    for key in incident.issues:
        row = connection.execute(statements("handling")["subject_of"], {"id": key}).fetchone()
        params = {
            "id": key, "fingerprint": row["fingerprint"] if row else None, "verdict": "noise", "by": "GitHub",
            "why": f"label {NOISE} on {where}", "now": now,
        }  # fmt: skip
        connection.execute(statements("handling")["record_verdict"], params)


def _was_muted(connection: Connection, why: str, closed_at: datetime | None) -> bool:
    """Whether this closing was applied before. If somebody has unmuted the issue since, it is not muted again."""
    where = {"why": why, "since": (closed_at or EPOCH) - OVERLAP}
    row = connection.execute(SQL["was_muted_by"], where).fetchone()
    return bool(row and row["any"])


def _mute(connection: Connection, names: list[str], *, by: str, why: str, now: datetime) -> None:
    """Mute our issues. Issues of other programs have no fingerprint to mute, so they are resolved."""
    rows = connection.execute(statements("handling")["fingerprints_of"], {"ids": names}).fetchall()
    ours = [str(row["id"]) for row in rows if row["fingerprint"]]
    for scope in people.scopes_of(connection, ours) if ours else ():
        people.mute(connection, scope, by=by, why=why, now=now, until=None)
    foreign = [str(row["id"]) for row in rows if not row["fingerprint"]]
    people.resolve_issues(connection, foreign, by=by, why=why, verdict=None, now=now)
