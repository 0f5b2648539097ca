"""When a node got which version: recorded by a person, or noticed in the lines of its start.

Here: the table "Deployment" and what counts as an announcement. Cautious: a line counts where it names a start and a
version, metadata where a node had one version alone and then another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.refresh import mark_window
from fleexmon_pipeline.window import HOUR, SLOT, Window, floor

SQL = statements("comparison")
VERSION = r"[0-9]+\.[0-9]+(?:\.[0-9]+){0,2}(?:[-+][0-9A-Za-z.-]{1,40})?"
KEYS = ("version", "app_version", "appVersion", "service.version", "service_version", "release")
STEADY_SLOTS = 2  # with one version alone, before a change and after it
_NAMED = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+:@/-]{0,99}")
_START_WORDS = r"\y(start(ed|ing|up)?|boot(ed|ing)?|launch(ed|ing)?|deploy(ed|ing)?|release|running|is up)\y"
_START = re.compile(r"(?i)\b(?:start(?:ed|ing|up)?|boot(?:ed|ing)|launch(?:ed|ing)|deploy(?:ed|ing)|running|is up)\b")
_END = r"(?![\w+-]|\.\w)"
_NAMES_VERSION = re.compile(rf"(?i)\b(?:version|release|ver)\b[\s=:\"']{{0,3}}v?({VERSION}){_END}|\bv({VERSION}){_END}")
_MAX_START_LINE = 200  # an announcement is short; a dump that happens to hold both words is not one


@dataclass(frozen=True)
class Deployment:
    node: str
    version: str
    at: datetime
    by: str
    source: str  # person, line or metadata
    until: datetime | None = None  # when the node's next version came


def is_version(text: str) -> bool:
    """Whether a person may name it so: 1.4.2, 2026-11-20, a commit, an image."""
    return _NAMED.fullmatch(text) is not None


def mark(connection: Connection, deployment: Deployment) -> Deployment | None:
    """Record a deployment; or return the one already recorded: the same version before it or, for a person's record,
    within the hour after. Hours may be read in any order, so an earlier line of the same version is recorded too."""
    with connection.transaction():
        connection.execute(SQL["lock_deployments"], {"node": deployment.node})
        where = {"node": deployment.node, "at": deployment.at}
        before = connection.execute(SQL["deployed_before"], where).fetchone()
        after = connection.execute(SQL["deployed_after"], where).fetchone() if deployment.source == "person" else None
        for row in (before, after):
            near = row is not None and row["at"] <= deployment.at + HOUR
            if row is not None and near and row["version"] == deployment.version:
                return Deployment(deployment.node, row["version"], row["at"], row["by"], row["source"])
        connection.execute(
            SQL["mark_deployment"],
            {
                "node": deployment.node, "version": deployment.version, "at": deployment.at, "by": deployment.by,
                "source": deployment.source,
            },
        )  # fmt: skip
        _mark_incidents(connection, deployment)
    return None


def recorded(connection: Connection, node: str, version: str) -> list[Deployment]:
    """All records of this version on this node, oldest first; restarts and what lines announced, too."""
    rows = connection.execute(SQL["recorded"], {"node": node, "version": version})
    return [Deployment(**row) for row in rows]


def remove(connection: Connection, deployment: Deployment) -> bool:
    """Take back a person's record; False where another session was faster."""
    where = {"node": deployment.node, "at": deployment.at, "version": deployment.version}
    with connection.transaction():
        connection.execute(SQL["lock_deployments"], {"node": deployment.node})
        removed = connection.execute(SQL["remove_deployment"], where).fetchone() is not None
        if removed:
            _mark_incidents(connection, deployment)
    return removed


def _mark_incidents(connection: Connection, deployment: Deployment) -> None:
    """What changed before an incident is part of it, also when somebody says so afterwards."""
    mark_window(connection, Window(deployment.at, deployment.at + SLOT))


def deployments(
    connection: Connection, window: Window, *, nodes: Collection[str] | None = None, limit: int = 100
) -> list[Deployment]:
    """Newest first, of these nodes or all. A restart with the same version is not a deployment."""
    where = {"since": window.since, "until": window.until, "nodes": None if nodes is None else list(nodes)}
    return [Deployment(**row) for row in connection.execute(SQL["deployments"], {**where, "limit": limit})]


def notice(connection: Connection, window: Window) -> list[Deployment]:
    """Record what the window's lines announce; returns what is new. Cost grows with the patterns, not the lines."""
    where = {"since": window.since - HOUR, "until": window.until}
    lines = connection.execute(SQL["start_lines"], {**where, "start_words": _START_WORDS}).fetchall()
    versions = connection.execute(SQL["metadata_versions"], {**where, "keys": list(KEYS)})
    noticed = sorted([*announced(lines, window), *changed(versions)], key=lambda one: (one.at, one.node))
    return [deployment for deployment in noticed if mark(connection, deployment) is None]


def announced(rows: Iterable[dict[str, Any]], window: Window) -> list[Deployment]:
    """The first line of the window in which a node names a version at its start, unless its lines named another version
    within the hour up to it. Slot by slot, as lines come: later lines do not count."""
    named: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in rows:
        if version := version_in(row["message"]):
            named[row["node"]].append((row["timestamp"], version))
    first: dict[tuple[str, str], Deployment] = {}
    for node, mentions in named.items():
        for at, version in mentions:
            end = floor(at, SLOT) + SLOT
            if at in window and {other for then, other in mentions if end - HOUR <= then < end} == {version}:
                first.setdefault((node, version), Deployment(node, version, at, "lines", "line"))
    return list(first.values())


def version_in(message: str) -> str | None:
    """`1.4.2` of "starting shop, version=1.4.2"; None where the line is no announcement."""
    if len(message) > _MAX_START_LINE or not _START.search(message):
        return None
    versions = {match.group(1) or match.group(2) for match in _NAMES_VERSION.finditer(message)}
    return versions.pop() if len(versions) == 1 else None


def changed(rows: Iterable[dict[str, Any]]) -> list[Deployment]:
    """Where a node's metadata had one version alone for two slots, then another alone for two."""
    by_node: defaultdict[str, dict[datetime, dict[str, datetime]]] = defaultdict(dict)
    for row in rows:
        slot = by_node[row["node"]].setdefault(floor(row["timestamp"], SLOT), {})
        for version in {str(row["metadata"][key]) for key in KEYS if row["metadata"].get(key) is not None}:
            slot[version] = min(slot.get(version, row["timestamp"]), row["timestamp"])
    deployed = []
    for node, slots in by_node.items():
        ordered = [slots[slot] for slot in sorted(slots)]
        for place in range(STEADY_SLOTS, len(ordered) - STEADY_SLOTS + 1):
            old = {version for slot in ordered[place - STEADY_SLOTS : place] for version in slot}
            new = {version for slot in ordered[place : place + STEADY_SLOTS] for version in slot}
            if len(old) == len(new) == 1 and old != new:
                version = next(iter(new))
                if re.fullmatch(f"v?{VERSION}", version):
                    deployed.append(Deployment(node, version, ordered[place][version], "lines", "metadata"))
    return deployed
