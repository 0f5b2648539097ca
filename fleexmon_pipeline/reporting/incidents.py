"""The incidents of a day, for its digest.

Here: reading and ordering. Where incidents come from: `incidents/`; the day's other figures: `day.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.changes import Change
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting.figures import URGENT, IncidentFigures, Incidents, IssueFigures
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import one_line

MAX_LISTED = 10
MAX_TEMPLATE = 200


def incidents_of_day(connection: Connection, day: Window, issues: Sequence[IssueFigures]) -> Incidents:
    """The incidents that touch the day. `issues`: those of the day."""
    touching = {issue.id: issue for issue in issues}
    rows = [
        incident
        for incident in list_incidents(connection, now=day.until, status="all", during=day)
        if any(str(issue) in touching for issue in incident.issues)
    ]
    patterns = [row.first_pattern for row in rows if row.first_pattern]
    templates = {
        row["id"]: one_line(redact(row["template"]), most=MAX_TEMPLATE)
        for row in connection.execute(statements("incidents")["first_seen"], {"ids": patterns})
    }
    incidents = [_figures(row, day, touching, templates.get(row.first_pattern or "")) for row in rows]
    incidents.sort(key=_order)
    still_open = [incident for incident in incidents if incident.ended is None]
    return Incidents(
        open=len(still_open),
        urgent=sum(incident.severity in URGENT and not incident.muted for incident in still_open),
        new=sum(incident.started_at in day for incident in incidents),
        ended=len(incidents) - len(still_open),
        listed=tuple(incidents[:MAX_LISTED]),
        total=len(incidents),
    )


def _order(incident: IncidentFigures) -> tuple[bool, bool, int, datetime]:
    """Open and severe ones first, muted ones last."""
    return incident.muted, incident.ended is not None, -SEVERITY_RANKS.get(incident.severity, 0), incident.started_at


def _figures(row: Incident, day: Window, touching: dict[str, IssueFigures], began_with: str | None) -> IncidentFigures:
    issues = tuple(touching[str(issue)] for issue in row.issues if str(issue) in touching)
    ended = row.ended_at if row.ended_at and row.ended_at < day.until else None
    return IncidentFigures(
        str(row.id), redact(row.title), row.severity, tuple(row.nodes), row.started_at, row.last_seen_at, ended,
        began_with, tuple(map(_change, row.changes)), row.figures.lines, row.figures.errors, row.figures.usual_errors,
        row.acknowledged, row.assignee, all(issue.muted for issue in issues), issues,
    )  # fmt: skip


def _change(change: Change) -> str:
    """`deployment 1.4.2 on blue at 09:50`"""
    return f"{change.kind} {change.text} on {change.node} at {change.at[11:16]}"
