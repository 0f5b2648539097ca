"""Incidents: the list, and one incident with its issues, changes before it, and people's actions.

The data: `incidents/read.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents import sentences
from fleexmon_pipeline.incidents.read import Incident, list_incidents, show_incident
from fleexmon_pipeline.issues.read import Status, UnknownIssueError
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, trouble_halves
from fleexmon_pipeline.web.pages.charts import Bar, Mark, timeline
from fleexmon_pipeline.web.pages.issues import SHORT_ID, prose, rows_of
from fleexmon_pipeline.web.pages.page import Page
from fleexmon_pipeline.web.pages.page_request import NotFoundError, PageRequest
from fleexmon_pipeline.window import DAY, HOUR, Window, ceil
from fleexmon_pipeline.wording import counted, short_duration

PAGE_LENGTH = 40
MAX_ISSUES = 30


def listed(connection: Connection, page_request: PageRequest) -> Page:
    """The list, the most recently seen first. Parameters: state, severity, node, page."""
    state = page_request.choice("state", ("open", "resolved", "all"), "open")
    severity = page_request.choice("severity", ("critical", "high", "medium", "low"))
    node, number = page_request.text("node"), page_request.number("page")
    incidents = list_incidents(
        connection,
        now=page_request.now,
        status=cast(Status, state),
        severities=[severity] if severity else None,
        node=node,
        limit=number * PAGE_LENGTH + 1,
    )
    shown = incidents[(number - 1) * PAGE_LENGTH : number * PAGE_LENGTH]
    kind = "incident" if state == "all" else f"{state} incident"
    return Page(
        "incidents",
        "Incidents",
        "incident",
        {
            "incidents": shown,
            "length": length,
            "summary": f"{counted(len(shown), kind)} on this page." if shown else f"No {kind} matches.",
            "number": number,
            "older": number + 1 if len(incidents) > number * PAGE_LENGTH else None,
            "state": state,
            "severity": severity,
            "node": node,
            "nodes": sorted({*known_nodes(connection), *([node] if node else [])}),
        },
    )


def one(connection: Connection, page_request: PageRequest) -> Page:
    """An incident by its id, that of one of its issues, or a unique prefix."""
    try:
        detail = show_incident(connection, page_request.name, now=page_request.now)
    except UnknownIssueError as error:
        raise NotFoundError(str(error)) from None
    incident = detail.incident
    until = ceil(min(incident.last_seen_at + HOUR, max(page_request.now, incident.last_seen_at)), HALF_HOUR)
    day, marks = Window(until - DAY, until), _marks(incident)
    return Page(
        "incident",
        incident.title,
        "incident",
        {
            "incident": incident,
            "length": length(incident),
            "sentences": sentences,
            "chart": timeline(_bars(connection, day, incident.nodes), HALF_HOUR, "Errors by half hour", marks),
            "day": day,
            "issues": rows_of(connection, detail.issues[:MAX_ISSUES], now=page_request.now),
            "more": len(detail.issues) - MAX_ISSUES,
            "handling": detail.handling,
            "hypothesis": detail.hypothesis,
            "prose": prose,
            "commands": _commands(incident),
        },
    )


def length(incident: Incident) -> str:
    return short_duration(incident.last_seen_at - incident.started_at)


def _bars(connection: Connection, day: Window, nodes: list[str]) -> list[Bar]:
    """Errors and warnings of the incident's nodes."""
    return [
        Bar(day.since + half * HALF_HOUR, {"error": lines[0], "warn": lines[1]} if lines else None)
        for half, lines in enumerate(trouble_halves(connection, day, nodes))
    ]


def _marks(incident: Incident) -> list[Mark]:
    marks = [Mark(incident.started_at, "start")]
    for change in incident.changes:
        at = datetime.fromisoformat(change.at)
        text = f"{change.node} {change.text}" if change.kind == "deployment" else f"{change.node}: {change.kind}"
        marks.append(Mark(at, text))
    return marks


def _commands(incident: Incident) -> list[tuple[str, str]]:
    key = str(incident.id)[:SHORT_ID]
    commands = []
    if incident.is_open:
        commands.append(("Acknowledge it.", f"fleexmon incidents ack {key}"))
        commands.append(("Assign it to a person.", f"fleexmon incidents assign {key} --to NAME"))
        commands.append(("Resolve all its issues.", f"fleexmon incidents resolve {key}"))
    commands.append(("Show it in a terminal.", f"fleexmon incidents show {key}"))
    return commands
