"""An incident on one page of a terminal: what happened, where it began, what changed before, and its issues.

Here: order and wording. Where the data comes from: `incidents/read.py`.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.incidents.read import Incident, IncidentDetail
from fleexmon_pipeline.wording import counted, inert, inert_line, short_duration

SHORT_ID = 18  # characters of an id: its time in ms, which issues share, and 12 bits of its hash
_LABEL = 13


def page(detail: IncidentDetail) -> str:
    incident = detail.incident
    lines = [
        inert_line(incident.title),
        "",
        *(f"  {name:<{_LABEL}}{inert_line(value)}" for name, value in _facts(incident)),
        "",
        "Issues, in the order in which they began",
    ]
    for issue in detail.issues:
        nodes, status = ", ".join(map(str, issue.nodes)) or "all nodes", issue.status or "–"
        lines.append(
            f"  {str(issue.id)[:SHORT_ID]}  {minute(issue.detected_at)}  {inert_line(issue.severity):<8}  "
            f"{inert_line(status):<8}  {inert_line(nodes):<12}  {inert_line(issue.title)}"
        )
    if incident.changes:
        lines += ["", "What changed just before"]
        lines += [
            f"  {change.at[:16].replace('T', ' ')}  {change.kind:<13}  {inert_line(f'{change.node}: {change.text}')}"
            for change in incident.changes
        ]
    if detail.hypothesis:
        lines += ["", "What GenAI thinks (unproven)", *(f"  {line}" for line in inert(detail.hypothesis).splitlines())]
    if detail.handling:
        lines += ["", "What people did"]
        lines += [
            f"  {minute(row.at)}  {inert_line(row.by)}: {row.action}"
            + (f" to {inert_line(row.assignee or 'nobody')}" if row.action == "assign" else "")
            + (f" ({inert_line(row.why)})" if row.why else "")
            for row in detail.handling
        ]
    lines += [
        "",
        f"`fleexmon issues show {str(detail.issues[0].id)[:SHORT_ID]}` shows the first issue with its evidence.",
    ]
    return "\n".join(lines)


def _facts(incident: Incident) -> list[tuple[str, str]]:
    length = short_duration(incident.last_seen_at - incident.started_at)
    figures = incident.figures
    facts = [
        ("id", str(incident.id)),
        ("state", f"{incident.status}, {incident.severity}{', muted' if incident.muted else ''}"),
        ("nodes", ", ".join(incident.nodes) or "all"),
        ("from, to", f"{minute(incident.started_at)}, {minute(incident.last_seen_at)} UTC ({length})"),
    ]
    if incident.ended_at:
        facts.append(("ended", f"{minute(incident.ended_at)} UTC"))
    errors = f"{counted(figures.errors, 'error')} of {counted(figures.lines, 'line')}"
    facts.append(("errors", f"{errors}; {figures.usual_errors:g} errors in such a time the day before"))
    if incident.first_pattern:
        facts.append(("began with", f"pattern {incident.first_pattern}"))
    if incident.acknowledged and incident.acknowledged_at:
        facts.append(("acknowledged", f"by {incident.acknowledged}, {minute(incident.acknowledged_at)} UTC"))
    if incident.assignee:
        facts.append(("assigned to", incident.assignee))
    return facts


def minute(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M}"
