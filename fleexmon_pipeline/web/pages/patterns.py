"""Patterns: those with lines in a window, and one pattern with its history, name and issues.

The data: `lookup/patterns.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.levels import LEVELS, Level
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, histogram, slots_of_pattern
from fleexmon_pipeline.lookup.lines import LineQuery, at_least, lines_of_ids
from fleexmon_pipeline.lookup.patterns import (
    CountedPattern,
    PatternFilter,
    UnknownPatternError,
    issues_of,
    known_from,
    lines_by_day,
    list_patterns,
    members,
    one_pattern,
)
from fleexmon_pipeline.patterns.labels import Label, read_labels
from fleexmon_pipeline.web.pages.charts import Bar, timeline
from fleexmon_pipeline.web.pages.page import Page
from fleexmon_pipeline.web.pages.page_request import NotFoundError, PageRequest
from fleexmon_pipeline.window import DAY, EPOCH, SLOT, Window, ceil, floor
from fleexmon_pipeline.wording import counted

PAGE_LENGTH = 60
MAX_SAMPLES = 10
MAX_ISSUES = 10
DAYS = 30


@dataclass(frozen=True)
class Row:
    pattern: CountedPattern
    label: Label | None
    trend: str  # "" if the time before is not covered
    is_new: bool


def listed(connection: Connection, page_request: PageRequest) -> Page:
    """The patterns of the last 24 hours, the most frequent first.

    Parameters: q, node, level, new (since midnight), page.
    """
    window = Window(floor(page_request.now, SLOT) - DAY, floor(page_request.now, SLOT) + SLOT)
    midnight = floor(page_request.now, DAY)
    level = page_request.choice("level", LEVELS)
    only_new = page_request.choice("new", ("today",)) is not None
    number = page_request.number("page")
    wanted = PatternFilter(
        node=page_request.text("node"),
        levels=at_least(cast(Level, level)) if level else None,
        text=page_request.text("q"),
        first=midnight if only_new else None,
    )
    patterns, total = list_patterns(connection, window, wanted, limit=PAGE_LENGTH, offset=(number - 1) * PAGE_LENGTH)
    labels = read_labels(connection)
    compared = known_from(connection, window.since - window.length)
    rows = [
        Row(one, labels.get(one.id), trend(one) if compared else "", one.first_seen >= midnight) for one in patterns
    ]
    return Page(
        "patterns",
        "Patterns",
        "pattern",
        {
            "rows": rows,
            "compared": compared,
            "summary": f"{counted(total, 'pattern')} with lines in the last 48 hours"
            + (", first seen today." if only_new else "."),
            "older": number + 1 if number * PAGE_LENGTH < total else None,
            "number": number,
            "q": wanted.text,
            "node": wanted.node,
            "level": level,
            "new": "today" if only_new else None,
            "nodes": sorted({*known_nodes(connection), *([wanted.node] if wanted.node else [])}),
            "levels": LEVELS,
        },
    )


def one(connection: Connection, page_request: PageRequest) -> Page:
    try:
        pattern = one_pattern(connection, page_request.name)
    except UnknownPatternError as error:
        raise NotFoundError(str(error)) from None
    ids = members(connection, pattern.id)
    days = Window(floor(page_request.now, DAY) - (DAYS - 1) * DAY, floor(page_request.now, DAY) + DAY)
    by_day = lines_by_day(connection, ids, days)
    until = ceil(page_request.now, HALF_HOUR)
    day = Window(until - DAY, until)
    everything = LineQuery(since=EPOCH, until=page_request.now + DAY)
    halves = histogram(connection, day, everything, ids)
    slots = slots_of_pattern(connection, ids, everything, limit=MAX_SAMPLES)
    samples = lines_of_ids(connection, [line for slot in slots for line in slot.samples])[:MAX_SAMPLES]
    last_day = [
        Bar(day.since + half * HALF_HOUR, {"lines": sum(halves.get(half, {}).values())})
        for half in range(DAY // HALF_HOUR)
    ]
    last_month = [
        Bar(start.since, {"lines": sum(by_day.get(start.since.date(), {}).values())}) for start in days.days()
    ]
    nodes: dict[str, int] = {}
    for lines in by_day.values():
        for node, count in lines.items():
            nodes[node] = nodes.get(node, 0) + count
    return Page(
        "pattern",
        f"Pattern {pattern.id[:16]}",
        "pattern",
        {
            "pattern": pattern,
            "label": read_labels(connection).get(pattern.id),
            "merged": len(ids) - 1,
            "day_chart": timeline(last_day, HALF_HOUR, "Lines by half hour, last 24 hours"),
            "month_chart": timeline(last_month, timedelta(days=1), "Lines by day, last 30 days", form="%m-%d"),
            "node_lines": sorted(nodes.items(), key=lambda item: -item[1]),
            "samples": samples,
            "issues": issues_of(connection, ids, limit=MAX_ISSUES),
        },
    )


def trend(pattern: CountedPattern) -> str:
    """The change against the window of the same length before: `new in 24 h`, `gone`, `+40 %`, `3.2x`, `=`."""
    now, before = pattern.lines, pattern.before
    if not before:
        return "new in 24 h" if now else "–"
    if not now:
        return "gone"
    ratio = now / before
    if ratio >= 2:
        return f"{ratio:,.1f}x"
    change = round((ratio - 1) * 100)
    return "=" if change == 0 else f"{change:+} %"
