"""The first page: nodes with their last day, what is open, what waits, and how fresh all of it is.

Here: what the page shows. Where it comes from: `lookup/overview.py`, `lookup/nodes.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.read import list_incidents
from fleexmon_pipeline.issues.read import IssueFilter, list_issues
from fleexmon_pipeline.lookup.lines import HALF_HOUR, coverage_halves
from fleexmon_pipeline.lookup.nodes import NodeState, node_states, watched_nodes
from fleexmon_pipeline.lookup.overview import Freshness, overview
from fleexmon_pipeline.web.pages.asked import Asked
from fleexmon_pipeline.web.pages.charts import strip
from fleexmon_pipeline.web.pages.incidents import length
from fleexmon_pipeline.web.pages.issues import rows_of
from fleexmon_pipeline.web.pages.page import Page, ago
from fleexmon_pipeline.window import DAY, HOUR, Window, ceil
from fleexmon_pipeline.wording import counted

MAX_INCIDENTS = 12
MAX_ISSUES = 40
MAX_WAITING = 12
MAX_NODES = 60
LATE = timedelta(minutes=20)  # a tick every 5 minutes, and one that failed or was slow


@dataclass(frozen=True)
class NodeRow:
    state: NodeState
    strip: Markup
    text: str


@dataclass(frozen=True)
class Stage:
    """How far a stage has come. `late`: something is wrong with it, or with what it waits for."""

    name: str
    asset: str
    text: str
    late: bool


def shown(connection: Connection, asked: Asked) -> Page:
    now = asked.now
    nodes, demo = watched_nodes(os.environ)
    states = node_states(connection, nodes, demo=demo, now=now)
    until = ceil(now, HALF_HOUR)
    day = Window(until - DAY, until)
    halves = coverage_halves(connection, day)
    state = overview(connection, now=now)
    open_incidents = list_incidents(connection, now=now, limit=MAX_INCIDENTS)
    told = {issue for incident in open_incidents for issue in incident.issues}
    issues = [issue for issue in list_issues(connection, IssueFilter(), limit=MAX_ISSUES) if issue.id not in told]
    stages = _stages(state.freshness, now)
    total = sum(state.open.values())
    return Page(
        "now",
        "Now",
        "now",
        {
            "nodes": [_node(one, halves.get(one.node, {}), day, now) for one in states[:MAX_NODES]],
            "more_nodes": len(states) - MAX_NODES,
            "unwatched": not nodes,
            "day": day,
            "state": state,
            "stages": stages,
            "verdict": _verdict(stages, state.open, states),
            "total": total,
            "severities": ", ".join(f"{count} {name}" for name, count in state.open.items()) or "none",
            "incidents": open_incidents,
            "length": length,
            "issues": rows_of(connection, issues, now=now),
            "waiting": state.waiting[:MAX_WAITING],
            "more_waiting": len(state.waiting) - MAX_WAITING,
        },
    )


def _node(state: NodeState, halves: dict[int, str], day: Window, now: datetime) -> NodeRow:
    cells = []
    for half in range(DAY // HALF_HOUR):
        start = day.since + half * HALF_HOUR
        status = halves.get(half) or ("pending" if start + HALF_HOUR > now else "unknown")
        cells.append((status, f"{start:%H:%M}"))
    text = "no line yet" if state.last_line is None else f"last line {ago(state.last_line, now)}"
    if state.gaps["hours"]:
        text += f", {counted(state.gaps['hours'], 'hour')} with gaps"
    if state.rejected:
        text += f", {counted(state.rejected, 'record')} rejected"
    if not state.watched:
        text += ", no longer watched"
    return NodeRow(state, strip(cells, f"Coverage of {state.node} by half hour"), text)


def _stages(fresh: Freshness, now: datetime) -> list[Stage]:
    judged = None if fresh.judged_hour is None else fresh.judged_hour + HOUR
    digest = None if fresh.digest is None else datetime.combine(fresh.digest, datetime.min.time(), now.tzinfo) + DAY
    return [
        _until("Collected", "raw_logs", fresh.collected, now, LATE),
        _until("Counted by pattern", "analyzed_logs", fresh.analyzed, now, LATE),
        _until("Evaluated by rules", "detected_issues", judged, now, LATE + HOUR),
        _until("Summed up in a digest", "digests", digest, now, 2 * DAY),
    ]


def _until(name: str, asset: str, moment: datetime | None, now: datetime, allowed: timedelta) -> Stage:
    if moment is None:
        return Stage(name, asset, "nothing in the last week", late=True)
    return Stage(name, asset, f"until {min(moment, now):%Y-%m-%d %H:%M}", late=now - moment > allowed)


def _verdict(stages: list[Stage], severities: dict[str, int], nodes: list[NodeState]) -> tuple[str, str]:
    """A word for the colour, and a sentence. What is not known never looks healthy."""
    late = next((stage for stage in stages if stage.late and stage.asset != "digests"), None)
    if not nodes:
        return "no-data", "No node was polled yet. `fleexmon up` polls every five minutes."
    if late:
        return "incomplete", f"{late.name} {late.text}: later than it should be."
    if silent := [node.node for node in nodes if node.watched and node.gaps["hours"]]:
        gaps = f"{', '.join(silent)}: hours with gaps, which are retried."
    else:
        gaps = ""
    urgent = severities.get("critical", 0) + severities.get("high", 0)
    if urgent:
        return "attention", f"{counted(urgent, 'high or critical issue')} open. {gaps}".strip()
    if gaps:
        return "incomplete", gaps
    return "healthy", "All nodes are collected, and nothing high or critical is open."
