"""Alerts: which high and critical issues GitHub should show, and the texts of its issues and comments.

Here: what to queue, from LogIssue. Posting it, exactly once: `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS, Severity
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting import escape
from fleexmon_pipeline.reporting.outbox import DesiredIssue, enqueue, is_due

RECENT = timedelta(hours=24)
REFRESH = timedelta(hours=1)  # GitHub gets counts hourly, but changes of severity and resolutions at once
LABELS = ("monitoring", "alert")
URGENT = [str(severity) for severity in Severity if severity.rank >= Severity.HIGH.rank]


@dataclass(frozen=True)
class AlertIssue:
    """A row of "LogIssue" that GitHub should show, or shows. `key`: its Outbox key; `evidence`: how many log rows."""

    key: str
    id: str
    type: str
    severity: str
    title: str
    description: str
    root_cause: str | None
    recommendation: str | None
    source: str
    status: str | None
    detected_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    metadata: Any
    evidence: int
    muted: bool

    @property
    def rank(self) -> int:
        return SEVERITY_RANKS.get(self.severity, 0)

    @property
    def figures(self) -> Mapping[str, Any]:
        """The metadata; {} if another program stored something other than an object."""
        return self.metadata if isinstance(self.metadata, dict) else {}


@dataclass
class Alerts:
    """Outbox keys by what `refresh_alerts` did with them; `updated`: only the text is newer."""

    opened: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    commented: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def refresh_alerts(connection: Connection, *, now: datetime) -> Alerts:
    """Write alerts into the Outbox as they follow from LogIssue. Idempotent.

    An alert is opened for an issue that is open, high or critical, and was updated in the 24 h before `now` (UTC). From
    then on its fingerprint is followed at any age: it gets worse, is resolved, or recurs.
    """
    alerts = Alerts()
    with connection.transaction():
        connection.execute(statements("outbox")["lock_alerts"])
        for key, change, desired in _changes(connection, now):
            if enqueue(connection, key, desired, now=now):
                getattr(alerts, change).append(key)
    return alerts


def alerts_are_due(connection: Connection, *, now: datetime) -> bool:
    """Whether `refresh_alerts` or `deliver` has anything to do. Reads only."""
    return is_due(connection, now=now) or bool(_changes(connection, now))


_Change = Literal["opened", "updated", "commented", "closed"]


def _changes(connection: Connection, now: datetime) -> list[tuple[str, _Change, DesiredIssue]]:
    """Where LogIssue and the Outbox differ: key, change, and what GitHub should show."""
    queued = {
        row["key"]: row["desired"] for row in connection.execute(statements("outbox")["queued_alerts"]).fetchall()
    }
    parameters = {
        "recent": now - RECENT,
        "urgent": URGENT,
        "now": now,
        "open_alerts": [key for key, desired in queued.items() if desired["state"] == "open"],
    }
    issues = [AlertIssue(**row) for row in connection.execute(statements("outbox")["alert_issues"], parameters)]
    changes = ((issue, _change(issue, queued.get(issue.key), now)) for issue in issues)
    return [(issue.key, *change) for issue, change in changes if change]


def _change(issue: AlertIssue, before: Mapping[str, Any] | None, now: datetime) -> tuple[_Change, DesiredIssue] | None:
    is_open = issue.status != "resolved"
    if before is None:
        return ("opened", _desired(issue, None, now)) if is_open else None
    reported: Mapping[str, Any] = before["about"]
    was_open = before["state"] == "open"
    if not was_open and (not is_open or issue.severity not in URGENT):
        return None
    event = _event(issue, reported, was_open=was_open)
    if issue.muted and is_open:
        event = None  # reported before it was muted: its text stays up to date, without notifications
    if event is None and not _needs_update(issue, reported, now):
        return None
    desired = _desired(issue, event or (before["comment"] and before["comment"].partition("\n")[2]), now)
    if not is_open:
        return "closed", desired
    if not was_open:
        return "opened", desired
    return "commented" if event else "updated", desired


def _needs_update(issue: AlertIssue, reported: Mapping[str, Any], now: datetime) -> bool:
    about = _about(issue, now)
    if any(about[name] != reported.get(name) for name in ("severity", "cause")):
        return True
    if about["updated"] == reported.get("updated"):
        return False
    return datetime.fromisoformat(reported["as_of"]) <= now - REFRESH


def _about(issue: AlertIssue, now: datetime) -> dict[str, str]:
    return {
        "id": issue.id,
        "severity": issue.severity,
        "cause": f"{issue.root_cause} {issue.recommendation}"[:2_000],
        "updated": issue.updated_at.isoformat(),
        "as_of": now.isoformat(),
    }


def _event(issue: AlertIssue, reported: Mapping[str, Any], *, was_open: bool) -> str | None:
    """What happened since the last report to GitHub, if it is worth a notification."""
    if issue.status == "resolved":
        return f"Resolved at {_time(issue.resolved_at or issue.updated_at)}.{_resolved_reason(issue)}"
    if not was_open and issue.id == reported["id"]:  # within a day: `issues/episodes.py`
        return (
            f"It is back: it was resolved and fired again ({_time(issue.updated_at)}), "
            f"severity {_word(issue.severity)}. See `fleexmon issues show {issue.id}`."
        )
    if issue.id != reported["id"]:
        return (
            f"Regression: it was resolved and has been firing again since {_time(issue.detected_at)}, "
            f"severity {_word(issue.severity)}. See `fleexmon issues show {issue.id}`."
        )
    if issue.rank > SEVERITY_RANKS.get(reported["severity"], 0):
        return (
            f"Severity rose from {_word(reported['severity'])} to {_word(issue.severity)} "
            f"({_time(issue.updated_at)}): {_prose(issue.title, 200)}"
        )
    return None


def _resolved_reason(issue: AlertIssue) -> str:
    reason = issue.figures.get("resolvedReason")
    return f" {_prose(str(reason), 300)}" if reason else ""


def _desired(issue: AlertIssue, comment: str | None, now: datetime) -> DesiredIssue:
    severity = _word(issue.severity)
    return DesiredIssue(
        title=f"[{severity}] {escape.title(redact(issue.title))}",
        body=_body(issue),
        labels=(*LABELS, severity),
        state="closed" if issue.status == "resolved" else "open",
        comment=comment,
        about=_about(issue, now),
    )


def _body(issue: AlertIssue) -> str:
    metadata = issue.figures
    nodes = metadata.get("nodes")
    facts = [
        ("Severity", _word(issue.severity)),
        ("Type", escape.code(redact(issue.type))),
        (
            "Nodes",
            ", ".join(escape.code(str(node), most=60) for node in nodes[:10]) if isinstance(nodes, list) else "–",
        ),
        ("Affected lines", _code(metadata.get("affectedCount"))),
        ("Occurrences", _code(metadata.get("occurrences"))),
        ("First seen", _code(metadata.get("firstSeen") or _time(issue.detected_at))),
        ("Last seen", _code(metadata.get("lastSeen") or _time(issue.updated_at))),
        ("Detected by", f"{escape.code(issue.source, most=20)}, rule {_code(metadata.get('rule'))}"),
        ("Evidence", f"{issue.evidence:,} log rows"),
    ]
    if metadata.get("regressionOf"):
        facts.append(("Regression of", _code(metadata["regressionOf"])))
    parts = [_prose(issue.description, 3_000)]
    for heading, text in (("Root cause", issue.root_cause), ("Recommendation", issue.recommendation)):
        if text:
            parts.append(f"## {heading}\n\n{_prose(text, 3_000)}")
    table = "\n".join(f"| {name} | {value} |" for name, value in facts)
    parts.append(f"| | |\n| --- | --- |\n{table}")
    parts.append(f"Details and log rows: `fleexmon issues show {issue.id}`")
    return "\n\n".join(parts) + "\n"


def _prose(text: str, most: int) -> str:
    return escape.prose(redact(text), most=most)


def _code(value: object) -> str:
    return "–" if value is None else escape.code(redact(str(value)), most=80)


def _word(severity: str) -> str:
    """One of our severities unchanged; another program's escaped."""
    return severity if severity in SEVERITY_RANKS else escape.mermaid(severity, most=20)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
