"""The tools: name, purpose, arguments, and the function that answers.

Here: the table. Names do not change: agents' prompts contain them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fleexmon_pipeline.agents import compare, coverage, incidents, lines, patterns
from fleexmon_pipeline.agents.answer import Answer
from fleexmon_pipeline.agents.arguments import Arguments, ToolCall

A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True)
class Tool(Generic[A]):
    name: str
    summary: str
    arguments: type[A]
    read: Callable[[ToolCall, A], Answer]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        schema: dict[str, Any] = _plain(self.arguments.model_json_schema())
        return schema


TOOLS: Mapping[str, Tool[Any]] = {
    tool.name: tool
    for tool in (
        Tool(
            "list_incidents",
            "List incidents: problems with their severity, nodes and times, the one seen last first. Begin here.",
            incidents.ListIncidents,
            incidents.listed,
        ),
        Tool(
            "show_incident",
            "Show the case file of an incident: facts, what changed before, its issues, errors of 24 hours, similar "
            "ones before, how the last deployment compares, and the log lines behind it.",
            incidents.ShowIncident,
            incidents.one,
        ),
        Tool(
            "search_logs",
            "Find stored log lines by text, node, level, pattern, trace and time, newest first.",
            lines.SearchLogs,
            lines.searched,
        ),
        Tool(
            "show_log_line",
            "Show one log line with its record, its pattern, and the lines of its node directly before and after.",
            lines.ShowLine,
            lines.one,
        ),
        Tool(
            "list_patterns",
            "List patterns, most frequent first, with their lines in a window and in the same time before.",
            patterns.ListPatterns,
            patterns.listed,
        ),
        Tool(
            "pattern_history",
            "Show the lines of one pattern by day and node, when it was first seen, and its issues.",
            patterns.PatternHistory,
            patterns.history,
        ),
        Tool(
            "compare_nodes",
            "Compare what a node logs with a reference node in the same time: pass, marginal, fail or inconclusive.",
            compare.CompareNodes,
            compare.nodes,
        ),
        Tool(
            "compare_windows",
            "Compare two times: lines an hour of each pattern, what changed most first.",
            compare.CompareWindows,
            compare.windows,
        ),
        Tool(
            "coverage",
            "Say what was collected of each node, and where lines are missing. Ask before you say that one was quiet.",
            coverage.Coverage,
            coverage.shown,
        ),
        Tool("runbook", "Read what to do about a kind of problem.", coverage.Runbook, coverage.book),
    )
}


def _plain(schema: Any) -> Any:
    """Without titles, which repeat names, and without null types, which only say that an argument is optional."""
    if isinstance(schema, list):
        return [_plain(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    match schema:
        case {"anyOf": [dict(kind), {"type": "null"}], **rest}:
            schema = {**kind, **{name: value for name, value in rest.items() if name != "default"}}
    return {name: _plain(value) for name, value in schema.items() if not (name == "title" and isinstance(value, str))}
