"""The first page: nodes with their last day, open incidents, pending hours, and how up to date each stage is.

The data: `lookup/now.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.read import IssueFilter, list_issues
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR
from fleexmon_pipeline.lookup.nodes import NodeState
from fleexmon_pipeline.lookup.now import HEALTH_TEXTS, NodeDay, Stage, read_now, until_text
from fleexmon_pipeline.web.pages.charts import strip
from fleexmon_pipeline.web.pages.incidents import length
from fleexmon_pipeline.web.pages.issues import rows_of
from fleexmon_pipeline.web.pages.page import Page, ago
from fleexmon_pipeline.web.pages.page_request import PageRequest
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted

MAX_INCIDENTS = 12
MAX_ISSUES = 40
MAX_WAITING = 12
MAX_NODES = 60


@dataclass(frozen=True)
class NodeRow:
    state: NodeState
    strip: Markup
    text: str


@dataclass(frozen=True)
class StageRow:
    name: str
    asset: str
    text: str
    late: bool


def shown(connection: Connection, page_request: PageRequest) -> Page:
    now = page_request.now
    current = read_now(connection, os.environ, now=now, max_incidents=MAX_INCIDENTS)
    in_incidents = {issue for incident in current.incidents for issue in incident.issues}
    issues = [
        issue for issue in list_issues(connection, IssueFilter(), limit=MAX_ISSUES) if issue.id not in in_incidents
    ]
    state = current.overview
    return Page(
        "now",
        "Now",
        "now",
        {
            "nodes": [_node(node, current.day, now) for node in current.first_nodes(MAX_NODES)],
            "more_nodes": len(current.nodes) - MAX_NODES,
            "unwatched": not current.configured,
            "day": current.day,
            "state": state,
            "stages": [_stage(stage) for stage in current.stages],
            "verdict": (current.health, HEALTH_TEXTS[current.health], current.sentence),
            "total": sum(state.open.values()),
            "severities": ", ".join(f"{count} {name}" for name, count in state.open.items()) or "none",
            "incidents": current.incidents,
            "length": length,
            "issues": rows_of(connection, issues, now=now),
            "waiting": state.waiting[:MAX_WAITING],
            "more_waiting": len(state.waiting) - MAX_WAITING,
        },
    )


def _node(node: NodeDay, day: Window, now: datetime) -> NodeRow:
    state = node.state
    cells = [(status, f"{day.since + half * HALF_HOUR:%H:%M}") for half, status in enumerate(node.halves)]
    text = "no line yet" if state.last_line is None else f"last line {ago(state.last_line, now)}"
    if state.gaps["hours"]:
        text += f", {counted(state.gaps['hours'], 'hour')} with gaps"
    if state.rejected:
        text += f", {counted(state.rejected, 'record')} rejected"
    if not state.watched:
        text += ", no longer watched"
    return NodeRow(state, strip(cells, f"Coverage of {state.node} by half hour"), text)


def _stage(stage: Stage) -> StageRow:
    moment = None if stage.until is None else f"{stage.until:%Y-%m-%d %H:%M}"
    return StageRow(stage.name, stage.asset, until_text(moment), stage.late)
