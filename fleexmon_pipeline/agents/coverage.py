"""Coverage: what is collected, node by node, and where lines are missing. And runbooks.

Here: what an agent is shown. Where it comes from: `lookup/nodes.py`, `lookup/lines.py`, `issues/runbooks.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fleexmon_pipeline.agents.answer import Answer, AskError, Entry, when
from fleexmon_pipeline.agents.asked import Arguments, Look, Name, NodeName, Paged, Since, Until
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


def shown(look: Look, asked: Coverage) -> Answer:
    """A node that is silent because nobody collected it is not a node without errors."""
    offset = look.offset()
    asked_for = look.window(asked.since, asked.until, default=DAY, most=MAX_WINDOW)
    window = Window(floor(asked_for.since, HALF_HOUR), ceil(asked_for.until, HALF_HOUR))
    nodes, demo = watched_nodes(look.environment)
    states = node_states(look.connection, nodes, demo=demo, now=look.now)
    names = [state.node for state in states]
    if asked.node is not None and asked.node not in names:  # one that never responded is no stranger here
        raise AskError(f"node: there is no such node. Nodes: {', '.join(names) or 'none yet'}.")
    states = [state for state in states if asked.node in (None, state.node)]
    halves = coverage_halves(look.connection, window)
    entries = [
        Entry(_node(look, state, window, halves.get(state.node, {})), [offset + index + 1])
        for index, state in enumerate(states[offset:])
    ]
    facts = {
        "now": when(look.now), "since": when(window.since), "until": when(window.until),
        "how": "by half hour, each as its worst 5 minutes; never asked: no poll is recorded",
    }  # fmt: skip
    return Answer(facts, "nodes", entries)


def _node(look: Look, state: NodeState, window: Window, halves: dict[int, str]) -> dict[str, Any]:
    last = min(window.length // HALF_HOUR, max(0, (look.now - window.since) // HALF_HOUR))
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
        "node": look.marks.name(state.node),
        "watched": state.watched,
        "last_line": state.last_line and when(state.last_line),
        "lag_seconds": state.lag_seconds,
        "collected": f"{collected} of {last} half hours",
        "gaps": gaps[-MAX_GAPS:],
        "older_gaps": max(0, len(gaps) - MAX_GAPS),
        "rejected_records": state.rejected,
    }


def book(_: Look, asked: Runbook) -> Answer:
    if asked.name is None:
        return Answer({"runbooks": runbook_names()})
    text = runbook(asked.name)
    if text is None:
        raise AskError(f"name: there is no such runbook. There are: {', '.join(runbook_names())}.")
    return Answer({"runbook": asked.name, "text": text})
