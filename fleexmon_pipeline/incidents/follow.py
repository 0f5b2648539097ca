"""Following incidents: what a place was told of each, and what has happened since.

Here: which report belongs to which incident, and which event comes next. What GitHub shows: `reporting/alerts.py`;
what a channel is sent: `channels/produce.py`.

A report has the key `incident:<id>`, with the id that the incident had then; it follows the incident by its issues,
whatever becomes of the id. If two reported incidents turn out to be one, the older report goes on.
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
RETURNS_WITHIN = timedelta(hours=24)  # an incident with an issue of one that ended so recently is told as its return

Event = Literal["opened", "worse", "joined", "ended", "returned", "merged", "removed"]


@dataclass(frozen=True)
class Report:
    """What a place was told last under a key. `nodes` None: an earlier version did not say."""

    key: str
    is_open: bool
    issues: frozenset[UUID]
    fingerprints: frozenset[str]
    severity: str
    nodes: frozenset[str] | None
    updated: datetime

    @classmethod
    def of(cls, key: str, about: Mapping[str, Any], *, is_open: bool) -> Report:
        """`about`: what `about_incident` gave when it was told, or what version 0.1 stored of an issue."""
        nodes = about.get("nodes")
        own = [key.removeprefix("issue:")] if key.startswith("issue:") else about.get("fingerprints", ())
        return cls(
            key, is_open, frozenset(UUID(text) for text in about.get("issues", [about["id"]])), frozenset(own),
            about["severity"], None if nodes is None else frozenset(nodes), datetime.fromisoformat(about["updated"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Step:
    """An incident and its report, and what happened since; `event` None: nothing worth a notification.

    `incident` is None where the report's incident is now told under another report (`goes_on`), or is gone.
    """

    key: str
    event: Event | None
    incident: Incident | None
    report: Report | None
    goes_on: Report | None = None

    @property
    def new_nodes(self) -> list[str]:
        reported = self.report.nodes if self.report else None
        return (
            [] if reported is None or self.incident is None else [n for n in self.incident.nodes if n not in reported]
        )


def about_incident(connection: Connection, incident: Incident) -> dict[str, Any]:
    """What `Report.of` needs to know later, as JSON."""
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
    carried, left_over = _carried(reports, incidents)
    keys = {report.key for report in reports}
    in_use = {carried[incident.id].key for incident in incidents if incident.is_open and incident.id in carried}
    ended = [report for report in reports if not report.is_open and report.key not in in_use]
    for incident in incidents:
        report = carried.get(incident.id)
        if report is None or not report.is_open:
            if not incident.is_open or incident.severity not in severities or incident.muted:
                continue
            if report is None and incident.last_seen_at < now - RECENT:
                continue
            if report is None and (report := _ended_lately(connection, ended, incident)):
                ended.remove(report)
        key = report.key if report else _new_key(incident, keys)
        keys.add(key)
        yield Step(key, _event(incident, report), incident, report)
    for report, goes_on in left_over:
        if report.is_open and goes_on:
            yield Step(report.key, "merged", None, report, goes_on)
        elif report.is_open and not _incident_ids(connection, report.issues):  # else a run is just grouping them anew
            yield Step(report.key, "removed", None, report)


def _new_key(incident: Incident, keys: Collection[str]) -> str:
    """`incident:<id>`, with a number behind it if the report of that name follows other issues by now."""
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


def _carried(
    reports: Sequence[Report], found: Sequence[Incident]
) -> tuple[dict[UUID, Report], list[tuple[Report, Report | None]]]:
    """Incident → its report; and the reports that have no incident of their own, each with the one that goes on.

    Open reports first, then the oldest. A report whose incident fell apart goes on with the part that began first.
    """
    holding: defaultdict[UUID, list[int]] = defaultdict(list)
    for place, incident in enumerate(found):
        for issue in incident.issues:
            holding[issue].append(place)
    carried: dict[UUID, Report] = {}
    left_over: list[tuple[Report, Report | None]] = []
    for report in sorted(reports, key=lambda report: not report.is_open):
        places = sorted({place for issue in report.issues for place in holding.get(issue, ())})
        ids = [found[place].id for place in places]
        free = next((key for key in ids if key not in carried), None)
        if free is not None:
            carried[free] = report
        else:
            left_over.append((report, carried[ids[0]] if ids else None))
    return carried, left_over


def _ended_lately(connection: Connection, ended: Sequence[Report], incident: Incident) -> Report | None:
    """The report of an earlier incident with an issue of the same fingerprint that ended shortly before this one."""
    fingerprints = set(_fingerprints(connection, incident))
    for report in reversed(ended):
        if report.updated >= incident.started_at - RETURNS_WITHIN and report.fingerprints & fingerprints:
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
    rose = SEVERITY_RANKS.get(incident.severity, 0) > SEVERITY_RANKS.get(report.severity, 0)
    spread = report.nodes is not None and not report.nodes.issuperset(incident.nodes)
    if incident.muted:  # reported before it was muted: its text stays up to date, without notifications
        return None
    return "worse" if rose else "joined" if spread else None


def reason_of_end(connection: Connection, incident: Incident) -> str:
    """`Resolved by ann: restarted it`; empty where it ended by itself."""
    row = connection.execute(SQL["ended_by"], {"ids": incident.issues}).fetchone()
    if row is None or not row["by"]:
        return ""
    return f"Resolved by {row['by']}" + (f": {row['why']}" if row["why"] else ".")
