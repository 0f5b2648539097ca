"""Sentences about an incident: the same for GitHub, channels, the digest, the pages and the terminal.

Here: wording only. What a reader's format would interpret is escaped by the caller, before or after.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.wording import counted, short_duration

MAX_NODES = 10  # named in a sentence
HYPOTHESIS = "GenAI hypothesis (unverified)"
RETURNED = "This incident is back."
REMOVED = "Its issues no longer exist: the rules no longer match these lines, or the issues were deleted."


def utc(moment: datetime) -> str:
    """`2026-11-20 09:10 UTC`"""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def length(incident: Incident) -> str:
    return short_duration(incident.last_seen_at - incident.started_at)


def errors(count: int, lines: int, usual: float | None) -> str:
    """`412 errors in 3,120 lines (3 expected from the day before)`; `usual`: errors in as many slots of that day."""
    text = f"{counted(count, 'error')} in {counted(lines, 'line')}"
    if usual is None:
        return text
    expected = f"{usual:,.0f}" if usual >= 100 else f"{usual:,.1f}".removesuffix(".0")
    return f"{text} ({expected} expected from the day before)"


def errors_of(incident: Incident) -> str:
    figures = incident.figures
    return errors(figures.errors, figures.lines, figures.usual_errors)


def state(incident: Incident) -> str:
    """`Open since 2026-11-20 09:00 UTC (35 min).`, or how it ended."""
    return f"Open since {utc(incident.started_at)} ({length(incident)})." if incident.is_open else ended(incident)


def ended(incident: Incident) -> str:
    return f"Ended after {length(incident)}, last seen at {utc(incident.last_seen_at)}."


def spread(nodes: Sequence[str]) -> str:
    """`nodes`: new ones only; in a storm they can be hundreds."""
    more = f" and {len(nodes) - MAX_NODES:,} more" if len(nodes) > MAX_NODES else ""
    return f"Now also on {', '.join(nodes[:MAX_NODES])}{more}."


def rose(before: str, now: str) -> str:
    return f"Severity rose from {before} to {now}."


def merged(title: str) -> str:
    """`title`: that of the incident that continues."""
    return f"Merged into another incident with the same cause: {title}"


def began_with(template: str) -> str:
    return f"Began with: {template}"
