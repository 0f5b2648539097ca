"""How GitHub shows an incident: the title and body of its issue, and the comments.

Here: Markdown. Which incidents, and when: `alerts.py`; what is read for them: `incidents/story.py`;
sentences that channels share: `incidents/sentences.py`. All text from log lines, GenAI and people is escaped by
`escape.py`.
"""

from __future__ import annotations

from fleexmon_pipeline.incidents import sentences
from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.incidents.story import Story
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting import escape
from fleexmon_pipeline.wording import UNKNOWN, sparkline

MAX_ISSUES = 20
MAX_PROSE = 3_000


def title(incident: Incident) -> str:
    """`[high] New error on blue: connect ETIMEDOUT <ip> (412 errors in 35 min)`"""
    return f"[{word(incident.severity)}] {escape.title(redact(incident.title))}"


def body(story: Story, *, page: str | None) -> str:
    """`page`: address of the incident's page, if people can open one."""
    incident = story.incident
    parts = [
        _lead(story),
        _bars(story),
        *_evidence(story),
        *_changes(incident),
        *([f"## First steps\n\n{prose(story.steps)}"] if story.steps else []),
        *([f"## {sentences.HYPOTHESIS}\n\n{prose(story.hypothesis)}"] if story.hypothesis else []),
        _issues(story),
        _where_to_look(incident, page),
    ]
    return "\n\n".join(parts) + "\n"


def _lead(story: Story) -> str:
    incident = story.incident
    lead = [
        f"**{word(incident.severity).capitalize()}** on {nodes(incident)}. {sentences.state(incident)}",
        f"{sentences.errors_of(incident)}.",
    ]
    if story.began_with:
        lead.append(sentences.began_with(escape.code(story.began_with, most=200)))
    people = [
        f"Acknowledged by {escape.code(incident.acknowledged, most=60)}." if incident.acknowledged else "",
        f"Assigned to {escape.code(incident.assignee, most=60)}." if incident.assignee else "",
    ]
    return "\n".join([*lead, *filter(None, people)])


def _bars(story: Story) -> str:
    bars = story.bars
    unknown = f" ({UNKNOWN} not collected)" if None in bars.errors else ""
    most = max((errors for errors in bars.errors if errors is not None), default=0)
    return (
        f"Errors per 5 minutes, {bars.since:%H:%M} to {bars.until:%H:%M} UTC, highest {most:,}{unknown}:\n\n"
        f"`{sparkline(bars.errors)}`"
    )


def _evidence(story: Story) -> list[str]:
    unread = [f"Some evidence cannot be read: {escape.prose(story.unread)}"] if story.unread else []
    if not story.evidence:
        return unread
    rows = "\n".join(
        f"- {line.timestamp:%H:%M:%S} {escape.code(line.node, most=40)} {escape.code(line.level, most=10)} "
        f"{escape.code(line.message, most=300)}"
        for line in story.evidence
    )
    return [f"## Evidence: the first lines\n\n{rows}", *unread]


def _changes(incident: Incident) -> list[str]:
    if not incident.changes:
        return []
    rows = "\n".join(
        f"- {change.at[11:16]} {change.kind} on {escape.code(change.node, most=40)}: {escape.code(change.text)}"
        for change in incident.changes
    )
    return [f"## Changes shortly before\n\n{rows}"]


def _issues(story: Story) -> str:
    rows = "\n".join(
        f"- {sentences.utc(issue.detected_at)} {word(issue.severity)}, {_status(issue.status)}: "
        f"{escape.code(redact(issue.title), most=120)} `fleexmon issues show {str(issue.id)[:18]}`"
        for issue in story.issues[:MAX_ISSUES]
    )
    more = len(story.issues) - MAX_ISSUES
    return f"## Issues\n\n{rows}" + (f"\n- and {more} more" if more > 0 else "")


def _where_to_look(incident: Incident, page: str | None) -> str:
    command = f"Details: `fleexmon incidents show {incident.id}`"
    return f"{command}, or {page}" if page else command


# -- comments -------------------------------------------------------------------------------------------------------


def worse(incident: Incident, before: str) -> str:
    return (
        f"{sentences.rose(word(before), word(incident.severity))} Seen at {sentences.utc(incident.last_seen_at)}: "
        f"{prose(incident.title, 200)}"
    )


def joined(incident: Incident, new: list[str]) -> str:
    """`new`: the nodes that joined."""
    names = [escape.code(node, most=60) for node in new]
    return f"{sentences.spread(names)} Seen at {sentences.utc(incident.last_seen_at)}."


def ended(incident: Incident, reason: str) -> str:
    why = f" {prose(reason, 300)}" if reason else ""
    return f"{sentences.ended(incident)} {sentences.errors_of(incident)}.{why}"


def returned(incident: Incident) -> str:
    return (
        f"{sentences.RETURNED} Severity {word(incident.severity)}, seen at {sentences.utc(incident.last_seen_at)}: "
        f"{prose(incident.title, 200)} `fleexmon incidents show {str(incident.id)[:18]}`"
    )


def merged(other: str) -> str:
    """`other`: the title of the GitHub issue that continues."""
    return sentences.merged(prose(other, 200))


# -- words ----------------------------------------------------------------------------------------------------------


def prose(text: str, most: int = MAX_PROSE) -> str:
    return escape.prose(redact(text), most=most)


def word(severity: str) -> str:
    """One of our severities unchanged; another program's escaped."""
    return severity if severity in SEVERITY_RANKS else escape.mermaid(severity, most=20)


def _status(status: str | None) -> str:
    return status if status in ("open", "resolved") else escape.code(status or "unknown", most=20)


def nodes(incident: Incident) -> str:
    return ", ".join(escape.code(node, most=60) for node in incident.nodes[:10]) or "all nodes"
