"""Coverage: the collected time of each node, and where lines are missing. And runbooks.

Here: answers for agents. Queries: `lookup/nodes.py`, `lookup/lines.py`, `issues/runbooks.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fleexmon_pipeline.agents.answer import Answer, AskError, Entry, when
from fleexmon_pipeline.agents.arguments import Arguments, Name, NodeName, Paged, Since, ToolCall, Until
from fleexmon_pipeline.issues.runbooks import runbook, runbook_names
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, coverage_halves
from fleexmon_pipeline.lookup.nodes import NodeState, node_states, watched_nodes
from fleexmon_pipeline.window import DAY, Window, ceil, floor

MAX_WINDOW = 31 * DAY
MAX_GAPS = 15  # of a node


class Coverage(Paged):
    node: NodeName | None = None
    since: Annotated[Since | None, Field(description="Begin, a day ago if left out.")] = None
    until: Until | None = None


class Runbook(Arguments):
    name: Annotated[Name | None, Field(description="Which one; all names if left out.")] = None


def shown(call: ToolCall, arguments: Coverage) -> Answer:
    """A node without lines may have been silent, or not collected: only the first is good news."""
    offset = call.offset()
    asked_for = call.window(arguments.since, arguments.until, default=DAY, most=MAX_WINDOW)
    window = Window(floor(asked_for.since, HALF_HOUR), ceil(asked_for.until, HALF_HOUR))
    nodes, demo = watched_nodes(call.environment)
    states = node_states(call.connection, nodes, demo=demo, now=call.now)
    names = [state.node for state in states]
    if arguments.node is not None and arguments.node not in names:  # `names` includes nodes that never responded
        raise AskError(f"node: there is no such node. Nodes: {', '.join(names) or 'none yet'}.")
    states = [state for state in states if arguments.node in (None, state.node)]
    halves = coverage_halves(call.connection, window)
    entries = [
        Entry(_node(call, state, window, halves.get(state.node, {})), [offset + index + 1])
        for index, state in enumerate(states[offset:])
    ]
    facts = {
        "now": when(call.now), "since": when(window.since), "until": when(window.until),
        "how": "by half hour, each as its worst 5 minutes; never asked: no poll is recorded",
    }  # fmt: skip
    return Answer(facts, "nodes", entries)


def _node(call: ToolCall, state: NodeState, window: Window, halves: dict[int, str]) -> dict[str, Any]:
    last = min(window.length // HALF_HOUR, max(0, (call.now - window.since) // HALF_HOUR))
    gaps: list[list[str]] = []
    collected = 0
    for half in range(last):
        status = halves.get(half, "never asked")
        if status in ("complete", "empty"):
            collected += 1
            continue
        start, end = when(window.since + half * HALF_HOUR), when(window.since + (half + 1) * HALF_HOUR)
        if gaps and gaps[-1][1] == start and gaps[-1][2] == status:
            gaps[-1][1] = end
        else:
            gaps.append([start, end, status])
    return {
        "node": call.marks.name(state.node),
        "watched": state.watched,
        "last_line": state.last_line and when(state.last_line),
        "lag_seconds": state.lag_seconds,
        "collected": f"{collected} of {last} half hours",
        "gaps": gaps[-MAX_GAPS:],
        "older_gaps": max(0, len(gaps) - MAX_GAPS),
        "rejected_records": state.rejected,
    }


def book(_: ToolCall, arguments: Runbook) -> Answer:
    if arguments.name is None:
        return Answer({"runbooks": runbook_names()})
    text = runbook(arguments.name)
    if text is None:
        raise AskError(f"name: there is no such runbook. There are: {', '.join(runbook_names())}.")
    return Answer({"runbook": arguments.name, "text": text})
