"""Metadata of an hour's partition in the UI: the hour's state, read back from the tables.

What a run added is only in its log. So an hour that is materialized again without a change shows the same metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from fleexmon_pipeline.catch_up import waiting
from fleexmon_pipeline.collection.chart import chart_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.observe import still_learning
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.genai.analyze import WAITS_AS
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.settings.page_urls import Kind, chart_path, page_path, page_query
from fleexmon_pipeline.window import HOUR, Window

Metadata = dict[str, dg.MetadataValue]

SQL = statements("hours")
MAX_PATTERNS = 20
MAX_NODES = 50  # in a table; those with errors first
MAX_TITLES = 50
MAX_ERROR_CHARACTERS = 200


def collected_metadata(connection: Connection, hour: Window, *, now: datetime) -> Metadata:
    """Lines and rejected records of every node, the lag of the slowest, and the hour as a chart."""
    nodes = connection.execute(SQL["collected"], _bounds(hour)).fetchall()
    lags = [lag for node in nodes if (lag := _lag(node)) is not None]
    table = ["| node | lines | rejected | complete slots | lag | error | |", "|---|--:|--:|--:|--:|---|---|"]
    shown = sorted(nodes, key=lambda node: not node["error"])[:MAX_NODES] if len(nodes) > MAX_NODES else nodes
    table += [_node_row(node, hour) for node in shown]
    if len(nodes) > len(shown):
        table.append(f"| and {len(nodes) - len(shown):,} more, without an error | | | | | | |")
    stored, rejected = (sum(node[column] for node in nodes) for column in ("stored", "rejected"))
    return {
        "page": dg.MetadataValue.url(page_query("line", at=_text(hour.until))),
        "chart": dg.MetadataValue.md(picture("Lines, warnings and errors of this hour", hour)),
        "received": dg.MetadataValue.int(stored + rejected),
        "rejected": dg.MetadataValue.int(rejected),
        **({"lag_seconds": dg.MetadataValue.float(round(max(lags), 1))} if lags else {}),
        "nodes": dg.MetadataValue.md("\n".join(table)),
        "hour": dg.MetadataValue.md(chart_of(connection, hour.ended(now))),
        **_rows(stored),
    }


def analyzed_metadata(connection: Connection, hour: Window) -> Metadata:
    """Counted lines, their patterns, new patterns, and GenAI calls and tokens so far."""
    counted, calls = (_one(connection, name, _bounds(hour)) for name in ("counted", "genai_calls"))
    new = connection.execute(SQL["first_seen"], {**_bounds(hour), "limit": MAX_PATTERNS}).fetchall()
    new_count = new[0]["patterns"] if new else 0
    shown = [
        f"- {pattern['level']} {code(pattern['template'])} [pattern]({page_path('pattern', pattern['id'])})"
        for pattern in new
    ]
    if new_count > len(new):
        shown.append(f"- and {new_count - len(new)} more")
    return {
        "page": dg.MetadataValue.url(page_path("pattern")),
        "lines": dg.MetadataValue.int(counted["lines"]),
        "patterns": dg.MetadataValue.int(counted["patterns"]),
        "new_patterns": dg.MetadataValue.int(new_count),
        "new": dg.MetadataValue.md("\n".join(shown) or "no new pattern"),
        "genai": dg.MetadataValue.text(dict(waiting(connection, WAITS_AS)).get(hour.since, "nothing waits")),
        "genai_calls": dg.MetadataValue.int(calls["calls"]),
        "genai_tokens": dg.MetadataValue.int(calls["tokens"]),
        **_rows(counted["rows"]),
    }


def detected_metadata(connection: Connection, hour: Window, rules: Sequence[Rule]) -> Metadata:
    """Which rules fired, their issues, and which nodes are too new for some rules."""
    learning = still_learning(connection, hour) or "every node has been watched for a week"
    return {**_fired(connection, hour, rules, "detector"), "still_learning": dg.MetadataValue.text(learning)}


def predicted_metadata(connection: Connection, hour: Window, rules: Sequence[Rule]) -> Metadata:
    """Which predictions were made, and the issues they belong to."""
    forecasts = _one(connection, "forecasts", _bounds(hour))["rows"]
    return {**_fired(connection, hour, rules, "predictor"), **_rows(forecasts)}


def _fired(connection: Connection, hour: Window, rules: Sequence[Rule], source: str) -> Metadata:
    names = [rule.name for rule in rules if rule.source == source]
    counts = _one(connection, "firings", {**_bounds(hour), "source": source, "rules": names})
    fired = connection.execute(SQL["fired"], {**_bounds(hour), "source": source}).fetchmany(MAX_TITLES)
    rows = [
        f"| {row['severity']} | {', '.join(row['nodes'])} | {code(row['title'])} | {_link('issue', row['issue'])} |"
        for row in fired
    ]
    table = "\n".join(["| severity | nodes | title | |", "|---|---|---|---|", *rows]) if rows else "nothing fired"
    return {
        "page": dg.MetadataValue.url(page_query("issue", state="all")),
        **{name: dg.MetadataValue.int(count) for name, count in counts.items()},
        "titles": dg.MetadataValue.md(table),
        **_rows(counts["new_issues"]),
    }


def picture(text: str, window: Window) -> str:
    """A chart from our pages as Markdown. The link is a path, because the pages have the UI's own address."""
    return f"![{text}]({chart_path(window.until, window.length // HOUR)})"


def _rows(count: int) -> Metadata:
    """How many rows of the asset's main table belong to the hour. The UI shows the first key and plots both."""
    return {name: dg.MetadataValue.int(count) for name in ("dagster/row_count", "dagster/partition_row_count")}


def _link(kind: Kind, name: object) -> str:
    return f"[{kind}]({page_path(kind, name)})" if name else ""


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


def _node_row(node: Mapping[str, Any], hour: Window) -> str:
    lag = _lag(node)
    lines = page_query("line", node=node["node"], at=_text(hour.until))
    return (
        f"| {node['node']} | {node['stored']:,} | {node['rejected']:,} | {node['whole']} of {node['slots']} "
        f"| {'–' if lag is None else f'{lag:,.0f} s'} "
        f"| {code(node['error'], most=MAX_ERROR_CHARACTERS) if node['error'] else ''} | [lines]({lines}) |"
    )


def _lag(node: Mapping[str, Any]) -> float | None:
    """Seconds from a node's newest line to the end of its last answered slot; None if it has no line."""
    if node["newest_line"] is None or node["answered_until"] is None:
        return None
    return float((node["answered_until"] - node["newest_line"]).total_seconds())


def _bounds(hour: Window) -> dict[str, object]:
    return {"since": hour.since, "until": hour.until}


def _one(connection: Connection, statement: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    row = connection.execute(SQL[statement], parameters).fetchone()
    return row or {}
