"""An incident as one page in a terminal: facts, where it began, changes before, and its issues.

Here: order and wording. Where the data comes from: `incidents/read.py`.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.commands.screen.clock import Clock
from fleexmon_pipeline.incidents import sentences
from fleexmon_pipeline.incidents.read import Incident, IncidentDetail
from fleexmon_pipeline.wording import inert, inert_line, short_duration

SHORT_ID = 18  # characters of an id: its time in ms, which several issues may share, and 12 bits of its hash
_LABEL = 13


def page(detail: IncidentDetail, clock: Clock) -> str:
    incident = detail.incident
    lines = [
        inert_line(incident.title),
        "",
        *(f"  {name:<{_LABEL}}{inert_line(value)}" for name, value in _facts(incident, clock)),
        "",
        "Issues, oldest first",
    ]
    for issue in detail.issues:
        nodes, status = ", ".join(map(str, issue.nodes)) or "all nodes", issue.status or "–"
        lines.append(
            f"  {str(issue.id)[:SHORT_ID]}  {clock.minute(issue.detected_at)}  {inert_line(issue.severity):<8}  "
            f"{inert_line(status):<8}  {inert_line(nodes):<12}  {inert_line(issue.title)}"
        )
    if incident.changes:
        lines += ["", "Changes shortly before"]
    for change in incident.changes:
        at, text = clock.full_minute(datetime.fromisoformat(change.at)), inert_line(f"{change.node}: {change.text}")
        lines.append(f"  {at}  {change.kind:<13}  {text}")
    if detail.hypothesis:
        lines += ["", sentences.HYPOTHESIS, *(f"  {line}" for line in inert(detail.hypothesis).splitlines())]
    if detail.handling:
        lines += ["", "Actions by people"]
        lines += [
            f"  {clock.minute(row.at)}  {inert_line(row.by)}: {row.action}"
            + (f" to {inert_line(row.assignee or 'nobody')}" if row.action == "assign" else "")
            + (f" ({inert_line(row.why)})" if row.why else "")
            for row in detail.handling
        ]
    lines += [
        "",
        f"`fleexmon issues show {str(detail.issues[0].id)[:SHORT_ID]}` shows the first issue with its evidence.",
    ]
    return "\n".join(lines)


def _facts(incident: Incident, clock: Clock) -> list[tuple[str, str]]:
    length = short_duration(incident.last_seen_at - incident.started_at)
    facts = [
        ("id", str(incident.id)),
        ("state", f"{incident.status}, {incident.severity}{', muted' if incident.muted else ''}"),
        ("nodes", ", ".join(incident.nodes) or "all"),
        (
            "from, to",
            f"{clock.minute(incident.started_at)}, {clock.minute(incident.last_seen_at, named=True)} ({length})",
        ),
    ]
    if incident.ended_at:
        facts.append(("ended", f"{clock.minute(incident.ended_at, named=True)}"))
    facts.append(("errors", sentences.errors_of(incident)))
    if incident.first_pattern:
        facts.append(("began with", f"pattern {incident.first_pattern}"))
    if incident.acknowledged and incident.acknowledged_at:
        facts.append(
            ("acknowledged", f"by {incident.acknowledged}, {clock.minute(incident.acknowledged_at, named=True)}")
        )
    if incident.assignee:
        facts.append(("assigned to", incident.assignee))
    return facts
