"""Alerts: the incidents that GitHub should show, one GitHub issue each.

Here: what to queue. Which incidents, and what happened to them: `incidents/follow.py`; texts: `alert_texts.py`;
posting, exactly once: `outbox.py`. Alerts of version 0.1, `issue:<fingerprint>`, are continued.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents import refresh, sentences
from fleexmon_pipeline.incidents.follow import Report, Step, about_incident, follow, reason_of_end
from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.incidents.story import read_story
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.reporting import alert_texts
from fleexmon_pipeline.reporting.outbox import DesiredIssue, enqueue, is_due
from fleexmon_pipeline.settings import Topology

REFRESH = timedelta(hours=1)  # between updates of counts; changes of severity, nodes, people and state go immediately
LABELS = ("monitoring", "alert")
# Kept as of the last notification, so that a rise or spread during a mute is reported after it.
REPORTED = ("severity", "nodes")
URGENT = [str(severity) for severity in Severity if severity.rank >= Severity.HIGH.rank]

_Change = Literal["opened", "updated", "commented", "closed"]


@dataclass
class Alerts:
    """Outbox keys by what `refresh_alerts` did with them. `updated`: only the text changed."""

    opened: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    commented: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def refresh_alerts(
    connection: Connection, *, now: datetime, topology: Topology | None = None, ui_url: str | None = None
) -> Alerts:
    """Write alerts into the Outbox as they follow from incidents. Idempotent. `ui_url`: where people open the UI."""
    refresh.refresh_incidents(connection, topology)
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
    queued: dict[str, Mapping[str, Any]] = {row["key"]: row["desired"] for row in rows}  # the oldest first
    reports = [Report.of(key, was["about"], is_open=was["state"] == "open") for key, was in queued.items()]
    for step in follow(connection, reports, now=now, severities=URGENT):
        before = queued.get(step.key)
        if step.incident is None:
            continued_by = queued[step.continued_by.key] if step.continued_by else None
            yield step.key, "closed", _closed(queued[step.key], continued_by)
        elif step.event or (before and _needs_update(step.incident, before["about"], now)):
            yield step.key, _change(step), _desired(connection, step, step.incident, before, now, ui_url)


def _change(step: Step) -> _Change:
    if step.event is None:
        return "updated"
    return {"opened": "opened", "returned": "opened", "ended": "closed"}.get(step.event, "commented")  # type: ignore[return-value]


def _needs_update(incident: Incident, about: Mapping[str, Any], now: datetime) -> bool:
    urgent = {"id": str(incident.id), **_shown(incident)}
    if any(about.get(name) != value for name, value in urgent.items()):
        return True
    if (about["updated"], len(about.get("issues", ()))) == (incident.last_seen_at.isoformat(), len(incident.issues)):
        return False
    return datetime.fromisoformat(about["as_of"]) <= now - REFRESH


def _shown(incident: Incident) -> dict[str, str | None]:
    return {
        "shown_severity": incident.severity, "acknowledged": incident.acknowledged, "assignee": incident.assignee,
    }  # fmt: skip


def _desired(
    connection: Connection, step: Step, incident: Incident, before: Mapping[str, Any] | None, now: datetime,
    ui_url: str | None,
) -> DesiredIssue:  # fmt: skip
    page = f"{ui_url}/fleexmon/incidents/{incident.id}" if ui_url else None
    about = before["about"] if before else {}
    reported = {} if step.event else {name: about[name] for name in REPORTED if name in about}
    last_comment = before["comment"].partition("\n")[2] if before and before["comment"] else None
    return DesiredIssue(
        title=alert_texts.title(incident),
        body=alert_texts.body(read_story(connection, incident), page=page),
        labels=(*LABELS, alert_texts.word(incident.severity)),
        state="open" if incident.is_open else "closed",
        comment=_comment(connection, step, incident) or last_comment,
        about={**about_incident(connection, incident), **reported, **_shown(incident), "as_of": now.isoformat()},
    )


def _comment(connection: Connection, step: Step, incident: Incident) -> str | None:
    match step.event:
        case "worse":
            return alert_texts.worse(incident, step.report.severity if step.report else "")
        case "joined":
            return alert_texts.joined(incident, step.new_nodes)
        case "ended":
            return alert_texts.ended(incident, reason_of_end(connection, incident))
        case "returned":
            return alert_texts.returned(incident)
        case _:
            return None


def _closed(was: Mapping[str, Any], continued_by: Mapping[str, Any] | None) -> DesiredIssue:
    """Close an alert that another one continues, or whose issues no longer exist."""
    comment = alert_texts.merged(continued_by["title"]) if continued_by else sentences.REMOVED
    body = was["body"].partition("\n")[2]  # without the marker, which is put before it again
    return DesiredIssue(was["title"], body, was["labels"], state="closed", comment=comment, about=was["about"])
