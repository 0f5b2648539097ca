"""Read what is known of an incident, as the lines of a case.

Here: reading and choosing. How many lines are sent: `case.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.cases.case import Case, Item, compose
from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS, Subject, is_pattern
from fleexmon_pipeline.issues.runbooks import advice_for
from fleexmon_pipeline.redaction.redact import Redactor
from fleexmon_pipeline.wording import iso_text

SQL = statements("genai")
MAX_ISSUES, MAX_CHANGES, MAX_LINES, MAX_PAST = 6, 4, 5, 2
MAX_STEPS = 400  # characters of a runbook
_MAX_READ = 4_000  # characters of a message that are redacted; redaction may miss a secret that is cut
_PRIORITY_ISSUES, _PRIORITY_LINES = 3, 3  # so many have priority over past incidents


@dataclass(frozen=True)
class IncidentIssue:
    """An issue of an incident. `first`: the first slot in which it fired; None if the row has no episode."""

    id: UUID
    source: str
    type: str
    severity: str
    title: str
    nodes: Sequence[str]
    fingerprint: str | None
    first: datetime | None
    detected: datetime
    affected: Any
    runbook: str | None

    @property
    def subject(self) -> Subject:
        text = (self.fingerprint or "").partition(":")[2]
        if is_pattern(text):
            pattern, _, node = text.removeprefix("pattern:").rpartition("@")
            return Subject(None if node == "*" else node, pattern)
        return Subject(text.removeprefix("node:")) if text.startswith("node:") else Subject()


def read_issues(connection: Connection, incident: Incident) -> list[IncidentIssue]:
    """The issues of an incident, from first to last."""
    rows = connection.execute(SQL["incident_issues"], {"ids": incident.issues}).fetchall()
    return [
        IncidentIssue(**{**row, "nodes": row["nodes"] if isinstance(row["nodes"], list) else []}) for row in rows
    ]  # fmt: skip


def issue_to_explain(incident: Incident, issues: Sequence[IncidentIssue]) -> IncidentIssue | None:
    """The issue whose root cause the answer becomes: the headline, or else the most severe and first issue of a rule.

    None without an issue of a rule: GenAI's own issues already say what it thinks, and a forecast has no cause.
    """
    of_rules = [issue for issue in issues if issue.source == "detector" and issue.first is not None]
    return min(
        of_rules,
        key=lambda issue: (
            issue.id != incident.headline, -SEVERITY_RANKS.get(issue.severity, -1), issue.detected, issue.id
        ),
        default=None,
    )  # fmt: skip


def question_facts(incident: Incident, issues: Sequence[IncidentIssue]) -> list[object]:
    """The facts that identify the question: if one changes, the agent is asked again.

    Severity, nodes, how the incident began, changes before it and how these went. Not counts, nor one more issue on a
    node that is already part of it.
    """
    return [
        incident.severity, sorted(incident.nodes), incident.first_pattern, str(incident.headline),
        [[change.kind, change.node, change.text] for change in incident.changes],
        sorted(issue.title for issue in issues if issue.type == "deployment-diverges"),
    ]  # fmt: skip


def read_case(connection: Connection, incident: Incident, issues: Sequence[IncidentIssue], *, redact_ip: bool) -> Case:
    """Compose the case of an incident. `issues`: from first to last."""
    items = [
        Item(
            {
                "incident": incident.title, "severity": incident.severity, "nodes": list(incident.nodes),
                "from": _minute(incident.started_at), "to": _minute(incident.last_seen_at),
                "errors": incident.figures.errors,
                **({} if incident.figures.usual_errors is None else {"usualErrors": incident.figures.usual_errors}),
            },
            0, "the incident", longest=100,
        ),
        *_first_pattern(connection, incident),
        *_changes(incident, issues),
        *_events(issues),
        *_log_lines(connection, incident, issues),
        *_runbook(connection, incident, issues),
        *_past(connection, incident, issues),
    ]  # fmt: skip
    return compose(items, incident.nodes, Redactor(addresses=redact_ip))


def _first_pattern(connection: Connection, incident: Incident) -> Iterator[Item]:
    rows = connection.execute(statements("incidents")["first_seen"], {"ids": [incident.first_pattern]})
    for row in rows if incident.first_pattern else ():
        fields = {"firstPattern": row["template"], "firstSeenEver": _minute(row["first_seen"])}
        yield Item(fields, 0, "the pattern that came first", longest=200)


def _changes(incident: Incident, issues: Sequence[IncidentIssue]) -> Iterator[Item]:
    ordered = sorted(incident.changes, key=lambda change: change.kind != "deployment")
    for change in ordered[:MAX_CHANGES]:
        fields = {"change": change.kind, "node": change.node, "at": change.at, "text": change.text}
        if change.kind == "deployment":
            failed = (issue.title for issue in issues if issue.type == "deployment-diverges")
            fields["verdict"] = next(
                (title for title in failed if change.node in title), "no divergence reported so far"
            )
        yield Item(fields, 1 if change.kind == "deployment" else 2, f"{change.kind} on {change.node} at {change.at}")


def _events(issues: Sequence[IncidentIssue]) -> Iterator[Item]:
    for index, issue in enumerate(issues[:MAX_ISSUES]):
        start = issue.first or issue.detected
        fields: dict[str, object] = {
            "issue": issue.title,
            "severity": issue.severity,
            "nodes": list(issue.nodes),
            "start": _minute(start),
        }
        if isinstance(issue.affected, int):
            fields["linesAtPeak"] = issue.affected
        priority = 1 if index < _PRIORITY_ISSUES else 3
        yield Item(fields, priority, f'issue from {start:%H:%M}, "{issue.title}"', longest=100)


def _log_lines(connection: Connection, incident: Incident, issues: Sequence[IncidentIssue]) -> Iterator[Item]:
    """Distinct lines, one of each issue in turn, those of the headline first."""
    order = sorted(issues, key=lambda issue: issue.id != incident.headline)[:MAX_LINES]
    of_issue = [_lines_of(connection, issue.id) for issue in order]
    turns = [row for index in range(MAX_LINES) for rows in of_issue for row in rows[index : index + 1]]
    distinct = {(row["node"], row["message"]): row for row in reversed(turns)}
    chosen = [row for row in turns if distinct.get((row["node"], row["message"])) is row][:MAX_LINES]
    for index, row in enumerate(chosen):
        at = f"{row['timestamp']:%H:%M:%S}"
        fields = {"line": _whole(row["message"]), "node": row["node"], "level": row["level"], "at": at}
        yield Item(fields, 1 if index < _PRIORITY_LINES else 3, f"line of {row['node']} at {at}", [row["id"]])


def _lines_of(connection: Connection, issue: UUID) -> list[dict[str, Any]]:
    where = {"id": issue, "width": _MAX_READ, "limit": MAX_LINES}
    return connection.execute(statements("incidents")["first_lines"], where).fetchall()


def _whole(message: str) -> str:
    """A message without its last word if it was cut: redaction would not recognise half a password."""
    return message if len(message) < _MAX_READ else message[: max(message.rfind(" "), message.rfind("\n"), 0)]


def _runbook(connection: Connection, incident: Incident, issues: Sequence[IncidentIssue]) -> Iterator[Item]:
    named = next((issue.runbook for issue in issues if issue.id == incident.headline and issue.runbook), None)
    rows = connection.execute(statements("incidents")["first_seen"], {"ids": [incident.first_pattern]}).fetchall()
    if advice := advice_for("\n".join(row["template"] for row in rows), named):
        name, steps = advice
        yield Item({"runbook": name, "steps": steps}, 2, f"runbook {name}", longest=MAX_STEPS)


def _past(connection: Connection, incident: Incident, issues: Sequence[IncidentIssue]) -> Iterator[Item]:
    where = {
        "id": incident.id, "started": incident.started_at, "pattern": incident.first_pattern, "limit": MAX_PAST,
        "fingerprints": [issue.fingerprint for issue in issues if issue.fingerprint],
    }  # fmt: skip
    for row in connection.execute(SQL["similar_incidents"], where):
        remarks = {name: row[name] for name in ("reason", "verdict", "said") if row[name]}
        fields: Mapping[str, object] = {"pastIncident": row["title"], "on": f"{row['started']:%Y-%m-%d}", **remarks}
        yield Item(fields, 4, f"an incident of {row['started']:%Y-%m-%d}", longest=120)


def _minute(moment: datetime) -> str:
    return iso_text(moment.replace(second=0, microsecond=0), "auto").replace(":00Z", "Z")
