"""Comparisons: two nodes in one window, or two windows of the same nodes.

Here: answers for agents. `comparison/` compares nodes and gives a verdict; windows are compared only by their counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from fleexmon_pipeline import settings
from fleexmon_pipeline.agents.answer import Answer, AskError, Entry, when
from fleexmon_pipeline.agents.arguments import NodeName, Paged, Since, ToolCall, Until
from fleexmon_pipeline.comparison.deployments import Deployment
from fleexmon_pipeline.comparison.judge import ComparedPattern, Reference
from fleexmon_pipeline.comparison.read import MAX_WINDOW, Comparison, compare_nodes
from fleexmon_pipeline.comparison.watch import baseline_for
from fleexmon_pipeline.lookup.patterns import CountedPattern, PatternFilter, list_patterns
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, ceil, floor

MAX_SECONDS = 20  # of a statement of a comparison, which reads a week of counts
MAX_REASONS = 8
MAX_PATTERNS = 2_000  # of a window
_BASELINE_IS: Mapping[Reference, str] = {
    "node": "node", "before": "before", "itself": "the candidate before the window", "none": "node",
}  # fmt: skip


class CompareNodes(Paged):
    candidate: NodeName
    since: Since
    until: Until | None = None
    baseline: Annotated[NodeName | None, Field(description="The reference node; the live one if left out.")] = None


class CompareWindows(Paged):
    first_since: Since
    first_until: Until
    second_since: Since
    second_until: Until | None = None
    node: NodeName | None = None


def nodes(call: ToolCall, arguments: CompareNodes) -> Answer:
    """A verdict, and the patterns that differ most."""
    begin = call.window(arguments.since, arguments.until, default=HOUR, most=MAX_WINDOW - SLOT)
    window = Window(floor(begin.since, SLOT), ceil(begin.until, SLOT)).ended(call.now)
    if not window:
        raise AskError("since: no whole slot of 5 minutes has ended since.")
    call.node(arguments.candidate, "candidate")
    deployed = Deployment(arguments.candidate, "", window.since, "", "person")
    live = settings.live_node(call.environment)
    baseline = call.node(arguments.baseline, "baseline") or baseline_for(call.connection, deployed, window, live)
    if baseline is None or baseline == arguments.candidate:
        raise AskError("baseline: name another node; which one is live is not known.")
    with call.connection.transaction():
        call.connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
        compared, offset = compare_nodes(call.connection, window, baseline, arguments.candidate), call.offset()
    outcome = compared.outcome
    apart = [pattern for pattern in outcome.patterns if pattern.status != "known"]
    facts = {
        "verdict": outcome.verdict,
        "reasons": [call.marks.line(reason, 60) for reason in outcome.reasons[:MAX_REASONS]],
        "since": when(window.since),
        "until": when(window.until),
        "baseline": call.marks.name(baseline),
        "candidate": call.marks.name(arguments.candidate),
        "baseline_is": _BASELINE_IS[outcome.reference],
        "lines": {"baseline": outcome.lines[0], "candidate": outcome.lines[1]},
        "alike": len(outcome.patterns) - len(apart),
    }
    entries = [
        Entry(_apart(call, compared, pattern), [offset + index + 1]) for index, pattern in enumerate(apart[offset:])
    ]
    return Answer(facts, "patterns_that_differ", entries)


def _apart(call: ToolCall, compared: Comparison, pattern: ComparedPattern) -> dict[str, Any]:
    evidence = compared.evidence.get((pattern.pattern, pattern.level), ())
    return {
        "pattern": pattern.pattern,
        "template": call.marks.line(compared.templates[pattern.pattern], 80),
        "level": call.marks.name(pattern.level),
        "difference": pattern.status,
        "weight": pattern.verdict,
        "baseline": pattern.baseline,
        "candidate": pattern.candidate,
        "expected": round(pattern.expected, 1),
        "chance": float(f"{pattern.p_value:.2g}"),
        "lines": [str(line) for line in evidence[:2]],
    }


def windows(call: ToolCall, arguments: CompareWindows) -> Answer:
    """Lines per hour by pattern, the largest change first."""
    first = call.window(arguments.first_since, arguments.first_until, default=HOUR, most=MAX_WINDOW)
    second = call.window(arguments.second_since, arguments.second_until, default=HOUR, most=MAX_WINDOW)
    node, offset = call.node(arguments.node), call.offset()
    before, after = _patterns(call, first, node), _patterns(call, second, node)
    hours = first.length / HOUR, second.length / HOUR
    changed = []
    for name in before.keys() | after.keys():
        counts = tuple(side[name].lines if name in side else 0 for side in (before, after))
        rates = counts[0] / hours[0], counts[1] / hours[1]
        if counts != (0, 0):
            changed.append((abs(rates[1] - rates[0]), name, counts, rates))
    changed.sort(key=lambda one: (-one[0], one[1]))
    entries = []
    for index, (_, name, counts, rates) in enumerate(changed[offset:]):
        pattern = after.get(name) or before[name]
        shown = {
            "pattern": name, "template": call.marks.line(pattern.template, 80), "level": call.marks.name(pattern.level),
            "lines": list(counts), "an_hour": [round(rate, 1) for rate in rates],
        }  # fmt: skip
        if pattern.first_seen in second or not counts[0]:
            shown["only_in"] = "second"
        elif not counts[1]:
            shown["only_in"] = "first"
        entries.append(Entry(shown, [offset + index + 1]))
    facts = {
        "first": [when(first.since), when(first.until)], "second": [when(second.since), when(second.until)],
        "lines": [sum(one.lines for one in side.values()) for side in (before, after)],
        "patterns": [sum(one.lines > 0 for one in side.values()) for side in (before, after)],
        "order": "by change of lines an hour; pairs are of the first and the second window",
    }  # fmt: skip
    return Answer(facts, "patterns_by_change", entries)


def _patterns(call: ToolCall, window: Window, node: str | None) -> Mapping[str, CountedPattern]:
    if window.until > call.now + DAY:
        raise AskError("until: it is in the future.")
    patterns, _ = list_patterns(call.connection, window, PatternFilter(node=node), limit=MAX_PATTERNS)
    return {pattern.id: pattern for pattern in patterns}
