"""An issue on one page of a terminal: what it is, its evidence, and similar issues.

Here: order and wording. Where the data comes from: `issues/read.py`, `issues/context.py`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap
from typing import Any

from fleexmon_pipeline.issues.context import IssueContext, LastDay
from fleexmon_pipeline.issues.read import Issue, IssueDetail, Row
from fleexmon_pipeline.wording import inert

_ITEM = re.compile(r"(-|\d+\.) ")
_BARS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "·"
_LABEL = 13
MAX_WIDTH = 110  # columns; longer lines are hard to read


def page(detail: IssueDetail, around: IssueContext, mutes: Sequence[Row], runbook: str | None) -> str:
    issue = detail.issue
    metadata = issue.figures
    lines = [
        inert(issue.title),
        "",
        *(f"  {name:<{_LABEL}}{inert(value)}" for name, value in _facts(issue, metadata, around, mutes)),
    ]
    for heading, text in (("What", issue.description), ("Why", issue.root_cause), ("Do", issue.recommendation)):
        if text:
            lines += ["", heading, *_wrapped(text)]
    lines += ["", "The 24 hours before", *_day(around.last_day)]
    if detail.occurrences:
        lines += ["", "When (UTC; slots in which the rule fired, newest first)"]
        lines += [
            f"  {_when(o['slot'])}  {o['severity']:<8}  {o['affected']:>7} lines  {inert(o['title'])}"
            for o in detail.occurrences[:12]
        ]
    if detail.evidence:
        rows = len(issue.affected_logs or [])
        lines += ["", f"Evidence (the newest {len(detail.evidence)} of {rows} rows of LogEntry)"]
        lines += [
            f"  {_to_the_millisecond(e['timestamp']):<23}  {e['node']:<8}  {e['level']:<5}  {inert(e['message'])}"
            for e in detail.evidence
        ]
    if around.similar:
        lines += ["", "Similar issues", *(part for row in around.similar for part in _similar(row))]
    if runbook:
        lines += ["", f"Runbook {metadata['runbook']}", *(f"  {line}".rstrip() for line in runbook.splitlines())]
    return "\n".join(lines)


def _facts(issue: Issue, metadata: dict[str, Any], around: IssueContext, mutes: Sequence[Row]) -> list[tuple[str, str]]:
    facts = [
        ("id", str(issue.id)),
        ("state", f"{issue.status}, {issue.severity}, {issue.type} by {issue.source}"),
        ("nodes", ", ".join(issue.nodes) or "all"),
        ("first, last", f"{_minute(issue.detected_at)}, {_minute(issue.updated_at)} UTC"),
    ]
    if issue.resolved_at:
        by = f", by {metadata['resolvedBy']}" if metadata.get("resolvedBy") else ""
        facts.append(
            ("resolved", f"{_minute(issue.resolved_at)} UTC ({metadata.get('resolvedReason') or 'by a person'}{by})")
        )
    if around.verdict:
        verdict = around.verdict
        reason = f": {verdict['why']}" if verdict["why"] else ""
        facts.append(("marked as", f"{verdict['verdict']} by {verdict['by']}{reason}"))
    for mute in mutes:
        until = f"until {_when(mute['until'])} UTC" if mute["until"] else "until unmuted"
        facts.append(("muted", f"{until} by {mute['by']}: {mute['why']}"))
    if metadata.get("regressionOf"):
        facts.append(("regression", f"of {metadata['regressionOf']}, which was resolved"))
    facts.append(("rule", f"{metadata.get('rule', '–')}, version {metadata.get('ruleVersion', '–')}"))
    if around.pattern:
        facts.append(("pattern", f"{around.pattern['id']}, first seen {_when(around.pattern['firstSeen'])} UTC"))
        facts.append(("", around.pattern["template"]))
    count, affected = metadata.get("occurrences", "–"), metadata.get("affectedCount", "–")
    facts.append(("fired", f"in {count} slots; {affected} lines in the last one"))
    if around.windows:
        first, last = around.windows[0], around.windows[-1]
        facts.append(("windows", first if first == last else f"{first}...{last}"))
    if metadata.get("run"):
        facts.append(("written by", f"run {metadata['run']}"))
    if around.runs:
        facts.append(("collected by", f"run{'s' * (len(around.runs) > 1)} {', '.join(around.runs)}"))
    return facts


def _day(day: LastDay) -> list[str]:
    known = [lines for lines in day.lines if lines is not None]
    hole = f"; {_UNKNOWN} no node responded" if len(known) < len(day.lines) else ""
    most = f"at most {max(known, default=0):,} in half an hour"
    return [
        f"  {sparkline(day.lines)}",
        f"  {_when(day.since)} … {_when(day.until)} UTC, {inert(day.of)}: {sum(known):,}, {most}{hole}",
    ]


def sparkline(values: Sequence[int | None]) -> str:
    """One character per value: the lowest bar is zero, a dot is unknown."""
    most = max((value for value in values if value), default=1)
    top = len(_BARS) - 1
    return "".join(_UNKNOWN if value is None else _BARS[-(-value * top // most)] for value in values)


def _similar(row: Row) -> list[str]:
    nodes = ", ".join(map(str, row["nodes"])) if isinstance(row["nodes"], list) and row["nodes"] else "all nodes"
    lines = [
        f"  {row['id'][:18]}  {_when(row['detectedAt'])}  {row['severity']:<8}  {inert(nodes)}  {inert(row['title'])}"
    ]
    ended = "open" if row["status"] != "resolved" else row["resolvedReason"] or "resolved by a person"
    by = f", by {row['resolvedBy']}" if row["resolvedBy"] else ""
    marked = f"; marked as {row['verdict']}" + (f": {row['why']}" if row["why"] else "") if row["verdict"] else ""
    cause = f"; cause: {row['rootCause'][:200]}" if row["rootCause"] else ""
    return [*lines, f"      {inert(f'{ended}{by}{marked}{cause}')}"]


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _when(moment: str) -> str:
    """`2026-11-20 10:15`, from ISO 8601 in UTC."""
    return moment[:16].replace("T", " ")


def _to_the_millisecond(moment: str) -> str:
    return moment.removesuffix("Z")[:23].replace("T", " ")


def _wrapped(text: str) -> list[str]:
    """Paragraphs wrapped to the width of the terminal; 100 columns where there is none."""
    width = min(shutil.get_terminal_size((100, 24)).columns, MAX_WIDTH)
    lines = []
    for part in text.splitlines():
        item = _ITEM.match(part)
        rest = " " * (2 + (item.end() if item else 0))
        lines += wrap(inert(part), width, initial_indent="  ", subsequent_indent=rest, break_on_hyphens=False) or [""]
    return lines
