"""Issues: the list, and one issue with everything that `fleexmon issues show` prints.

The data: `issues/read.py`, `issues/context.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast
from uuid import UUID

from markupsafe import Markup

from fleexmon_pipeline import settings
from fleexmon_pipeline.archive.storage import ArchiveError
from fleexmon_pipeline.comparison.deployments import Deployment, deployments
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.detection.rule_model import Rule, counted_levels
from fleexmon_pipeline.incidents.changes import Change, read_restarts
from fleexmon_pipeline.incidents.read import acknowledged_by, incident_of
from fleexmon_pipeline.issues import people
from fleexmon_pipeline.issues.context import IssueContext, LastDay, issue_context
from fleexmon_pipeline.issues.read import (
    FiredSlot,
    Issue,
    IssueDetail,
    IssueFilter,
    IssueSummary,
    Status,
    UnknownIssueError,
    half_hours_before_last,
    list_issues,
    show_issue,
)
from fleexmon_pipeline.issues.runbooks import runbook
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR
from fleexmon_pipeline.lookup.lines import LogLine, neighbours
from fleexmon_pipeline.web.pages.charts import Bar, Mark, sparkline, timeline
from fleexmon_pipeline.web.pages.markdown import to_html
from fleexmon_pipeline.web.pages.page import Page, fitted, presentable
from fleexmon_pipeline.web.pages.page_request import BadRequestError, NotFoundError, PageRequest
from fleexmon_pipeline.window import Window, floor
from fleexmon_pipeline.wording import counted

PAGE_LENGTH = 40
MAX_WITH_CONTEXT = 6  # evidence lines shown with their neighbours; others link to them
MAX_SLOTS = 12
MAX_PROSE = 6_000  # bytes of a description, cause or recommendation
SHORT_ID = 18
ONE_START = timedelta(minutes=15)  # restart lines this close belong to one start


class Place(NamedTuple):
    at: datetime
    id: UUID


@dataclass(frozen=True)
class Row:
    row: IssueSummary
    muted: bool
    acknowledged: str | None  # by whom
    spark: Markup
    figures: str


def listed(connection: Connection, page_request: PageRequest) -> Page:
    """The list, newest first. Parameters: state, severity, node, rule, q; at and id: of the last issue shown before."""
    at, after = page_request.moment("at"), page_request.id("id")
    if (at is None) != (after is None):
        raise BadRequestError("at and id: give both, or none of them.")
    state = page_request.choice("state", ("open", "resolved", "all"), "open")
    wanted = IssueFilter(
        status=cast(Status, state),
        severity=page_request.choice("severity", ("critical", "high", "medium", "low")),
        node=page_request.text("node"),
        rule=page_request.text("rule"),
        words=page_request.text("q"),
        before=(at, after) if at and after else None,
    )
    issues = list_issues(connection, wanted, limit=PAGE_LENGTH + 1)
    more, issues = len(issues) > PAGE_LENGTH, issues[:PAGE_LENGTH]
    rows = rows_of(connection, issues, now=page_request.now)
    last = issues[-1] if more else None
    return Page(
        "issues",
        "Issues",
        "issue",
        {
            "issues": rows,
            "older": Place(last.updated_at, last.id) if last else None,
            "summary": _summary(len(issues), state or "open", more=more, muted=sum(row.muted for row in rows)),
            "state": state,
            "severity": wanted.severity,
            "node": wanted.node,
            "rule": wanted.rule,
            "q": wanted.words,
            "nodes": _with(known_nodes(connection), wanted.node),
            "rules": _with(sorted(rule.name for rule in _rules()), wanted.rule),
        },
    )


def one(connection: Connection, page_request: PageRequest) -> Page:
    """An issue by its id or a unique prefix."""
    try:
        detail = show_issue(connection, page_request.name)
    except UnknownIssueError as error:
        raise NotFoundError(str(error)) from None
    issue = detail.issue
    around = issue_context(connection, issue, counted_levels(_rules()))
    day = Window(around.last_day.since, around.last_day.until)
    deployed = deployments(connection, day, nodes=issue.nodes or None)
    restarts = _apart(read_restarts(connection, issue.nodes or [], day), deployed)
    near, unread = _near(connection, detail)
    book = runbook(str(issue.figures.get("runbook")))
    evidence = [
        (LogLine(line.id, line.timestamp, line.node, "", line.level, line.message, None), near.get(line.id, []))
        for line in detail.evidence
    ]
    return Page(
        "issue",
        issue.title,
        "issue",
        {
            "issue": issue,
            "around": around,
            "incident": incident_of(connection, issue.id),
            "acknowledged": acknowledged_by(connection, [issue.id]).get(issue.id),
            "mutes": [
                mute for mute in people.mutes(connection, now=page_request.now) if mute.scope.covers(issue.figures)
            ],
            "chart": _chart(around.last_day, detail.occurrences, deployed, restarts),
            "day_text": _day_text(around, detail.occurrences, deployed, restarts),
            "prose": prose,
            "evidence": evidence,
            "unread": unread,
            "fired": detail.occurrences[:MAX_SLOTS],
            "deployed": deployed,
            "commands": _commands(issue),
            "runbook": to_html(book) if book else None,
        },
    )


def _near(connection: Connection, detail: IssueDetail) -> tuple[Mapping[UUID, list[LogLine]], str | None]:
    """Lines around the evidence, and why they or the evidence cannot be read."""
    try:
        near = neighbours(connection, [line.id for line in detail.evidence[:MAX_WITH_CONTEXT]])
    except ArchiveError as error:
        return {}, detail.unread or str(error)
    return near, detail.unread


def rows_of(connection: Connection, issues: list[IssueSummary], *, now: datetime) -> list[Row]:
    """Issues as a list shows them."""
    muted = people.muted_issues(connection, now=now)
    ids = [issue.id for issue in issues]
    acknowledged, halves = acknowledged_by(connection, ids), half_hours_before_last(connection, ids)
    label = "lines by half hour, in the 24 hours up to the last firing"
    return [
        Row(issue, issue.id in muted, acknowledged.get(issue.id), sparkline(halves[issue.id], label), _figures(issue))
        for issue in issues
    ]


def _rules() -> Sequence[Rule]:
    """The rules in force. Cached until a file changes, because parsing takes 60 ms."""
    directory = settings.rules_directory()
    try:
        files = sorted((file.name, file.stat().st_mtime_ns) for file in directory.iterdir()) if directory else []
    except OSError:
        files = []
    return _read_rules(directory, tuple(files))


@lru_cache(maxsize=2)
def _read_rules(directory: Path | None, _: tuple[tuple[str, int], ...]) -> Sequence[Rule]:
    return all_rules(directory).rules


def prose(text: str) -> Markup:
    """Text of a rule or of GenAI as HTML."""
    return to_html(fitted(presentable(text[: 2 * MAX_PROSE]), MAX_PROSE))


def _figures(issue: IssueSummary) -> str:
    """Other programs may store any JSON as figures."""
    slots, lines = issue.occurrences, issue.affected_count
    parts = [counted(slots, "slot")] if isinstance(slots, int) else []
    parts += [counted(lines, "line")] if isinstance(lines, int) else []
    return ", ".join(parts) or "–"


def _summary(shown: int, state: str, *, more: bool, muted: int) -> str:
    kind = "issue" if state == "all" else f"{state} issue"
    if not shown:
        return f"No {kind} matches."
    quiet = f", {muted} of them muted" if muted else ""
    return f"{counted(shown, kind)} on this page{quiet}{'; there are more' if more else ''}."


def _with(options: list[str], chosen: str | None) -> list[str]:
    """The options of a form field, including the chosen one even if it no longer exists."""
    return options if chosen is None or chosen in options else [*options, chosen]


def _chart(day: LastDay, fired: list[FiredSlot], deployed: list[Deployment], restarts: list[Change]) -> Markup:
    firing = {floor(slot.slot, HALF_HOUR) for slot in fired}
    bars = []
    for index, lines in enumerate(day.lines):
        start = day.since + index * HALF_HOUR
        kind = "fired" if start in firing else "lines"
        bars.append(Bar(start, None if lines is None else {kind: lines}))
    marks = [Mark(one.at, f"{one.node} {one.version}") for one in deployed]
    marks += [Mark(datetime.fromisoformat(one.at), f"{one.node} restarted") for one in restarts]
    return timeline(bars, HALF_HOUR, f"{day.of}, by half hour", marks)


def _apart(restarts: list[Change], deployed: list[Deployment]) -> list[Change]:
    """Restarts without duplicates (a start logs several lines), and without those that a deployment explains."""
    taken = [(one.node, one.at) for one in deployed]
    kept = []
    for restart in restarts:
        at = datetime.fromisoformat(restart.at)
        if not any(node == restart.node and abs(at - other) <= ONE_START for node, other in taken):
            taken.append((restart.node, at))
            kept.append(restart)
    return kept


def _day_text(around: IssueContext, fired: list[FiredSlot], deployed: list[Deployment], restarts: list[Change]) -> str:
    day = around.last_day
    counts = [lines for lines in day.lines if lines is not None]
    span = f"{day.since:%Y-%m-%d %H:%M} to {day.until:%Y-%m-%d %H:%M} UTC"
    parts = [f"{span}, {day.of}: {sum(counts):,}, highest {max(counts, default=0):,} in half an hour"]
    if fired:
        parts.append("red: the rule fired")
    if len(counts) < len(day.lines):
        parts.append("hatched: not collected")
    if deployed or restarts:
        parts.append("dashed: " + " and ".join(["a deployment"] * bool(deployed) + ["a restart"] * bool(restarts)))
    return "; ".join(parts) + "."


def _commands(issue: Issue) -> list[tuple[str, str]]:
    """Commands to copy, with their explanations. The pages are read-only, so they have no buttons."""
    key = str(issue.id)[:SHORT_ID]
    resolve = f"fleexmon issues resolve {key}"
    commands = []
    if issue.status != "resolved":
        commands.append(("Resolve it. If it recurs, a new issue links back to this one.", resolve))
        commands.append(("Resolve it as noise. Backtests then count it as a false alarm.", f"{resolve} --as noise"))
        commands.append(("Acknowledge it.", f"fleexmon issues ack {key}"))
    if issue.figures.get("fingerprint"):
        commands.append(("Stop notifications for a week.", f'fleexmon issues mute {key} --for 7d --why "…"'))
    commands.append(("Show it in a terminal.", f"fleexmon issues show {key}"))
    if issue.nodes:
        since, until = issue.detected_at - HALF_HOUR, issue.updated_at + HALF_HOUR
        span = f"--since {since:%Y-%m-%dT%H:%M} --until {until:%Y-%m-%dT%H:%M}"
        commands.append(("Print its log lines.", f"fleexmon logs --node {shlex.quote(issue.nodes[0])} {span}"))
    return commands
