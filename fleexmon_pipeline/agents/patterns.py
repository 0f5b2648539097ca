"""Patterns: those of a window, and the history of one.

Here: what an agent is shown. Where it comes from: `lookup/patterns.py`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from fleexmon_pipeline.agents.answer import Answer, Entry, when
from fleexmon_pipeline.agents.asked import Look, Name, NodeName, Paged, Since, Text, Until
from fleexmon_pipeline.lookup.lines import at_least
from fleexmon_pipeline.lookup.patterns import (
    CountedPattern,
    PatternFilter,
    issues_of,
    lines_by_day,
    list_patterns,
    members,
    one_pattern,
)
from fleexmon_pipeline.patterns.labels import read_labels
from fleexmon_pipeline.window import DAY, Window, ceil, floor
from fleexmon_pipeline.wording import duration

PAGE = 60
MAX_WINDOW = 31 * DAY
MAX_ISSUES = 6


class ListPatterns(Paged):
    since: Annotated[Since | None, Field(description="Begin, a day ago if left out.")] = None
    until: Until | None = None
    node: NodeName | None = None
    level: Annotated[
        Literal["debug", "info", "warn", "error", "fatal"] | None, Field(description="This level and worse ones.")
    ] = None
    text: Text | None = None
    new: Annotated[bool, Field(description="Only those first seen in this time.")] = False


class PatternHistory(Paged):
    id: Annotated[Name, Field(description="The id of a pattern.")]
    days: Annotated[int, Field(ge=1, le=400, description="How many days back.")] = 14


def listed(look: Look, asked: ListPatterns) -> Answer:
    """The loudest first, each beside as long a time before."""
    window = look.window(asked.since, asked.until, default=DAY, most=MAX_WINDOW)
    offset = look.offset()
    wanted = PatternFilter(
        node=look.node(asked.node),
        levels=at_least(asked.level) if asked.level else None,
        text=asked.text,
        first=window.since if asked.new else None,
    )
    patterns, total = list_patterns(look.connection, window, wanted, limit=PAGE, offset=offset)
    facts = {
        "since": when(window.since), "until": when(window.until), "patterns_in_all": total,
        "before": f"lines in the {duration(window.length)} before",
    }  # fmt: skip
    entries = [Entry(_counted(look, pattern), [offset + index + 1]) for index, pattern in enumerate(patterns)]
    return Answer(facts, "patterns", entries, [offset + PAGE] if total > offset + PAGE else None)


def _counted(look: Look, pattern: CountedPattern) -> dict[str, Any]:
    return {
        "id": pattern.id, "template": look.marks.line(pattern.template, 80), "level": look.marks.name(pattern.level),
        "lines": pattern.lines, "before": pattern.before, "first_seen": when(pattern.first_seen),
    }  # fmt: skip


def history(look: Look, asked: PatternHistory) -> Answer:
    """Its lines by day and node, the newest day first; days without lines are left out."""
    pattern, offset = one_pattern(look.connection, asked.id), look.offset()
    ids = members(look.connection, pattern.id)
    until = ceil(look.now, DAY)
    window = Window(until - timedelta(days=asked.days), until)
    days = lines_by_day(look.connection, ids, window)
    label = read_labels(look.connection).get(pattern.id)
    facts = {
        "id": pattern.id,
        "template": look.marks.line(pattern.template, 200),
        "level": look.marks.name(pattern.level),
        "first_seen": when(pattern.first_seen),
        "last_seen": when(pattern.last_seen),
        "name": look.marks.line(label.name, 30) if label and label.name else None,
        "ignored": bool(label and label.ignored),
        "days_since": str(floor(window.since, DAY).date()),
        "issues": [
            {
                "id": str(issue.id), "title": look.marks.line(issue.title, 40), "status": look.marks.name(issue.status),
                "began": when(issue.detected_at),
            }
            for issue in issues_of(look.connection, ids, limit=MAX_ISSUES)
        ],
    }  # fmt: skip
    newest = sorted(days, reverse=True)[offset:]
    entries = [Entry(_day(look, day, days[day]), [offset + index + 1]) for index, day in enumerate(newest)]
    return Answer(facts, "days", entries)


def _day(look: Look, day: date, nodes: dict[str, int]) -> dict[str, Any]:
    loudest = sorted(nodes.items(), key=lambda item: -item[1])
    shown = [[look.marks.name(node), lines] for node, lines in loudest[:10]]
    return {"day": str(day), "lines": sum(nodes.values()), "by_node": shown}
