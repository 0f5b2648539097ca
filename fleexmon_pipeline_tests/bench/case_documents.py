"""Incidents of a world whose truth is known, as cases of `fleexmon genai eval`.

Here: what `demo_cases.py` and `replay_cases.py` share: which incidents are cases, and a case as it is published. What
the agent gets of an incident is what `genai/cases/` makes of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.cases.case import Case
from fleexmon_pipeline.genai.cases.read import IncidentIssue, issue_to_explain, read_case, read_issues
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.window import Window

EARLY, LATE = timedelta(minutes=5), timedelta(minutes=30)


@dataclass(frozen=True)
class Fault:
    """What was wrong. `severity`: what a person on call would say."""

    kind: str
    node: str
    start: datetime
    end: datetime
    severity: str


def cases_of(connection: Connection, hour: Window, faults: Sequence[Fault], world: str) -> Iterator[dict[str, Any]]:
    """As an agent would be asked at the end of the hour in which the incident began. `world`: its name and seed."""
    found = [one for one in list_incidents(connection, now=hour.until) if one.started_at in hour]
    for incident in sorted(found, key=lambda incident: incident.started_at):
        issues = read_issues(connection, incident)
        behind = [fault for fault in faults if _belongs(incident, fault)]
        if len(behind) != 1 or issue_to_explain(incident, issues) is None:
            print(f"left out ({len(behind)} faults): {incident.title}", file=sys.stderr)
            continue
        case = read_case(connection, incident, issues, redact_ip=True)
        yield _document(world, behind[0], incident, issues, case)


def _belongs(incident: Incident, fault: Fault) -> bool:
    return fault.node in incident.nodes and fault.start - EARLY <= incident.started_at <= fault.end + LATE


def _document(
    world: str, fault: Fault, incident: Incident, issues: Sequence[IncidentIssue], case: Case
) -> dict[str, Any]:
    items = [yaml.safe_load(line) for line in case.messages[1]["content"].split("\n")[1:]]
    bystanders = [node for node in incident.nodes if node != fault.node]
    first = issues[0].nodes
    return {
        "name": f"{fault.kind} on {fault.node}, {world}, {fault.start:%H:%M}",
        "truth": {
            "node": fault.node, "severity": fault.severity, "bystanders": bystanders,
            "distractors": [item["id"] for item in items if _is_only_about(item, bystanders)],
        },
        "rules": {"node": first[0] if len(first) == 1 else None, "severity": incident.severity},
        "nodes": list(incident.nodes),
        "data": items,
    }  # fmt: skip


def _is_only_about(item: dict[str, Any], bystanders: Sequence[str]) -> bool:
    nodes = item.get("nodes") or ([item["node"]] if "node" in item else [])
    return bool(nodes) and "incident" not in item and set(nodes) <= set(bystanders)
