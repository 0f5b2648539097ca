"""Read the figures of a day from the database.

Here: which figures. Their types: `figures.py`. Lines are counted from LogPatternCount and LogCoverage, so the cost
depends on the day, not on the size of the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.forecasting.record import announced, read_records, totals
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting.figures import (
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
from fleexmon_pipeline.reporting.verdict import judge
from fleexmon_pipeline.window import DAY, SLOT, Window, floor

WEEK = timedelta(days=7)
SETTLING = timedelta(minutes=15)  # of a slot that ended less than three ticks ago, the tick may still be running
MAX_TOP_ERRORS = 5
MAX_NEW_PATTERNS = 10
MAX_URGENT = 5  # newest high and critical issues
MAX_CHANGED = 10  # new, and resolved, issues of the day
URGENT = ("critical", "high")
SEVERITIES = tuple(map(str, reversed(Severity)))


def figures(connection: Connection, day: Window, *, now: datetime) -> Figures:
    """The figures of the UTC day `day`; `now` (UTC) only decides which of its slots are due.

    The same rows give the same figures: for a day that is over, `now` has no effect. An empty database gives zeros and
    the verdict that there are no data.
    """
    span = {"since": day.since, "until": day.until}
    hourly = _rows(connection, "hourly_counts", **span)
    as_of = floor(now, SLOT) if now < day.until else None
    so_far = (as_of or day.until) - day.since  # 20 minutes are compared with 20 minutes
    history = _rows(connection, "daily_counts", since=day.since - WEEK, until=day.since, so_far=so_far)
    yesterday = [row for row in history if row["day"] >= day.since - DAY]
    days_with_lines = len({row["day"] for row in history if row["count"]})
    nodes = _nodes(connection, day, hourly, yesterday, so_far, now=now)
    coverage = _sum(node.coverage for node in nodes)
    top_errors = _rows(connection, "top_errors", **span, before=day.since - DAY, so_far=so_far, limit=MAX_TOP_ERRORS)
    fresh = _rows(connection, "new_patterns", **span, limit=MAX_NEW_PATTERNS)
    issues = _issues(_rows(connection, "issues", **span), day)
    total, week = _volume(hourly), _volume(history, share=max(days_with_lines, 1))
    genai = GenAIUse(**_rows(connection, "genai", **span)[0])
    uncounted = coverage.uncounted(total.lines)
    new_errors = fresh[0]["errors"] if fresh else 0
    verdict = judge(
        total, week, coverage, nodes, issues, genai,
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
        new_patterns=fresh[0]["patterns"] if fresh else 0,
        new_error_patterns=new_errors,
        new_listed=tuple(map(_pattern, fresh)),
        issues=issues,
        genai=genai,
        forecasts=Forecasts(
            tuple(totals(read_records(connection, day.until, days=1))), tuple(announced(connection, day))
        ),
    )


def _rows(connection: Connection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    return connection.execute(statements("digests")[name], parameters).fetchall()


def _volume(rows: Iterable[Mapping[str, Any]], *, share: int = 1) -> Volume:
    """Counts by level, divided by `share` days."""
    levels: Counter[str] = Counter()
    for row in rows:
        levels[row["level"]] += row["count"]
    lines, errors = levels.total(), levels["error"] + levels["fatal"]
    if share == 1:
        return Volume(lines, errors, levels["warn"], errors / lines if lines else None)
    return Volume(
        round(lines / share, 1), round(errors / share, 1), round(levels["warn"] / share, 1),
        errors / lines if lines else None,
    )  # fmt: skip


def _nodes(
    connection: Connection, day: Window, hourly: Sequence[Mapping[str, Any]],
    yesterday: Sequence[Mapping[str, Any]], so_far: timedelta, *, now: datetime,
) -> tuple[NodeFigures, ...]:  # fmt: skip
    first_polls = {row["node"]: row["first"] for row in _rows(
        connection, "first_polls", until=day.until, recent=day.since - WEEK)}  # fmt: skip
    covered: dict[str, dict[datetime, Mapping[str, Any]]] = {node: {} for node in first_polls}
    for row in _rows(connection, "coverage", since=day.since, until=day.until):
        covered[row["node"]][row["slot"]] = row
    slots = {row["node"]: row["slots"] for row in _rows(
        connection, "covered_slots", since=day.since - DAY, until=day.since - DAY + so_far)}  # fmt: skip
    nodes = []
    for node in sorted(first_polls.keys() | {row["node"] for row in hourly}):
        statuses = _slot_statuses(day, covered.get(node, {}), first=first_polls.get(node), now=now)
        count = Counter(statuses.values())
        rows = covered.get(node, {}).values()
        nodes.append(NodeFigures(
            node,
            _volume(row for row in hourly if row["node"] == node),
            _volume(row for row in yesterday if row["node"] == node),
            slots.get(node, 0) / max(so_far // SLOT, 1),
            Coverage(
                count["complete"], count["empty"], count["partial"], count["missing"], count["pending"],
                sum(row["stored"] for row in rows), sum(row["rejected"] for row in rows),
            ),
            tuple(_worst(statuses, hour) for hour in day.hours()),
        ))  # fmt: skip
    return tuple(nodes)


def _slot_statuses(
    day: Window, rows: Mapping[datetime, Mapping[str, Any]], *, first: datetime | None, now: datetime
) -> dict[datetime, str]:
    """Status by slot. A slot without a row is also missing if it is due and after the node was first polled."""
    statuses = {}
    for slot in day.slots():
        if slot.since in rows:
            statuses[slot.since] = rows[slot.since]["status"]
        elif slot.until > now - SETTLING:
            statuses[slot.since] = "pending"
        elif first is not None and slot.since > first:
            statuses[slot.since] = "missing"
        else:
            statuses[slot.since] = "unknown"
    return statuses


def _worst(statuses: Mapping[datetime, str], hour: Window) -> str:
    here = {statuses[slot.since] for slot in hour.slots()}
    return next(
        status for status in ("missing", "partial", "complete", "empty", "pending", "unknown") if status in here
    )


def _sum(parts: Iterable[Coverage]) -> Coverage:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(vars(part))
    return Coverage(**total)


def _hours(day: Window, hourly: Iterable[Mapping[str, Any]], nodes: Sequence[NodeFigures]) -> tuple[HourFigures, ...]:
    levels: dict[datetime, Counter[str]] = {hour.since: Counter() for hour in day.hours()}
    for row in hourly:
        levels[row["hour"]][row["level"]] += row["count"]
    return tuple(
        HourFigures(
            hour, count.total(), count["error"] + count["fatal"], count["warn"],
            True if count.total() else _heard({node.hours[index] for node in nodes}),
        )
        for index, (hour, count) in enumerate(levels.items())
    )  # fmt: skip


def _heard(statuses: set[str]) -> bool | None:
    if statuses & {"complete", "empty", "partial"}:
        return True
    return None if "pending" in statuses else False


def _pattern(row: Mapping[str, Any]) -> PatternFigures:
    return PatternFigures(
        row["pattern"], redact(row["template"] or f"pattern {row['pattern']}"), row["level"], row["count"],
        row["before"], tuple(row["nodes"] or ()), row["first_seen"],
    )  # fmt: skip


def _issues(rows: Sequence[Mapping[str, Any]], day: Window) -> Issues:
    """`rows` come newest first. Another program's severity is counted under its own name."""
    at_end = [row for row in rows if row["ended"] is None or row["ended"] >= day.until]
    urgent = [row for row in at_end if row["severity"] in URGENT and not row["muted"]]
    new = [row for row in rows if row["detected_at"] in day]
    resolved = sorted((r for r in rows if r["ended"] in day), key=lambda r: (r["ended"], r["id"]), reverse=True)
    severities = Counter(row["severity"] for row in at_end)
    order = [*SEVERITIES, *sorted(severities.keys() - set(SEVERITIES))]
    return Issues(
        open=len(at_end),
        muted=sum(row["muted"] for row in at_end),
        open_by_severity={severity: severities[severity] for severity in order if severities[severity]},
        urgent=len(urgent),
        urgent_listed=tuple(map(_issue, urgent[:MAX_URGENT])),
        new=len(new),
        new_listed=tuple(map(_issue, new[:MAX_CHANGED])),
        resolved=len(resolved),
        resolved_listed=tuple(map(_issue, resolved[:MAX_CHANGED])),
    )


def _issue(row: Mapping[str, Any]) -> IssueFigures:
    nodes = row["nodes"] if isinstance(row["nodes"], list) else []  # another program may have written it
    return IssueFigures(
        row["id"], row["type"], row["severity"], redact(row["title"]), row["source"],
        tuple(str(node) for node in nodes), row["detected_at"], row["updated_at"], row["ended"],
        row["muted"],
    )  # fmt: skip
