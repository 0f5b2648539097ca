"""What people read of an incident, wherever they read it: an alert, a channel, the digest, a page, GenAI.

Here: choosing and reading. All of it is redacted plain text. How it looks on GitHub: `reporting/alert_texts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.read import Incident, issues_of, read_hypothesis
from fleexmon_pipeline.issues.read import EvidenceLine, Issue, IssueSummary, evidence_of
from fleexmon_pipeline.levels import ERROR_LEVELS
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import SLOT
from fleexmon_pipeline.wording import one_line

SQL = statements("incidents")
MAX_EVIDENCE = 5
MAX_MESSAGE = 300
BARS_BEFORE = timedelta(hours=1)  # shown before the incident began
MAX_BARS = 72
_MAX_READ = 4_000  # characters of a message that are redacted; redaction may miss a secret that is cut


@dataclass(frozen=True)
class Bars:
    """Errors of the incident's nodes by slot; None where no node responded. At most MAX_BARS, the newest."""

    since: datetime
    until: datetime
    errors: list[int | None]


@dataclass(frozen=True)
class Story:
    incident: Incident
    issues: Sequence[IssueSummary]
    headline: Issue | None  # the issue that the title is about
    began_with: str | None  # template of the pattern that came first
    bars: Bars
    evidence: Sequence[EvidenceLine]  # the first lines behind the headline
    steps: str | None  # what to do first
    hypothesis: str | None  # what GenAI says is the cause
    unread: str | None  # why evidence is missing: its archive cannot be read


def read_story(connection: Connection, incident: Incident) -> Story:
    headline = _headline(connection, incident)
    evidence, unread = _first_lines(connection, headline) if headline else ([], None)
    return Story(
        incident=incident,
        issues=issues_of(connection, incident.issues),
        headline=headline,
        began_with=_template(connection, incident.first_pattern),
        bars=_bars(connection, incident),
        evidence=evidence,
        steps=redact(headline.recommendation) if headline and headline.recommendation else None,
        hypothesis=read_hypothesis(connection, incident),
        unread=unread,
    )


def _headline(connection: Connection, incident: Incident) -> Issue | None:
    row = connection.execute(statements("issues")["one"], {"id": incident.headline}).fetchone()
    return msgspec.convert(row, Issue) if row else None


def _template(connection: Connection, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    row = connection.execute(SQL["first_seen"], {"ids": [pattern]}).fetchone()
    return one_line(redact(row["template"]), most=MAX_MESSAGE) if row else None


def _bars(connection: Connection, incident: Incident) -> Bars:
    until = incident.last_seen_at
    since = max(incident.started_at - BARS_BEFORE, until - MAX_BARS * SLOT)
    where = {"nodes": incident.nodes or None, "errors": [*ERROR_LEVELS], "since": since, "until": until}
    errors = {row["slot"]: row["errors"] for row in connection.execute(SQL["errors_by_slot"], where)}
    slots = (since + index * SLOT for index in range(-(-(until - since) // SLOT)))
    return Bars(since, until, [errors.get(slot) for slot in slots])


def _first_lines(connection: Connection, issue: Issue) -> tuple[list[EvidenceLine], str | None]:
    lines, unread = evidence_of(connection, issue.affected_logs or [], width=_MAX_READ, limit=MAX_EVIDENCE, oldest=True)
    shown = [msgspec.structs.replace(line, message=one_line(redact(line.message), most=MAX_MESSAGE)) for line in lines]
    return shown, unread
