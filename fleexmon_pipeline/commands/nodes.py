"""`fleexmon nodes`: the state of each node, and how to add, rename or remove one."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.lookup.nodes import NodeState, node_states, watched_nodes
from fleexmon_pipeline.wording import counted

ADVICE = """\
Adding a node (BLUE_HOST, GREEN_HOST, LOG_SOURCES=name=host,... or a file of FLEEXMON_NODES): it is polled from now
on. To collect its earlier lines, materialize raw_logs for those hours.
Renaming a node: the name is its identity, so this makes a new node. Lines, coverage and issues stay with the old name.
Removing a node: it is no longer polled. Its lines stay for LOG_RETENTION_DAYS. Its open issues stay open until somebody
resolves them, because no new lines can show that they are over."""

MAX_PAGES = 12
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="ROLE=API", help="Only nodes with this label; with all, if repeated."),
]

app = typer.Typer(add_completion=False)


@app.command("nodes")
def nodes_(label: Labels = None, as_json: Json = False) -> None:
    """Show coverage, lag, gaps and rejected records of each node. Explains adding, renaming and removing nodes.

    More than 12 nodes are shown as one line each, those with problems first, after totals by label.
    """
    now = datetime.now(UTC)
    nodes, demo = watched_nodes(os.environ)
    with open_database("reading nodes") as connection:
        states = node_states(connection, nodes, demo=demo, now=now)
    wanted = {*(label or ())}
    states = [state for state in states if wanted <= {*_labels(state)}]
    if as_json:
        print_json(states)
        return
    clock = readers_clock(now)
    if len(states) > MAX_PAGES:
        typer.echo("\n".join([*_totals(states), "", *_rows(states, now), ""]))
    else:
        for state in states:
            typer.echo(_page(state, clock))
    if not nodes:
        typer.echo(
            "no node is watched: set BLUE_HOST, GREEN_HOST, LOG_SOURCES or FLEEXMON_NODES, or start the demo with "
            "`fleexmon up`\n"
        )
    typer.echo(ADVICE)


def _labels(state: NodeState) -> list[str]:
    return [f"{label}={value}" for label, value in state.labels.items()]


def _totals(states: Sequence[NodeState]) -> Iterator[str]:
    """Totals of all nodes, and by label."""
    by_label: defaultdict[str, list[NodeState]] = defaultdict(list)
    for state in states:
        for label in _labels(state):
            by_label[label].append(state)
    width = max((len(label) for label in by_label), default=0)
    for name, some in [("", states), *sorted(by_label.items())]:
        trouble = sum(state.in_trouble for state in some)
        text = f"{counted(trouble, 'node')} with gaps or not polled yet" if trouble else "no gaps"
        yield f"{name:{width}}  {counted(len(some), 'node')}, {text}".lstrip()


def _rows(states: Sequence[NodeState], now: datetime) -> Iterator[str]:
    width = max(len(state.node) for state in states)
    for state in sorted(states, key=lambda state: not state.in_trouble):
        last = _ago(now - state.last_line) if state.last_line else "no line yet"
        gaps = f"{counted(state.gaps['hours'], 'hour')} with gaps" if state.gaps["hours"] else "no gaps"
        rest = "" if state.watched else "no longer watched"
        yield "  ".join(filter(None, (f"{state.node:{width}}", f"{last:>14}", gaps, *_labels(state), rest)))


def _page(state: NodeState, clock: Clock) -> str:
    watched = "watched" if state.watched else "no longer watched"
    lines = [f"{state.node}  {watched}{' (demo)' if state.demo else ''}  {state.address or ''}".rstrip()]
    if state.since is None:
        return f"{lines[0]}\n  not polled yet: the schedules do that within 5 minutes while `fleexmon up` runs\n"
    last = "none yet"
    if state.last_line:
        last = f"{clock.second(state.last_line)} {clock.name}, {_ago(clock.now - state.last_line)}"
    slots = ", ".join(f"{count} {status}" for status, count in state.last_day.items())
    gaps = "none"
    if state.gaps["hours"]:
        oldest = clock.full_minute(state.gaps["oldest"], named=True)
        gaps = f"{counted(state.gaps['hours'], 'hour')}, the oldest from {oldest}"
        gaps += f"; {state.gaps['givenUp']} given up" if state.gaps["givenUp"] else "; retried automatically"
    rejected = (
        f"{counted(state.rejected, 'record')}: fleexmon rejected list --node {state.node}" if state.rejected else "none"
    )
    lines += [
        f"  since      {clock.full_minute(state.since, named=True)}",
        f"  last line  {last}",
        f"  last 24 h  {slots} (slots of 5 minutes)",
        f"  gaps       {gaps}",
        f"  rejected   {rejected}",
    ]
    return "\n".join(lines) + "\n"


def _ago(lag: timedelta) -> str:
    seconds = round(lag.total_seconds())
    if seconds < 0:
        return f"{-seconds:,} s ahead of this clock"
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds / 3600:,.1f} h ago"
