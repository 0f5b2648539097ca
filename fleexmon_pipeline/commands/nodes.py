"""`fleexmon nodes`: what is known of each node, and what adding, renaming and removing one does."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fleexmon_pipeline import settings
from fleexmon_pipeline.catch_up import SETTLE
from fleexmon_pipeline.collection.gaps import given_up
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.resources.nodes import watched
from fleexmon_pipeline.settings import Node, SettingError
from fleexmon_pipeline.window import DAY, HOUR, SLOT, ceil, floor
from fleexmon_pipeline.wording import counted

ADVICE = """\
Adding a node (BLUE_HOST, GREEN_HOST or LOG_SOURCES=name=host,...): it is asked from then on; for what it has from
before, materialise raw_logs for those hours.
Renaming one: the name is the identity, so it is a new node. Lines, coverage and issues stay with the old name.
Removing one: it is asked no more. Its lines stay until LOG_RETENTION_DAYS is over, and its open issues until a person
resolves them, since nothing tells that what they are about is over."""


class Known(msgspec.Struct, frozen=True, rename="camel"):
    """A node. `gaps`: hours with slots that are not whole, those that are asked for no more, and the oldest slot."""

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


def print_nodes(write: Callable[[str], object], *, as_json: bool, now: datetime) -> None:
    """Raises SettingError for a node that is malformed; that none is set is told."""
    nodes, demo = _watched(os.environ)
    with connect(database_url()) as connection:
        found = known_nodes(connection, nodes, demo=demo, now=now)
    if as_json:
        write(msgspec.json.encode(found).decode())
        return
    for each in found:
        write(_page(each, now))
    if not nodes:
        write("no node is watched: BLUE_HOST, GREEN_HOST and LOG_SOURCES are not set\n")
    write(ADVICE)


def known_nodes(connection: Connection, nodes: list[Node], *, demo: bool, now: datetime) -> list[Known]:
    """Those that are watched, in their order, then those that once were."""
    kept = ceil(now - timedelta(days=settings.retention_days()), HOUR)
    where = {
        "since": kept, "until": floor(now - SETTLE, SLOT), "day": floor(now, SLOT) - DAY,
        "watched": [node.name for node in nodes],
    }  # fmt: skip
    facts = {row["node"]: row for row in connection.execute(statements("gaps")["node_facts"], where)}
    lost = Counter(each.node for each in given_up(connection, since=kept))
    addresses = {node.name: _shown(node.url) for node in nodes}
    return [
        _known(name, facts.get(name), addresses.get(name), lost[name], demo=demo and name in addresses, now=now)
        for name in dict.fromkeys([*addresses, *facts])
    ]


def _watched(environment: Mapping[str, str]) -> tuple[list[Node], bool]:
    if configured := settings.nodes(environment):
        return configured, False
    try:
        return watched(environment)
    except SettingError:  # none is set, and no demo node runs
        return [], False


def _shown(url: str) -> str:
    """Scheme, host, port and path: what else a URL holds may be a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _known(
    name: str, facts: dict[str, Any] | None, address: str | None, lost: int, *, demo: bool, now: datetime
) -> Known:
    row = facts or {}
    last = row.get("last")
    return Known(
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


def _page(known: Known, now: datetime) -> str:
    state = "watched" if known.watched else "watched no more"
    told = [f"{known.node}  {state}{' (demo)' if known.demo else ''}  {known.address or ''}".rstrip()]
    if known.since is None:
        return f"{told[0]}\n  not asked yet: the schedules do, or a materialisation of raw_logs\n"
    last = f"{known.last_line:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - known.last_line)}" if known.last_line else "none yet"
    slots = ", ".join(f"{count} {status}" for status, count in known.last_day.items())
    gaps = "none"
    if known.gaps["hours"]:
        gaps = f"{counted(known.gaps['hours'], 'hour')}, the oldest from {known.gaps['oldest']:%Y-%m-%d %H:%M} UTC"
        gaps += f"; {known.gaps['givenUp']} given up" if known.gaps["givenUp"] else "; asked for again by itself"
    rejected = f"{known.rejected:,} records: fleexmon rejected list --node {known.node}" if known.rejected else "none"
    told += [
        f"  since      {known.since:%Y-%m-%d %H:%M} UTC",
        f"  last line  {last}",
        f"  last 24 h  {slots} (slots of 5 minutes)",
        f"  gaps       {gaps}",
        f"  rejected   {rejected}",
    ]
    return "\n".join(told) + "\n"


def _ago(lag: timedelta) -> str:
    seconds = round(lag.total_seconds())
    if seconds < 0:
        return f"{-seconds:,} s ahead of this clock"
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds / 3600:,.1f} h ago"
