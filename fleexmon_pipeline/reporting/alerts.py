"""Which high and critical issues GitHub should show, and what its issues and comments say.

Here: what to queue, from LogIssue. Posting them, once: `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting import escape
from fleexmon_pipeline.reporting.outbox import DesiredIssue, enqueue, is_due

RECENT = timedelta(hours=24)
REFRESH = timedelta(hours=1)  # counts change with every slot; GitHub hears of them hourly, of severity and end at once
LABELS = ("monitoring", "alert")
_RANK = {str(severity): severity.rank for severity in Severity}

Row = Mapping[str, Any]


@dataclass
class Alerts:
    """Keys of the Outbox by what `refresh_alerts` did with them; the texts of `updated` are newer, no more."""

    opened: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    commented: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def refresh_alerts(connection: Connection, *, now: datetime) -> Alerts:
    """Write into the Outbox what LogIssue implies; the same issues again change nothing.

    An issue is told once it is open, high or critical, and was updated in the 24 h before `now` (UTC). From then on its
    fingerprint is followed, whatever its age: worse, resolved, back again.
    """
    alerts = Alerts()
    with connection.transaction():
        connection.execute(statements("outbox")["lock_alerts"])
        for key, change, desired in _changes(connection, now):
            if enqueue(connection, key, desired, now=now):
                getattr(alerts, change).append(key)
    return alerts


def alerts_are_due(connection: Connection, *, now: datetime) -> bool:
    """Whether `refresh_alerts` or `deliver` would find something to do. Reads only."""
    return is_due(connection, now=now) or bool(_changes(connection, now))


_Change = Literal["opened", "updated", "commented", "closed"]


def _changes(connection: Connection, now: datetime) -> list[tuple[str, _Change, DesiredIssue]]:
    """Where LogIssue implies something other than the Outbox has: key, what happens, what GitHub should show."""
    queued = {row["key"]: row["desired"] for row in connection.execute(statements("outbox")["alerts_told"]).fetchall()}
    parameters = {
        "recent": now - RECENT,
        "now": now,
        "told": [key for key, desired in queued.items() if desired["state"] == "open"],
    }
    issues = connection.execute(statements("outbox")["alert_issues"], parameters).fetchall()
    changes = ((issue, _change(issue, queued.get(issue["key"]), now)) for issue in issues)
    return [(issue["key"], *change) for issue, change in changes if change]


def _change(issue: Row, before: Mapping[str, Any] | None, now: datetime) -> tuple[_Change, DesiredIssue] | None:
    is_open = issue["status"] != "resolved"
    if before is None:
        return ("opened", _desired(issue, None, now)) if is_open else None
    known: Mapping[str, Any] = before["about"]
    was_open = before["state"] == "open"
    urgent = _RANK.get(issue["severity"], 0) >= _RANK["high"]
    if not was_open and (not is_open or not urgent):
        return None
    event = _event(issue, known, was_open=was_open)
    if issue["muted"] and is_open:
        event = None  # told before it was muted: its text stays true, nobody is notified
    if event is None and not _worth_an_update(issue, known, now):
        return None
    desired = _desired(issue, event or (before["comment"] and before["comment"].partition("\n")[2]), now)
    if not is_open:
        return "closed", desired
    if not was_open:
        return "opened", desired
    return "commented" if event else "updated", desired


def _worth_an_update(issue: Row, known: Mapping[str, Any], now: datetime) -> bool:
    about = _about(issue, now)
    if any(about[name] != known.get(name) for name in ("severity", "cause")):
        return True
    if about["updated"] == known.get("updated"):
        return False
    return datetime.fromisoformat(known["as_of"]) <= now - REFRESH


def _about(issue: Row, now: datetime) -> dict[str, str]:
    return {
        "id": issue["id"],
        "severity": issue["severity"],
        "cause": f"{issue['root_cause']} {issue['recommendation']}"[:2_000],
        "updated": issue["updated_at"].isoformat(),
        "as_of": now.isoformat(),
    }


def _event(issue: Row, known: Mapping[str, Any], *, was_open: bool) -> str | None:
    """What happened since GitHub was last told, if it deserves a notification."""
    if issue["status"] == "resolved":
        return f"Resolved at {_time(issue['resolved_at'] or issue['updated_at'])}.{_resolved_reason(issue)}"
    if not was_open or issue["id"] != known["id"]:
        return (
            f"Back again: it was resolved, and fires since {_time(issue['detected_at'])}, "
            f"severity {_word(issue['severity'])}. See `fleexmon issues show {issue['id']}`."
        )
    if _RANK.get(issue["severity"], 0) > _RANK.get(known["severity"], 0):
        return (
            f"Severity rose from {_word(known['severity'])} to {_word(issue['severity'])} "
            f"({_time(issue['updated_at'])}): {_prose(issue['title'], 200)}"
        )
    return None


def _resolved_reason(issue: Row) -> str:
    reason = _metadata(issue).get("resolvedReason")
    return f" {_prose(str(reason), 300)}" if reason else ""


def _desired(issue: Row, comment: str | None, now: datetime) -> DesiredIssue:
    severity = _word(issue["severity"])
    return DesiredIssue(
        title=f"[{severity}] {escape.title(redact(issue['title']))}",
        body=_body(issue),
        labels=(*LABELS, severity),
        state="closed" if issue["status"] == "resolved" else "open",
        comment=comment,
        about=_about(issue, now),
    )


def _body(issue: Row) -> str:
    metadata = _metadata(issue)
    nodes = metadata.get("nodes")
    facts = [
        ("Severity", _word(issue["severity"])),
        ("Type", escape.code(redact(issue["type"]))),
        (
            "Nodes",
            ", ".join(escape.code(str(node), most=60) for node in nodes[:10]) if isinstance(nodes, list) else "–",
        ),
        ("Lines affected", _code(metadata.get("affectedCount"))),
        ("Times seen", _code(metadata.get("occurrences"))),
        ("First seen", _code(metadata.get("firstSeen") or _time(issue["detected_at"]))),
        ("Last seen", _code(metadata.get("lastSeen") or _time(issue["updated_at"]))),
        ("Found by", f"{escape.code(issue['source'], most=20)}, rule {_code(metadata.get('rule'))}"),
        ("Evidence", f"{issue['evidence']:,} log rows"),
    ]
    if metadata.get("regressionOf"):
        facts.append(("Regression of", _code(metadata["regressionOf"])))
    parts = [_prose(issue["description"], 3_000)]
    for heading, text in (("Root cause", issue["root_cause"]), ("Recommendation", issue["recommendation"])):
        if text:
            parts.append(f"## {heading}\n\n{_prose(text, 3_000)}")
    table = "\n".join(f"| {name} | {value} |" for name, value in facts)
    parts.append(f"| | |\n| --- | --- |\n{table}")
    parts.append(f"More, with the log rows themselves: `fleexmon issues show {issue['id']}`")
    return "\n\n".join(parts) + "\n"


def _metadata(issue: Row) -> Mapping[str, Any]:
    """{} where another program wrote something else."""
    return issue["metadata"] if isinstance(issue["metadata"], dict) else {}


def _prose(text: str, most: int) -> str:
    return escape.prose(redact(text), most=most)


def _code(value: object) -> str:
    return "–" if value is None else escape.code(redact(str(value)), most=80)


def _word(severity: str) -> str:
    """One of ours as it is; another program's word made harmless."""
    return severity if severity in _RANK else escape.mermaid(severity, most=20)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
