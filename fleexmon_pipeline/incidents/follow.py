"""Follow incidents: what was reported of each to one destination, and what has happened since.

Here: which report belongs to which incident, and which event comes next. What GitHub shows: `reporting/alerts.py`;
what a channel is sent: `channels/produce.py`.

A report has the key `incident:<id>`, with the id that the incident had at first. It follows the incident by its issues,
even if the id changes. If two reported incidents turn out to be one, the older report continues.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS
from fleexmon_pipeline.window import DAY, Window

SQL = statements("incidents")
RECENT = timedelta(hours=24)  # by event time: a backfill of last month notifies nobody
REPORTED_AS_RETURN_WITHIN = timedelta(hours=24)  # after an incident ended, if the new one shares a fingerprint

Event = Literal["opened", "worse", "joined", "ended", "returned", "merged", "removed"]


@dataclass(frozen=True)
class Report:
    """What was last reported under a key. `nodes` is None if an earlier version did not record them."""

    key: str
    is_open: bool
    issues: frozenset[UUID]
    fingerprints: frozenset[str]
    severity: str
    nodes: frozenset[str] | None
    updated: datetime

    @classmethod
    def of(cls, key: str, about: Mapping[str, Any], *, is_open: bool) -> Report:
        """`about`: what `about_incident` returned at the time, or what version 0.1 stored of an issue."""
        nodes = about.get("nodes")
        own = [key.removeprefix("issue:")] if key.startswith("issue:") else about.get("fingerprints", ())
        return cls(
            key, is_open, frozenset(UUID(text) for text in about.get("issues", [about["id"]])), frozenset(own),
            about["severity"], None if nodes is None else frozenset(nodes), datetime.fromisoformat(about["updated"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Step:
    """An incident, its report, and what happened since; `event` is None if nothing is worth a notification.

    `incident` is None if it is now reported under another key (that of `continued_by`), or no longer exists.
    """

    key: str
    event: Event | None
    incident: Incident | None
    report: Report | None
    continued_by: Report | None = None

    @property
    def new_nodes(self) -> list[str]:
        reported = self.report.nodes if self.report else None
        if reported is None or self.incident is None:
            return []
        return [node for node in self.incident.nodes if node not in reported]


def about_incident(connection: Connection, incident: Incident) -> dict[str, Any]:
    """What `Report.of` reads later, as JSON."""
    return {
        "id": str(incident.id),
        "issues": [str(issue) for issue in incident.issues],
        "fingerprints": _fingerprints(connection, incident),
        "severity": incident.severity,
        "nodes": incident.nodes,
        "updated": incident.last_seen_at.isoformat(),
    }


def follow(
    connection: Connection, reports: Sequence[Report], *, now: datetime, severities: Collection[str]
) -> Iterator[Step]:
    """Every incident that is reported or to be reported, and every report that must end. Reads only.

    An incident is reported first when it is open, of one of these severities, not muted, and was seen in the 24 h
    before `now` (UTC); from then on it is followed at any age. `reports`: the oldest first.
    """
    incidents = _incidents(connection, reports, now)
    report_of, left_over = _match(reports, incidents)
    keys = {report.key for report in reports}
    in_use = {report_of[incident.id].key for incident in incidents if incident.is_open and incident.id in report_of}
    ended = [report for report in reports if not report.is_open and report.key not in in_use]
    for incident in incidents:
        report = report_of.get(incident.id)
        if report is None or not report.is_open:
            if not incident.is_open or incident.severity not in severities or incident.muted:
                continue
            if report is None and incident.last_seen_at < now - RECENT:
                continue
            if report is None and (report := _recently_ended(connection, ended, incident)):
                ended.remove(report)
        key = report.key if report else _new_key(incident, keys)
        keys.add(key)
        yield Step(key, _event(incident, report), incident, report)
    for report, continued_by in left_over:
        if report.is_open and continued_by:
            yield Step(report.key, "merged", None, report, continued_by)
        elif report.is_open and not _incident_ids(connection, report.issues):  # otherwise a run is regrouping them now
            yield Step(report.key, "removed", None, report)


def _new_key(incident: Incident, keys: Collection[str]) -> str:
    """`incident:<id>`, with a number appended if the report with that key follows other issues by now."""
    names = (f"incident:{incident.id}{f':{number}' if number > 1 else ''}" for number in itertools.count(1))
    return next(name for name in names if name not in keys)


def _incidents(connection: Connection, reports: Sequence[Report], now: datetime) -> list[Incident]:
    """Incidents of the last day, and those of open reports, in the order in which they began."""
    followed = {issue for report in reports if report.is_open for issue in report.issues}
    incidents = list_incidents(connection, now=now, status="all", during=Window(now - RECENT, now + DAY))
    if older := _incident_ids(connection, followed) - {incident.id for incident in incidents}:
        incidents += list_incidents(connection, now=now, status="all", ids=older)
    return sorted(incidents, key=lambda incident: (incident.started_at, incident.id))


def _incident_ids(connection: Connection, issues: Collection[UUID]) -> set[UUID]:
    return {row["id"] for row in connection.execute(SQL["holding"], {"ids": list(issues)})}


def _match(
    reports: Sequence[Report], incidents: Sequence[Incident]
) -> tuple[dict[UUID, Report], list[tuple[Report, Report | None]]]:
    """The report of each incident; and the reports left without one, each with the report that continues it.

    Open reports choose first, then the oldest. If a report's incident was split, it follows the part that began first.
    """
    holding: defaultdict[UUID, list[int]] = defaultdict(list)
    for index, incident in enumerate(incidents):
        for issue in incident.issues:
            holding[issue].append(index)
    report_of: dict[UUID, Report] = {}
    left_over: list[tuple[Report, Report | None]] = []
    for report in sorted(reports, key=lambda report: not report.is_open):
        indexes = sorted({index for issue in report.issues for index in holding.get(issue, ())})
        ids = [incidents[index].id for index in indexes]
        free = next((key for key in ids if key not in report_of), None)
        if free is not None:
            report_of[free] = report
        else:
            left_over.append((report, report_of[ids[0]] if ids else None))
    return report_of, left_over


def _recently_ended(connection: Connection, ended: Sequence[Report], incident: Incident) -> Report | None:
    """The report of an earlier incident with an issue of the same fingerprint that ended shortly before this one."""
    fingerprints = set(_fingerprints(connection, incident))
    for report in reversed(ended):
        if report.updated >= incident.started_at - REPORTED_AS_RETURN_WITHIN and report.fingerprints & fingerprints:
            return report
    return None


def _fingerprints(connection: Connection, incident: Incident) -> list[str]:
    return [row["fingerprint"] for row in connection.execute(SQL["fingerprints"], {"ids": incident.issues})]


def _event(incident: Incident, report: Report | None) -> Event | None:
    if report is None:
        return "opened"
    if not incident.is_open:
        return "ended"
    if not report.is_open:
        return "returned"
    if incident.muted:  # reported before it was muted: its text stays up to date, without notifications
        return None
    if SEVERITY_RANKS.get(incident.severity, 0) > SEVERITY_RANKS.get(report.severity, 0):
        return "worse"
    has_spread = report.nodes is not None and not report.nodes.issuperset(incident.nodes)
    return "joined" if has_spread else None


def reason_of_end(connection: Connection, incident: Incident) -> str:
    """`Resolved by ann: restarted it`; empty if it ended on its own."""
    row = connection.execute(SQL["ended_by"], {"ids": incident.issues}).fetchone()
    if row is None or not row["by"]:
        return ""
    return f"Resolved by {row['by']}" + (f": {row['why']}" if row["why"] else ".")
