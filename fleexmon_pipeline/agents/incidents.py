"""Incidents: the list, and the case file of one.

Here: answers for agents. Queries: `incidents/read.py`, `issues/read.py`, `issues/context.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from fleexmon_pipeline import settings
from fleexmon_pipeline.agents.answer import Answer, Entry, when
from fleexmon_pipeline.agents.arguments import Id, NodeName, Paged, Since, ToolCall
from fleexmon_pipeline.comparison.deployments import deployments
from fleexmon_pipeline.comparison.recent_deployments import DeploymentResult, compare_deployment
from fleexmon_pipeline.incidents.read import Incident, list_incidents, show_incident
from fleexmon_pipeline.issues.context import SimilarIssue, issue_context
from fleexmon_pipeline.issues.read import EvidenceLine, IssueSummary, show_issue
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, trouble_halves
from fleexmon_pipeline.window import DAY, HOUR, Window, ceil

PAGE = 40
SHORT_ID = 18  # characters
MAX_ISSUES = 6  # of a case file
MAX_CHANGES = 5
MAX_SIMILAR = 3
MAX_REASONS = 3
MAX_WORDS = 60  # tokens of a title
DEPLOYED_BEFORE = 7 * DAY  # an older deployment is not mentioned


class ListIncidents(Paged):
    state: Literal["open", "resolved", "all"] = "open"
    severity: Annotated[
        Literal["critical", "high", "medium", "low"] | None, Field(description="Only those of this severity.")
    ] = None
    node: NodeName | None = None
    since: Annotated[Since | None, Field(description="Only those that were seen since then.")] = None


class ShowIncident(Paged):
    id: Annotated[Id, Field(description="Of an incident or of one of its issues; or its unique beginning.")]


def listed(call: ToolCall, arguments: ListIncidents) -> Answer:
    since, offset = call.time("since", arguments.since) if arguments.since else None, call.offset()
    incidents = list_incidents(
        call.connection,
        now=call.now,
        status=arguments.state,
        severities=[arguments.severity] if arguments.severity else None,
        node=call.node(arguments.node),
        during=Window(since, call.now + DAY) if since else None,
        limit=offset + PAGE + 1,
    )
    shown = incidents[offset : offset + PAGE]
    entries = [Entry(_summary(call, one), [offset + index + 1]) for index, one in enumerate(shown)]
    more = [offset + PAGE] if len(incidents) > offset + PAGE else None
    return Answer({"now": when(call.now)}, "incidents", entries, more)


def one(call: ToolCall, arguments: ShowIncident) -> Answer:
    """First everything about it, then, with the cursor, more of its evidence."""
    detail, offset = show_incident(call.connection, arguments.id, now=call.now), call.offset()
    incident, issues = detail.incident, detail.issues[:MAX_ISSUES]
    lines = list(_evidence(call, issues))
    entries = [
        Entry(_line(call, line, issue), [offset + index + 1]) for index, (line, issue) in enumerate(lines[offset:])
    ]
    if offset:
        return Answer({"id": str(incident.id)}, "evidence", entries)
    facts = {
        **_summary(call, incident),
        "page": settings.page_url("incident", incident.id, call.environment),
        "errors": incident.figures.errors,
        "lines": incident.figures.lines,
        "usual_errors": incident.figures.usual_errors,
        "first_pattern": incident.first_pattern,
        "assignee": incident.assignee and call.marks.line(incident.assignee, 15),
        "changes_before": [
            {
                "at": change.at,
                "node": call.marks.name(change.node),
                "kind": change.kind,
                "what": call.marks.line(change.text, 40),
            }
            for change in incident.changes[:MAX_CHANGES]
        ],
        "issues": [_issue(call, issue) for issue in issues],
        "more_issues": len(detail.issues) - len(issues),
        "people": [
            {"at": when(done.at), "did": done.action, "words": call.marks.line(f"{done.by}: {done.why}", 30)}
            for done in detail.handling[-3:]
        ],
        "cause_unproven": detail.hypothesis and call.marks.block(detail.hypothesis, 150),
        "last_24_hours": _bars(call, incident),
        "last_deployment": _deployment(call, incident),
        **_context(call, incident),
    }
    return Answer({name: value for name, value in facts.items() if value not in (None, [], 0)}, "evidence", entries)


def _summary(call: ToolCall, incident: Incident) -> dict[str, Any]:
    return {
        "id": str(incident.id),
        "title": call.marks.line(incident.title, MAX_WORDS),
        "severity": call.marks.name(incident.severity),
        "status": incident.status + (", muted" if incident.muted else ""),
        "nodes": [call.marks.name(node) for node in incident.nodes[:10]],
        "began": when(incident.started_at),
        "last_seen": when(incident.last_seen_at),
        "ended": incident.ended_at and when(incident.ended_at),
        "issue_count": len(incident.issues),
        "acknowledged": incident.acknowledged is not None,
    }


def _issue(call: ToolCall, issue: IssueSummary) -> dict[str, Any]:
    return {
        "id": str(issue.id),
        "title": call.marks.line(issue.title, 40),
        "severity": call.marks.name(issue.severity),
        "status": call.marks.name(issue.status),
        "began": when(issue.detected_at),
        "by": call.marks.name(issue.source),
    }


def _evidence(call: ToolCall, issues: list[IssueSummary]) -> Iterator[tuple[EvidenceLine, IssueSummary]]:
    """The newest lines of each issue, each line once."""
    seen = set()
    for issue in issues:
        for line in show_issue(call.connection, str(issue.id)).evidence:
            if line.id not in seen:
                seen.add(line.id)
                yield line, issue


def _line(call: ToolCall, line: EvidenceLine, issue: IssueSummary) -> dict[str, Any]:
    return {
        "line": str(line.id), "at": when(line.timestamp), "node": call.marks.name(line.node),
        "level": call.marks.name(line.level), "message": call.marks.line(line.message, 120),
        "of_issue": str(issue.id)[:SHORT_ID],
    }  # fmt: skip


def _bars(call: ToolCall, incident: Incident) -> dict[str, Any]:
    until = ceil(min(incident.last_seen_at + HOUR, max(call.now, incident.last_seen_at)), HALF_HOUR)
    day = Window(until - DAY, until)
    halves = trouble_halves(call.connection, day, incident.nodes)
    return {
        "since": when(day.since),
        "minutes_a_bar": HALF_HOUR.seconds // 60,
        "errors": _run_lengths([half and half[0] for half in halves]),
        "warnings": _run_lengths([half and half[1] for half in halves]),
        "how": "values in order, as value or value*times; ? where no node responded",
    }


def _run_lengths(values: list[int | None]) -> str:
    """`0*40 3 12 ?*2 7`: 48 bars would be a tenth of an answer."""
    runs: list[tuple[str, int]] = []
    for value in values:
        text = "?" if value is None else str(value)
        runs[-1:] = [(text, runs[-1][1] + 1)] if runs and runs[-1][0] == text else [*runs[-1:], (text, 1)]
    return " ".join(text if times == 1 else f"{text}*{times}" for text, times in runs)


def _deployment(call: ToolCall, incident: Incident) -> dict[str, Any] | None:
    """The last deployment on its nodes before it was last seen, and its verdict."""
    before = Window(incident.last_seen_at - DEPLOYED_BEFORE, incident.last_seen_at)
    recent = deployments(call.connection, before, nodes=incident.nodes or None, limit=1)
    if not recent:
        return None
    deployed, live = recent[0], settings.live_node(call.environment)
    compared: DeploymentResult = compare_deployment(call.connection, deployed, live=live, now=call.now)
    outcome = compared.comparison.outcome if compared.comparison else None
    return {
        "node": call.marks.name(deployed.node),
        "version": call.marks.name(deployed.version),
        "at": when(deployed.at),
        "when": "before it began" if deployed.at < incident.started_at else "while it went on",
        "verdict": outcome.verdict if outcome else "none",
        "why": [call.marks.line(reason, 40) for reason in (outcome.reasons if outcome else [compared.sentence])][
            :MAX_REASONS
        ],
    }


def _context(call: ToolCall, incident: Incident) -> dict[str, Any]:
    """The context of the issue that gives the incident its name."""
    issue = show_issue(call.connection, str(incident.headline)).issue
    around = issue_context(call.connection, issue)
    return {
        "description": call.marks.block(issue.description, 200),
        "recommendation": issue.recommendation and call.marks.block(issue.recommendation, 150),
        "runbook": issue.figures.get("runbook") and call.marks.name(str(issue.figures["runbook"])),
        "similar_before": [_similar(call, similar) for similar in around.similar[:MAX_SIMILAR]],
    }


def _similar(call: ToolCall, similar: SimilarIssue) -> dict[str, Any]:
    shown = {
        "id": str(similar.id),
        "title": call.marks.line(similar.title, 40),
        "began": when(similar.detected_at),
        "resolved": similar.resolved_at and when(similar.resolved_at),
        "same_problem": bool(similar.same),
        "people_called_it": similar.verdict,
        "why": similar.why and call.marks.line(similar.why, 30),
        "cause": similar.root_cause and call.marks.line(similar.root_cause, 40),
    }
    return {name: value for name, value in shown.items() if value is not None}
