"""The state of each node, and how complete its last day is.

Here: reading. Showing: `commands/nodes.py` and `web/pages/now.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fleexmon_pipeline import settings
from fleexmon_pipeline.catch_up import SETTLE
from fleexmon_pipeline.collection.gaps import given_up
from fleexmon_pipeline.comparison.deployments import deployments
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.settings import Node, SettingError
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, ceil, floor

VERSIONS_SINCE = 90 * DAY


class NodeState(msgspec.Struct, frozen=True, rename="camel"):
    """A node. `gaps`: how many hours have partial or missing slots, how many of these were given up, and the oldest
    such slot."""

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
    labels: dict[str, str]

    @property
    def in_trouble(self) -> bool:
        return self.watched and (self.since is None or bool(self.gaps["hours"]))


def node_states(connection: Connection, nodes: list[Node], *, demo: bool, now: datetime) -> list[NodeState]:
    """Watched nodes in their order, then nodes that are no longer watched."""
    kept = ceil(now - timedelta(days=settings.retention_days()), HOUR)
    where = {
        "since": kept, "until": floor(now - SETTLE, SLOT), "day": floor(now, SLOT) - DAY,
        "watched": [node.name for node in nodes],
    }  # fmt: skip
    facts = {row["node"]: row for row in connection.execute(statements("gaps")["node_facts"], where)}
    lost = Counter(hour.node for hour in given_up(connection, since=kept))
    addresses = {node.name: _shown(node.address) for node in nodes}
    labels = {node.name: dict(node.labels) for node in nodes}
    return [
        _state(
            name,
            facts.get(name),
            addresses.get(name),
            lost[name],
            labels.get(name, {}),
            demo=demo and name in addresses,
            now=now,
        )
        for name in dict.fromkeys([*addresses, *facts])
    ]


def watched_nodes(environment: Mapping[str, str]) -> tuple[list[Node], bool]:
    """The watched nodes, and whether they are the demo's."""
    if configured := settings.nodes(environment):
        return configured, False
    try:
        return settings.watched(environment)
    except SettingError:  # none is set, and no demo node runs
        return [], False


def node_versions(connection: Connection, *, now: datetime) -> dict[str, str]:
    """The latest version of each node, as recorded by a person or announced by its lines."""
    newest: dict[str, str] = {}
    for deployment in deployments(connection, Window(now - VERSIONS_SINCE, now + DAY)):
        newest.setdefault(deployment.node, deployment.version)
    return newest


def _shown(url: str) -> str:
    """Scheme, host, port and path: the rest of a URL may contain a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _state(
    name: str,
    facts: dict[str, Any] | None,
    address: str | None,
    lost: int,
    labels: dict[str, str],
    *,
    demo: bool,
    now: datetime,
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
        labels,
    )
