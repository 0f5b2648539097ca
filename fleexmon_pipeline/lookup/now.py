"""The current state, in one sentence and in detail: progress of each stage, nodes, incidents, pending work.

Here: the verdict, which the first page and `fleexmon status` show. Figures: `overview.py`; nodes: `nodes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, coverage_halves
from fleexmon_pipeline.lookup.nodes import NodeState, node_states, watched_nodes
from fleexmon_pipeline.lookup.overview import Freshness, Overview, overview
from fleexmon_pipeline.window import DAY, HOUR, Window, ceil
from fleexmon_pipeline.wording import counted

LATE = timedelta(minutes=20)  # ticks come every 5 minutes, and one may fail or be slow
Health = Literal["no-data", "incomplete", "attention", "healthy"]
HEALTH_TEXTS: Mapping[Health, str] = {
    "no-data": "No data",
    "incomplete": "Incomplete data",
    "attention": "Needs attention",
    "healthy": "Healthy",
}
MAX_NAMED = 8  # nodes in a sentence


@dataclass(frozen=True)
class Stage:
    """The progress of a stage. `late`: it, or a stage that it waits for, has a problem."""

    name: str
    asset: str
    until: datetime | None
    late: bool


@dataclass(frozen=True)
class NodeDay:
    """A node and its last day by half hour: complete, empty, partial, missing, pending, or unknown (not polled)."""

    state: NodeState
    halves: list[str]


@dataclass(frozen=True)
class Now:
    """`health`: decides the colour. `configured`: whether any node is watched."""

    health: Health
    sentence: str
    day: Window
    nodes: list[NodeDay]
    configured: bool
    incidents: list[Incident]  # open ones, the one seen last first
    overview: Overview
    stages: list[Stage]

    def first_nodes(self, most: int) -> list[NodeDay]:
        """All in their order; if there are more than `most`, those with problems first."""
        if len(self.nodes) <= most:
            return self.nodes
        return sorted(self.nodes, key=lambda node: not node.state.in_trouble)[:most]


def read_now(connection: Connection, environment: Mapping[str, str], *, now: datetime, max_incidents: int) -> Now:
    nodes, demo = watched_nodes(environment)
    states = node_states(connection, nodes, demo=demo, now=now)
    until = ceil(now, HALF_HOUR)
    day = Window(until - DAY, until)
    halves = coverage_halves(connection, day)
    state = overview(connection, now=now)
    stages = _stages(state.freshness, now)
    return Now(
        *_verdict(stages, state.open, states),
        day,
        [NodeDay(one, _halves(halves.get(one.node, {}), day, now)) for one in states],
        bool(nodes),
        list_incidents(connection, now=now, limit=max_incidents),
        state,
        stages,
    )


def until_text(moment: str | None) -> str:
    """`moment`: the `until` of a stage, formatted for the reader."""
    return "nothing in the last 7 days" if moment is None else f"until {moment}"


def _halves(known: Mapping[int, str], day: Window, now: datetime) -> list[str]:
    ends = ((half, day.since + (half + 1) * HALF_HOUR) for half in range(DAY // HALF_HOUR))
    return [known.get(half) or ("pending" if end > now else "unknown") for half, end in ends]


def _stages(fresh: Freshness, now: datetime) -> list[Stage]:
    judged = None if fresh.judged_hour is None else fresh.judged_hour + HOUR
    digest = None if fresh.digest is None else datetime.combine(fresh.digest, datetime.min.time(), now.tzinfo) + DAY
    ends = (
        ("Collected", "raw_logs", fresh.collected, LATE),
        ("Counted by pattern", "analyzed_logs", fresh.analyzed, LATE),
        ("Evaluated by rules", "detected_issues", judged, LATE + HOUR),
        ("Summed up in a digest", "digests", digest, 2 * DAY),
    )
    return [
        Stage(name, asset, end and min(end, now), late=end is None or now - end > allowed)
        for name, asset, end, allowed in ends
    ]


def _verdict(stages: list[Stage], severities: dict[str, int], nodes: list[NodeState]) -> tuple[Health, str]:
    """An unknown state is never called healthy."""
    late = next((stage for stage in stages if stage.late and stage.asset != "digests"), None)
    if not nodes:
        return "no-data", "No node has been polled yet. `fleexmon up` polls every 5 minutes."
    if late:
        until = None if late.until is None else f"{late.until:%Y-%m-%d %H:%M} UTC"
        return "incomplete", f"{late.name}: {until_text(until)}. This is late."
    if silent := [node.node for node in nodes if node.watched and node.gaps["hours"]]:
        more = f" and {len(silent) - MAX_NAMED:,} more nodes" if len(silent) > MAX_NAMED else ""
        gaps = f"{', '.join(silent[:MAX_NAMED])}{more}: some hours have gaps. They are retried automatically."
    else:
        gaps = ""
    urgent = severities.get("critical", 0) + severities.get("high", 0)
    if urgent:
        return "attention", f"{counted(urgent, 'open high or critical issue')}. {gaps}".strip()
    if gaps:
        return "incomplete", gaps
    return "healthy", "All nodes are collected. No high or critical issue is open."
