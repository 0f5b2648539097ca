"""An issue as one page in a terminal: facts, evidence, and similar issues.

Here: order and wording. The data: `issues/read.py`, `issues/context.py`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.screen.clock import Clock
from fleexmon_pipeline.incidents import sentences
from fleexmon_pipeline.issues.context import IssueContext, LastDay, SimilarIssue
from fleexmon_pipeline.issues.people import Mute
from fleexmon_pipeline.issues.read import Issue, IssueDetail
from fleexmon_pipeline.wording import UNKNOWN, counted, inert, sparkline

_ITEM = re.compile(r"(-|\d+\.) ")
_LABEL = 13
MAX_WIDTH = 110  # columns; longer lines are hard to read


def page(detail: IssueDetail, around: IssueContext, mutes: Sequence[Mute], runbook: str | None, clock: Clock) -> str:
    issue = detail.issue
    metadata = issue.figures
    lines = [
        inert(issue.title),
        "",
        *(f"  {name:<{_LABEL}}{inert(value)}" for name, value in _facts(issue, metadata, around, mutes, clock)),
    ]
    for heading, text in (
        ("What happened", issue.description),
        (sentences.HYPOTHESIS, issue.root_cause),
        ("What to do", issue.recommendation),
    ):
        if text:
            lines += ["", heading, *_wrapped(text)]
    lines += ["", "The 24 hours before", *_day(around.last_day, clock)]
    if detail.occurrences:
        lines += ["", f"Fired ({clock.name}; 5-minute slots, newest first)"]
        lines += [
            f"  {clock.full_minute(fired.slot)}  {fired.severity:<8}  {fired.affected:>7} lines  {inert(fired.title)}"
            for fired in detail.occurrences[:12]
        ]
    if detail.evidence:
        rows = len(issue.affected_logs or [])
        lines += ["", f"Evidence (newest {len(detail.evidence)} of {counted(rows, 'log line')})"]
        lines += [
            f"  {clock.milliseconds(line.timestamp):<23}  {line.node:<8}  {line.level:<5}  {inert(line.message)}"
            for line in detail.evidence
        ]
    if detail.unread:
        lines += ["", f"Some evidence cannot be read: {inert(detail.unread)}"]
    if around.similar:
        lines += ["", "Similar issues", *(part for other in around.similar for part in _similar(other, clock))]
    if runbook:
        lines += ["", f"Runbook {metadata['runbook']}", *(f"  {line}".rstrip() for line in runbook.splitlines())]
    return "\n".join(lines)


def _facts(
    issue: Issue, metadata: dict[str, Any], around: IssueContext, mutes: Sequence[Mute], clock: Clock
) -> list[tuple[str, str]]:
    facts = [
        ("id", str(issue.id)),
        ("state", f"{issue.status}, {issue.severity}, {issue.type} by {issue.source}"),
        ("nodes", ", ".join(issue.nodes) or "all"),
        ("first, last", f"{clock.full_minute(issue.detected_at)}, {clock.full_minute(issue.updated_at, named=True)}"),
    ]
    if issue.resolved_at:
        by = f", by {metadata['resolvedBy']}" if metadata.get("resolvedBy") else ""
        reason = f"{metadata.get('resolvedReason') or 'by a person'}{by}"
        facts.append(("resolved", f"{clock.full_minute(issue.resolved_at, named=True)} ({reason})"))
    if around.verdict:
        verdict = around.verdict
        reason = f": {verdict.why}" if verdict.why else ""
        facts.append(("marked as", f"{verdict.verdict} by {verdict.by}{reason}"))
    for mute in mutes:
        until = f"until {clock.full_minute(mute.until, named=True)}" if mute.until else "until unmuted"
        facts.append(("muted", f"{until} by {mute.by}: {mute.why}"))
    if metadata.get("regressionOf"):
        facts.append(("regression", f"of {metadata['regressionOf']}, which was resolved"))
    facts.append(("rule", f"{metadata.get('rule', '–')}, version {metadata.get('ruleVersion', '–')}"))
    if around.pattern:
        facts.append(
            ("pattern", f"{around.pattern.id}, first seen {clock.full_minute(around.pattern.first_seen, named=True)}")
        )
        facts.append(("", around.pattern.template))
    count, affected = metadata.get("occurrences", "–"), metadata.get("affectedCount", "–")
    facts.append(("fired", f"in {_number(count)} slots of 5 minutes; {_number(affected)} lines at the peak"))
    if around.windows:
        first, last = around.windows[0], around.windows[-1]
        facts.append(("windows", first if first == last else f"{first}...{last}"))
    if metadata.get("run"):
        facts.append(("written by", f"run {metadata['run']}"))
    if around.runs:
        facts.append(("collected by", f"run{'s' * (len(around.runs) > 1)} {', '.join(around.runs)}"))
    facts.append(("page", settings.page_url("issue", issue.id)))
    return facts


def _number(figure: object) -> str:
    """A figure as text. Other programs may have stored values of any type."""
    return f"{figure:,}" if isinstance(figure, int) else str(figure)


def _day(day: LastDay, clock: Clock) -> list[str]:
    counts = [lines for lines in day.lines if lines is not None]
    unknown = f"; {UNKNOWN} not collected" if len(counts) < len(day.lines) else ""
    most = f"highest {max(counts, default=0):,} in half an hour"
    window = f"{clock.full_minute(day.since)} … {clock.full_minute(day.until, named=True)}"
    return [f"  {sparkline(day.lines)}", f"  {window}, {inert(day.of)}: {sum(counts):,}, {most}{unknown}"]


def _similar(issue: SimilarIssue, clock: Clock) -> list[str]:
    nodes = ", ".join(map(str, issue.nodes)) if isinstance(issue.nodes, list) and issue.nodes else "all nodes"
    ended = "open" if issue.status != "resolved" else issue.resolved_reason or "resolved by a person"
    by = f", by {issue.resolved_by}" if issue.resolved_by else ""
    marked = f"; marked as {issue.verdict}" + (f": {issue.why}" if issue.why else "") if issue.verdict else ""
    cause = f"; cause: {issue.root_cause[:200]}" if issue.root_cause else ""
    begun = f"{str(issue.id)[:18]}  {clock.full_minute(issue.detected_at)}"
    return [
        f"  {begun}  {issue.severity:<8}  {inert(nodes)}  {inert(issue.title)}",
        f"      {inert(f'{ended}{by}{marked}{cause}')}",
    ]


def _wrapped(text: str) -> list[str]:
    """Paragraphs wrapped to the width of the terminal, or to 100 columns without one."""
    width = min(shutil.get_terminal_size((100, 24)).columns, MAX_WIDTH)
    lines = []
    for part in text.splitlines():
        item = _ITEM.match(part)
        rest = " " * (2 + (item.end() if item else 0))
        lines += wrap(inert(part), width, initial_indent="  ", subsequent_indent=rest, break_on_hyphens=False) or [""]
    return lines
