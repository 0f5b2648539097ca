"""Patterns: a list for a window, and the history of one.

Here: answers for agents. Queries: `lookup/patterns.py`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from fleexmon_pipeline.agents.answer import Answer, Entry, when
from fleexmon_pipeline.agents.arguments import Name, NodeName, Paged, Since, Text, ToolCall, Until
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


def listed(call: ToolCall, arguments: ListPatterns) -> Answer:
    """Most lines first; each with its lines in an equally long time before."""
    window = call.window(arguments.since, arguments.until, default=DAY, most=MAX_WINDOW)
    offset = call.offset()
    wanted = PatternFilter(
        node=call.node(arguments.node),
        levels=at_least(arguments.level) if arguments.level else None,
        text=arguments.text,
        first=window.since if arguments.new else None,
    )
    patterns, total = list_patterns(call.connection, window, wanted, limit=PAGE, offset=offset)
    facts = {
        "since": when(window.since), "until": when(window.until), "patterns_in_all": total,
        "before": f"lines in the {duration(window.length)} before",
    }  # fmt: skip
    entries = [Entry(_counted(call, pattern), [offset + index + 1]) for index, pattern in enumerate(patterns)]
    return Answer(facts, "patterns", entries, [offset + PAGE] if total > offset + PAGE else None)


def _counted(call: ToolCall, pattern: CountedPattern) -> dict[str, Any]:
    return {
        "id": pattern.id, "template": call.marks.line(pattern.template, 80), "level": call.marks.name(pattern.level),
        "lines": pattern.lines, "before": pattern.before, "first_seen": when(pattern.first_seen),
    }  # fmt: skip


def history(call: ToolCall, arguments: PatternHistory) -> Answer:
    """Lines of a pattern by day and node, the newest day first; days without lines are left out."""
    pattern, offset = one_pattern(call.connection, arguments.id), call.offset()
    ids = members(call.connection, pattern.id)
    until = ceil(call.now, DAY)
    window = Window(until - timedelta(days=arguments.days), until)
    days = lines_by_day(call.connection, ids, window)
    label = read_labels(call.connection).get(pattern.id)
    facts = {
        "id": pattern.id,
        "template": call.marks.line(pattern.template, 200),
        "level": call.marks.name(pattern.level),
        "first_seen": when(pattern.first_seen),
        "last_seen": when(pattern.last_seen),
        "name": call.marks.line(label.name, 30) if label and label.name else None,
        "ignored": bool(label and label.ignored),
        "days_since": str(floor(window.since, DAY).date()),
        "issues": [
            {
                "id": str(issue.id), "title": call.marks.line(issue.title, 40), "status": call.marks.name(issue.status),
                "began": when(issue.detected_at),
            }
            for issue in issues_of(call.connection, ids, limit=MAX_ISSUES)
        ],
    }  # fmt: skip
    newest = sorted(days, reverse=True)[offset:]
    entries = [Entry(_day(call, day, days[day]), [offset + index + 1]) for index, day in enumerate(newest)]
    return Answer(facts, "days", entries)


def _day(call: ToolCall, day: date, nodes: dict[str, int]) -> dict[str, Any]:
    loudest = sorted(nodes.items(), key=lambda item: -item[1])
    shown = [[call.marks.name(node), lines] for node, lines in loudest[:10]]
    return {"day": str(day), "lines": sum(nodes.values()), "by_node": shown}
