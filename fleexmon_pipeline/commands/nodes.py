"""`fleexmon nodes`: the state of each node, and what adding, renaming or removing one does."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.catch_up import SETTLE
from fleexmon_pipeline.collection.gaps import given_up
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.settings import Node, SettingError
from fleexmon_pipeline.window import DAY, HOUR, SLOT, ceil, floor
from fleexmon_pipeline.wording import counted

ADVICE = """\
Adding a node (BLUE_HOST, GREEN_HOST or LOG_SOURCES=name=host,...): it is polled from then on. To collect its earlier
lines, materialize raw_logs for those hours.
Renaming a node: the name is its identity, so this makes a new node. Lines, coverage and issues stay with the old name.
Removing a node: it is no longer polled. Its lines stay for LOG_RETENTION_DAYS. Its open issues stay open until somebody
resolves them, because no new lines can show that they are over."""

app = typer.Typer(add_completion=False)


class NodeState(msgspec.Struct, frozen=True, rename="camel"):
    """A node. `gaps`: hours with partial or missing slots, how many of them were given up, and the oldest such slot."""

    node: str
    watched: bool
    demo: bool
    address: str | None
    since: datetime | None
    last_line: datetime | None
    lag_seconds: int | None
    last_day: dict[str, int]
    gaps: dict[str, Any]
    rejected: int


@app.command("nodes")
def nodes_(as_json: Json = False) -> None:
    """Show coverage, lag, gaps and rejected records of each node. Explains adding, renaming and removing nodes."""
    now = datetime.now(UTC)
    nodes, demo = _watched(os.environ)
    with connect(existing_database_url()) as connection:
        states = node_states(connection, nodes, demo=demo, now=now)
    if as_json:
        print_json(states)
        return
    for state in states:
        typer.echo(_page(state, now))
    if not nodes:
        typer.echo(
            "no node is watched: set BLUE_HOST, GREEN_HOST or LOG_SOURCES, or start the demo with `fleexmon up`\n"
        )
    typer.echo(ADVICE)


def node_states(connection: Connection, nodes: list[Node], *, demo: bool, now: datetime) -> list[NodeState]:
    """Watched nodes in their order, then those no longer watched."""
    kept = ceil(now - timedelta(days=settings.retention_days()), HOUR)
    where = {
        "since": kept, "until": floor(now - SETTLE, SLOT), "day": floor(now, SLOT) - DAY,
        "watched": [node.name for node in nodes],
    }  # fmt: skip
    facts = {row["node"]: row for row in connection.execute(statements("gaps")["node_facts"], where)}
    lost = Counter(hour.node for hour in given_up(connection, since=kept))
    addresses = {node.name: _shown(node.address) for node in nodes}
    return [
        _state(name, facts.get(name), addresses.get(name), lost[name], demo=demo and name in addresses, now=now)
        for name in dict.fromkeys([*addresses, *facts])
    ]


def _watched(environment: Mapping[str, str]) -> tuple[list[Node], bool]:
    if configured := settings.nodes(environment):
        return configured, False
    try:
        return settings.watched(environment)
    except SettingError:  # none is set, and no demo node runs
        return [], False


def _shown(url: str) -> str:
    """Scheme, host, port and path: the rest of a URL may hold a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _state(
    name: str, facts: dict[str, Any] | None, address: str | None, lost: int, *, demo: bool, now: datetime
) -> NodeState:
    row = facts or {}
    last = row.get("last")
    return NodeState(
        name,
        address is not None,
        demo,
        address,
        row.get("since"),
        last,
        round((now - last).total_seconds()) if last else None,
        {status: row.get(status, 0) for status in ("complete", "empty", "partial", "missing")},
        {"hours": row.get("hours", 0), "givenUp": lost, "oldest": row.get("oldest")},
        row.get("rejected", 0),
    )


def _page(state: NodeState, now: datetime) -> str:
    watched = "watched" if state.watched else "no longer watched"
    lines = [f"{state.node}  {watched}{' (demo)' if state.demo else ''}  {state.address or ''}".rstrip()]
    if state.since is None:
        return f"{lines[0]}\n  not polled yet: the schedules do that within 5 minutes while `fleexmon up` runs\n"
    last = f"{state.last_line:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - state.last_line)}" if state.last_line else "none yet"
    slots = ", ".join(f"{count} {status}" for status, count in state.last_day.items())
    gaps = "none"
    if state.gaps["hours"]:
        gaps = f"{counted(state.gaps['hours'], 'hour')}, the oldest from {state.gaps['oldest']:%Y-%m-%d %H:%M} UTC"
        gaps += f"; {state.gaps['givenUp']} given up" if state.gaps["givenUp"] else "; retried automatically"
    rejected = (
        f"{counted(state.rejected, 'record')}: fleexmon rejected list --node {state.node}" if state.rejected else "none"
    )
    lines += [
        f"  since      {state.since:%Y-%m-%d %H:%M} UTC",
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
