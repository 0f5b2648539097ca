"""Read the figures of a day from the database.

Here: which figures. Their types: `figures.py`. Lines are counted from LogPatternCount and LogCoverage, so the cost
depends on the day, not on the size of the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.forecasting.record import announced, read_records, totals
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.levels import ERROR_LEVELS, LEVELS
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting.figures import (
    MIN_COVERED,
    URGENT,
    Coverage,
    Figures,
    Forecasts,
    GenAIUse,
    HourFigures,
    IssueFigures,
    Issues,
    NodeFigures,
    PatternFigures,
    Volume,
)
from fleexmon_pipeline.reporting.incidents import incidents_of_day
from fleexmon_pipeline.reporting.verdict import verdict_of_day
from fleexmon_pipeline.window import DAY, SLOT, Window, floor

WEEK = timedelta(days=7)
SETTLING = timedelta(minutes=15)  # three ticks; collecting a slot may take this long
MAX_TOP_ERRORS = 5
MAX_NEW_PATTERNS = 10
MAX_URGENT = 5  # newest high and critical issues
MAX_CHANGED = 10  # new, and resolved, issues of the day
SEVERITIES = tuple(map(str, reversed(Severity)))


@dataclass(frozen=True)
class CountedLines:
    start: datetime  # of the hour, or of the day
    node: str
    level: str
    count: int


@dataclass(frozen=True)
class CoveredSlot:
    node: str
    slot: datetime
    status: str
    stored: int
    rejected: int


def figures(connection: Connection, day: Window, *, now: datetime) -> Figures:
    """The figures of the UTC day `day`. `now` (UTC) only decides which of its slots are due.

    The same rows give the same figures: for a day that has ended, `now` has no effect. An empty database gives zeros
    and the verdict that there is no data.
    """
    span = {"since": day.since, "until": day.until}
    hourly = [CountedLines(**row) for row in _rows(connection, "hourly_counts", **span)]
    as_of = floor(now, SLOT) if now < day.until else None
    so_far = (as_of or day.until) - day.since  # other days are cut at the same time of day
    week_before = _rows(connection, "daily_counts", since=day.since - WEEK, until=day.since, so_far=so_far)
    history = [CountedLines(**row) for row in week_before]
    yesterday = [lines for lines in history if lines.start >= day.since - DAY]
    slots = _rows(connection, "covered_slots", since=day.since - WEEK, until=day.since, so_far=so_far)
    shares = {(row["node"], row["day"]): row["slots"] / max(so_far // SLOT, 1) for row in slots}
    nodes = _nodes(connection, day, hourly, yesterday, shares, now=now)
    comparable = [lines for lines in history if _covered_share(shares, lines.start) >= MIN_COVERED]
    days_with_lines = len({lines.start for lines in comparable if lines.count})
    coverage = _sum(node.coverage for node in nodes)
    top_errors = _rows(
        connection, "top_errors", **span, before=day.since - DAY, so_far=so_far, errors=[*ERROR_LEVELS],
        limit=MAX_TOP_ERRORS,
    )  # fmt: skip
    new_patterns = _rows(
        connection, "new_patterns", **span, levels=[*LEVELS], errors=[*ERROR_LEVELS], limit=MAX_NEW_PATTERNS
    )
    issue_rows = [_issue(row) for row in _rows(connection, "issues", **span)]
    incidents = incidents_of_day(connection, day, issue_rows)
    total, week = _volume(hourly), _volume(comparable, share=max(days_with_lines, 1))
    genai = GenAIUse(**_rows(connection, "genai", **span)[0])
    uncounted = coverage.uncounted(total.lines)
    new_errors = new_patterns[0]["errors"] if new_patterns else 0
    verdict = verdict_of_day(
        total, week, coverage, nodes, incidents, genai,
        new_errors=new_errors if history else 0,  # on the very first day, every pattern is new
        as_of=as_of,
    )  # fmt: skip
    return Figures(
        day=day.since.date(),
        as_of=as_of,
        verdict=verdict,
        total=total,
        before=_volume(yesterday),
        before_covered=sum(node.before_covered for node in nodes) / max(len(nodes), 1),
        week=week,
        week_days=days_with_lines,
        uncounted=uncounted,
        coverage=coverage,
        nodes=nodes,
        hours=_hours(day, hourly, nodes),
        top_errors=tuple(map(_pattern, top_errors)),
        new_patterns=new_patterns[0]["patterns"] if new_patterns else 0,
        new_error_patterns=new_errors,
        new_listed=tuple(map(_pattern, new_patterns)),
        incidents=incidents,
        issues=_issues(issue_rows, day),
        genai=genai,
        forecasts=Forecasts(
            tuple(totals(read_records(connection, day.until, days=1))), tuple(announced(connection, day))
        ),
    )


def _rows(connection: Connection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    return connection.execute(statements("digests")[name], parameters).fetchall()


def _volume(counted: Iterable[CountedLines], *, share: int = 1) -> Volume:
    """Counts by level, divided by `share` days."""
    levels: Counter[str] = Counter()
    for counts in counted:
        levels[counts.level] += counts.count
    lines, errors = levels.total(), _errors(levels)
    if share == 1:
        return Volume(lines, errors, levels["warn"], errors / lines if lines else None)
    return Volume(
        round(lines / share, 1), round(errors / share, 1), round(levels["warn"] / share, 1),
        errors / lines if lines else None,
    )  # fmt: skip


def _covered_share(shares: Mapping[tuple[str, datetime], float], day: datetime) -> float:
    """The share of a day that is covered, over the nodes polled by then: a new node must not make old days
    incomparable.
    """
    nodes = {node for node, polled in shares if polled <= day}
    return sum(shares.get((node, day), 0.0) for node in nodes) / max(len(nodes), 1)


def _nodes(
    connection: Connection, day: Window, hourly: Sequence[CountedLines],
    yesterday: Sequence[CountedLines], shares: Mapping[tuple[str, datetime], float], *, now: datetime,
) -> tuple[NodeFigures, ...]:  # fmt: skip
    first_polls = {row["node"]: row["first"] for row in _rows(
        connection, "first_polls", until=day.until, recent=day.since - WEEK)}  # fmt: skip
    covered: dict[str, dict[datetime, CoveredSlot]] = {node: {} for node in first_polls}
    for row in _rows(connection, "coverage", since=day.since, until=day.until):
        covered[row["node"]][row["slot"]] = CoveredSlot(**row)
    nodes = []
    for node in sorted(first_polls.keys() | {lines.node for lines in hourly}):
        statuses = _slot_statuses(day, covered.get(node, {}), first=first_polls.get(node), now=now)
        count = Counter(statuses.values())
        polled = covered.get(node, {}).values()
        nodes.append(NodeFigures(
            node,
            _volume(lines for lines in hourly if lines.node == node),
            _volume(lines for lines in yesterday if lines.node == node),
            shares.get((node, day.since - DAY), 0.0),
            Coverage(
                count["complete"], count["empty"], count["partial"], count["missing"], count["pending"],
                sum(slot.stored for slot in polled), sum(slot.rejected for slot in polled),
            ),
            tuple(_worst(statuses, hour) for hour in day.hours()),
        ))  # fmt: skip
    return tuple(nodes)


def _slot_statuses(
    day: Window, covered: Mapping[datetime, CoveredSlot], *, first: datetime | None, now: datetime
) -> dict[datetime, str]:
    """Status by slot. A slot without a row is also missing if it is due and after the node was first polled."""
    statuses = {}
    for slot in day.slots():
        if slot.since in covered:
            statuses[slot.since] = covered[slot.since].status
        elif slot.until > now - SETTLING:
            statuses[slot.since] = "pending"
        elif first is not None and slot.since > first:
            statuses[slot.since] = "missing"
        else:
            statuses[slot.since] = "unknown"
    return statuses


def _worst(statuses: Mapping[datetime, str], hour: Window) -> str:
    in_hour = {statuses[slot.since] for slot in hour.slots()}
    return next(
        status for status in ("missing", "partial", "complete", "empty", "pending", "unknown") if status in in_hour
    )


def _sum(parts: Iterable[Coverage]) -> Coverage:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(vars(part))
    return Coverage(**total)


def _hours(day: Window, hourly: Iterable[CountedLines], nodes: Sequence[NodeFigures]) -> tuple[HourFigures, ...]:
    levels: dict[datetime, Counter[str]] = {hour.since: Counter() for hour in day.hours()}
    for lines in hourly:
        levels[lines.start][lines.level] += lines.count
    return tuple(
        HourFigures(
            hour, count.total(), _errors(count), count["warn"],
            True if count.total() else _has_response({node.hours[index] for node in nodes}),
        )
        for index, (hour, count) in enumerate(levels.items())
    )  # fmt: skip


def _errors(levels: Counter[str]) -> int:
    return sum(levels[level] for level in ERROR_LEVELS)


def _has_response(statuses: set[str]) -> bool | None:
    """Whether any node responded in an hour with these statuses; None if the hour has not ended."""
    if statuses & {"complete", "empty", "partial"}:
        return True
    return None if "pending" in statuses else False


def _pattern(row: Mapping[str, Any]) -> PatternFigures:
    return PatternFigures(
        row["pattern"], redact(row["template"] or f"pattern {row['pattern']}"), row["level"], row["count"],
        row["before"], tuple(row["nodes"] or ()), row["first_seen"],
    )  # fmt: skip


def _issues(issues: Sequence[IssueFigures], day: Window) -> Issues:
    """`issues`: newest first. Another program's severity is counted under its own name."""
    at_end = [issue for issue in issues if issue.resolved_at is None or issue.resolved_at >= day.until]
    urgent = [issue for issue in at_end if issue.severity in URGENT and not issue.muted]
    new = [issue for issue in issues if issue.detected_at in day]
    ended = [(issue.resolved_at, issue.id, issue) for issue in issues if issue.resolved_at and issue.resolved_at in day]
    resolved = [issue for _, _, issue in sorted(ended, key=lambda item: item[:2], reverse=True)]
    severities = Counter(issue.severity for issue in at_end)
    order = [*SEVERITIES, *sorted(severities.keys() - set(SEVERITIES))]
    return Issues(
        open=len(at_end),
        muted=sum(issue.muted for issue in at_end),
        open_by_severity={severity: severities[severity] for severity in order if severities[severity]},
        urgent=len(urgent),
        urgent_listed=tuple(urgent[:MAX_URGENT]),
        new=len(new),
        new_listed=tuple(new[:MAX_CHANGED]),
        resolved=len(resolved),
        resolved_listed=tuple(resolved[:MAX_CHANGED]),
    )


def _issue(row: Mapping[str, Any]) -> IssueFigures:
    nodes = row["nodes"] if isinstance(row["nodes"], list) else []  # another program may have written it
    return IssueFigures(
        row["id"], row["type"], row["severity"], redact(row["title"]), row["source"],
        tuple(str(node) for node in nodes), row["detected_at"], row["updated_at"], row["ended"],
        row["muted"],
    )  # fmt: skip
