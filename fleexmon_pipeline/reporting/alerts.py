"""Alerts: which incidents GitHub should show, and what is worth a notification.

Here: what to queue, from "Incident". Its texts: `alert_texts.py`; posting it, exactly once: `outbox.py`.

An alert is one GitHub issue per incident of high or critical severity. Its key is `incident:<id>`, with the id that the
incident had when it was opened; it follows the incident by its issues, whatever becomes of the id. Alerts of earlier
versions, `issue:<fingerprint>`, are carried on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents import refresh
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.incidents.relate import Dependencies
from fleexmon_pipeline.incidents.story import read_story
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS, Severity
from fleexmon_pipeline.reporting import alert_texts
from fleexmon_pipeline.reporting.outbox import DesiredIssue, enqueue, is_due
from fleexmon_pipeline.window import DAY, Window

RECENT = timedelta(hours=24)
RETURNS_WITHIN = timedelta(hours=24)  # an incident with an issue of an alert that ended so recently is told there
REFRESH = timedelta(hours=1)  # GitHub gets counts hourly, but changes of severity, nodes and state at once
LABELS = ("monitoring", "alert")
URGENT = [str(severity) for severity in Severity if severity.rank >= Severity.HIGH.rank]

_Change = Literal["opened", "updated", "commented", "closed"]


@dataclass
class Alerts:
    """Outbox keys by what `refresh_alerts` did with them; `updated`: only the text is newer."""

    opened: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    commented: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Alert:
    """What is queued under a key: the incident as it was then, and whether the GitHub issue is open."""

    key: str
    desired: Mapping[str, Any]

    @property
    def about(self) -> Mapping[str, Any]:
        about: Mapping[str, Any] = self.desired["about"]
        return about

    @property
    def is_open(self) -> bool:
        return bool(self.desired["state"] == "open")

    @property
    def issues(self) -> set[UUID]:
        """Ids of the issues that it is about; of an alert of an earlier version, the one."""
        return {UUID(text) for text in self.about.get("issues", [self.about["id"]])}

    @property
    def fingerprints(self) -> set[str]:
        if self.key.startswith("issue:"):
            return {self.key.removeprefix("issue:")}
        return set(self.about.get("fingerprints", ()))


def refresh_alerts(
    connection: Connection, *, now: datetime, depends: Dependencies | None = None, ui_url: str | None = None
) -> Alerts:
    """Write alerts into the Outbox as they follow from the incidents. Idempotent.

    An alert is opened for an incident that is open, high or critical, not muted, and was seen in the 24 h before `now`
    (UTC). From then on it is followed at any age. `ui_url`: where people open the UI.
    """
    refresh.refresh_incidents(connection, depends)
    alerts = Alerts()
    with connection.transaction():
        connection.execute(statements("outbox")["lock_alerts"])
        for key, change, desired in _changes(connection, now, ui_url):
            if enqueue(connection, key, desired, now=now):
                getattr(alerts, change).append(key)
    return alerts


def alerts_are_due(connection: Connection, *, now: datetime) -> bool:
    """Whether `refresh_alerts` or `deliver` has anything to do. Reads only."""
    return is_due(connection, now=now) or refresh.is_due(connection) or any(_changes(connection, now, None))


def _changes(connection: Connection, now: datetime, ui_url: str | None) -> Iterator[tuple[str, _Change, DesiredIssue]]:
    """Where incidents and the Outbox differ: key, change, and what GitHub should show."""
    rows = connection.execute(statements("outbox")["queued_alerts"]).fetchall()
    alerts = [Alert(row["key"], row["desired"]) for row in rows]  # the oldest first
    found = _incidents(connection, alerts, now)
    carried, left_over = _carried(alerts, found)
    for incident in found:
        alert = carried.get(incident.id)
        if (alert is None or not alert.is_open) and not _is_alarming(incident):
            continue
        if alert is None and incident.last_seen_at >= now - RECENT:
            alert = _ended_lately(connection, alerts, incident)
        elif alert is None:
            continue
        if change := _change(connection, incident, alert, now, ui_url):
            yield change
    for alert, goes_on in left_over:
        if alert.is_open:
            yield alert.key, "closed", _closed(alert, goes_on)


def _incidents(connection: Connection, alerts: Sequence[Alert], now: datetime) -> list[Incident]:
    """Incidents of the last day, and those of open alerts."""
    followed = {issue for alert in alerts if alert.is_open for issue in alert.issues}
    rows = connection.execute(statements("incidents")["of_issues"], {"ids": list(followed)}).fetchall()
    recent = list_incidents(connection, now=now, status="all", during=Window(now - RECENT, now + DAY))
    older = {row["id"] for row in rows} - {incident.id for incident in recent}
    found = recent + (list_incidents(connection, now=now, status="all", ids=older) if older else [])
    return sorted(found, key=lambda incident: (incident.started_at, incident.id))


def _carried(
    alerts: Sequence[Alert], found: Sequence[Incident]
) -> tuple[dict[UUID, Alert], list[tuple[Alert, Alert | None]]]:
    """Incident → the alert that tells of it; and alerts without an incident of their own, with the one that goes on.

    An incident that two alerts are about goes on under the older one. An alert whose incident fell apart goes on with
    the part that began first.
    """
    holding: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for incident in found:
        for issue in incident.issues:
            holding[issue].append(incident.id)
    carried: dict[UUID, Alert] = {}
    left_over: list[tuple[Alert, Alert | None]] = []
    order = {incident.id: place for place, incident in enumerate(found)}
    for alert in sorted(alerts, key=lambda alert: not alert.is_open):  # stable: the oldest first within each
        ids = sorted({key for issue in alert.issues for key in holding.get(issue, ())}, key=order.__getitem__)
        free = next((key for key in ids if key not in carried), None)
        if free is not None:
            carried[free] = alert
        else:
            left_over.append((alert, carried[ids[0]] if ids else None))
    return carried, left_over


def _fingerprints(connection: Connection, incident: Incident) -> list[str]:
    rows = connection.execute(statements("incidents")["fingerprints"], {"ids": incident.issues})
    return [row["fingerprint"] for row in rows]


def _is_alarming(incident: Incident) -> bool:
    return incident.is_open and incident.severity in URGENT and not incident.muted


def _ended_lately(connection: Connection, alerts: Sequence[Alert], incident: Incident) -> Alert | None:
    """The alert of an earlier incident with an issue of the same fingerprint that ended shortly before this one."""
    fingerprints = set(_fingerprints(connection, incident))
    return next(
        (
            alert
            for alert in reversed(alerts)
            if not alert.is_open
            and alert.fingerprints & fingerprints
            and datetime.fromisoformat(alert.about["updated"]) >= incident.started_at - RETURNS_WITHIN
        ),
        None,
    )


def _change(
    connection: Connection, incident: Incident, alert: Alert | None, now: datetime, ui_url: str | None
) -> tuple[str, _Change, DesiredIssue] | None:
    key = alert.key if alert else f"incident:{incident.id}"
    event = _event(connection, incident, alert)
    if alert and event is None and not _needs_update(incident, alert, now):
        return None
    before = alert.desired["comment"] if alert else None
    comment = event or (before and before.partition("\n")[2])
    page = f"{ui_url}/fleexmon/incidents/{incident.id}" if ui_url else None
    desired = DesiredIssue(
        title=alert_texts.title(incident),
        body=alert_texts.body(read_story(connection, incident), page=page),
        labels=(*LABELS, alert_texts.word(incident.severity)),
        state="open" if incident.is_open else "closed",
        comment=comment,
        about=_about(incident, _fingerprints(connection, incident), now),
    )
    if not incident.is_open:
        return key, "closed", desired
    if alert is None or not alert.is_open:
        return key, "opened", desired
    return key, "commented" if event else "updated", desired


def _event(connection: Connection, incident: Incident, alert: Alert | None) -> str | None:
    """What happened since the last report to GitHub, if it is worth a notification."""
    if alert is None:
        return None
    if not incident.is_open:
        return alert_texts.ended(incident, _reason(connection, incident))
    if not alert.is_open:
        return alert_texts.returned(incident)
    if incident.muted:
        return None  # reported before it was muted: its text stays up to date, without notifications
    if SEVERITY_RANKS.get(incident.severity, 0) > SEVERITY_RANKS.get(alert.about["severity"], 0):
        return alert_texts.worse(incident, alert.about["severity"])
    known = alert.about.get("nodes")
    new = [node for node in incident.nodes if node not in known] if known is not None else []
    return alert_texts.joined(incident, new) if new else None


def _reason(connection: Connection, incident: Incident) -> str:
    row = connection.execute(statements("incidents")["ended_by"], {"ids": incident.issues}).fetchone()
    if row is None or not row["by"]:
        return ""
    return f"Resolved by {row['by']}" + (f": {row['why']}" if row["why"] else ".")


def _needs_update(incident: Incident, alert: Alert, now: datetime) -> bool:
    about = _about(incident, (), now)
    at_once = ("severity", "state", "acknowledged", "assignee", "id")
    if any(about[name] != alert.about.get(name) for name in at_once):
        return True
    if about["updated"] == alert.about.get("updated") and about["issues"] == alert.about.get("issues"):
        return False
    return datetime.fromisoformat(alert.about["as_of"]) <= now - REFRESH


def _about(incident: Incident, fingerprints: Sequence[str], now: datetime) -> dict[str, Any]:
    return {
        "id": str(incident.id),
        "issues": [str(issue) for issue in incident.issues],
        "fingerprints": list(fingerprints),
        "severity": incident.severity,
        "state": incident.status,
        "nodes": incident.nodes,
        "acknowledged": incident.acknowledged,
        "assignee": incident.assignee,
        "updated": incident.last_seen_at.isoformat(),
        "as_of": now.isoformat(),
    }


def _closed(alert: Alert, goes_on: Alert | None) -> DesiredIssue:
    """An alert that another one goes on for, or whose issues are no more."""
    desired = alert.desired
    comment = (
        alert_texts.merged(goes_on.desired["title"])
        if goes_on
        else "The lines behind it turned out to be no problem, or its issues were deleted."
    )
    return DesiredIssue(
        title=desired["title"],
        body=desired["body"].partition("\n")[2],
        labels=desired["labels"],
        state="closed",
        comment=comment,
        about=desired["about"],
    )
