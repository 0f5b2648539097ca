"""Which version a node got, and when: recorded by a person, or announced by its log lines.

Here: the table "Deployment", and what counts as an announcement. Cautiously: a line must name a start and a version;
metadata must show only one version for two slots and then only another one.
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
STEADY_SLOTS = 2  # before a change of version and after it, with one version alone
_VERSION_BY_PERSON = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+:@/-]{0,99}")
_START_WORDS = r"\y(start(ed|ing|up)?|boot(ed|ing)?|launch(ed|ing)?|deploy(ed|ing)?|release|running|is up)\y"
_START = re.compile(r"(?i)\b(?:start(?:ed|ing|up)?|boot(?:ed|ing)|launch(?:ed|ing)|deploy(?:ed|ing)|running|is up)\b")
_END = r"(?![\w+-]|\.\w)"
_NAMES_VERSION = re.compile(rf"(?i)\b(?:version|release|ver)\b[\s=:\"']{{0,3}}v?({VERSION}){_END}|\bv({VERSION}){_END}")
_MAX_START_LINE = 200  # characters: an announcement is short; a dump may hold both words by chance


@dataclass(frozen=True)
class Deployment:
    node: str
    version: str
    at: datetime
    by: str
    source: str  # person, line or metadata
    until: datetime | None = None  # when the node's next version came


def is_version(text: str) -> bool:
    """Whether a person may record this as a version: 1.4.2, 2026-11-20, a commit, an image."""
    return _VERSION_BY_PERSON.fullmatch(text) is not None


def record_deployment(connection: Connection, deployment: Deployment) -> Deployment | None:
    """Record a deployment, or return the one that is recorded already.

    That is one of the same version right before it or, if a person records it, up to an hour after it. Hours may be
    read in any order, so a line that announces the same version earlier is recorded too.
    """
    with connection.transaction():
        connection.execute(SQL["lock_deployments"], {"node": deployment.node})
        where = {"node": deployment.node, "at": deployment.at}
        before = connection.execute(SQL["deployed_before"], where).fetchone()
        after = connection.execute(SQL["deployed_after"], where).fetchone() if deployment.source == "person" else None
        for row in (before, after):
            if row is None or row["at"] > deployment.at + HOUR:
                continue
            if row["version"] == deployment.version:
                return Deployment(deployment.node, row["version"], row["at"], row["by"], row["source"])
        connection.execute(
            SQL["record_deployment"],
            {
                "node": deployment.node, "version": deployment.version, "at": deployment.at, "by": deployment.by,
                "source": deployment.source,
            },
        )  # fmt: skip
        _mark_incidents(connection, deployment)
    return None


def deployments_of_version(connection: Connection, node: str, version: str) -> list[Deployment]:
    """All records of this version on this node, oldest first, including restarts and what log lines announced."""
    rows = connection.execute(SQL["deployments_of_version"], {"node": node, "version": version})
    return [Deployment(**row) for row in rows]


def remove_deployment(connection: Connection, deployment: Deployment) -> bool:
    """Delete what a person recorded; False if another session has done so already."""
    where = {"node": deployment.node, "at": deployment.at, "version": deployment.version}
    with connection.transaction():
        connection.execute(SQL["lock_deployments"], {"node": deployment.node})
        removed = connection.execute(SQL["remove_deployment"], where).fetchone() is not None
        if removed:
            _mark_incidents(connection, deployment)
    return removed


def _mark_incidents(connection: Connection, deployment: Deployment) -> None:
    """Have incidents refreshed that began near a deployment: they list it, even if it was recorded afterwards."""
    mark_window(connection, Window(deployment.at, deployment.at + SLOT))


def deployments(
    connection: Connection, window: Window, *, nodes: Collection[str] | None = None, limit: int = 100
) -> list[Deployment]:
    """The deployments in a window, newest first, of these nodes or all. Restarts with the same version are left out."""
    where = {"since": window.since, "until": window.until, "nodes": None if nodes is None else list(nodes)}
    return [Deployment(**row) for row in connection.execute(SQL["deployments"], {**where, "limit": limit})]


def record_announced(connection: Connection, window: Window) -> list[Deployment]:
    """Record the deployments that the window's lines announce, and return the new ones.

    The cost grows with the number of patterns, not of lines.
    """
    where = {"since": window.since - HOUR, "until": window.until}
    lines = connection.execute(SQL["start_lines"], {**where, "start_words": _START_WORDS}).fetchall()
    versions = connection.execute(SQL["metadata_versions"], {**where, "keys": list(KEYS)})
    announced = [*announcements(lines, window), *version_changes(versions)]
    announced.sort(key=lambda deployment: (deployment.at, deployment.node))
    return [deployment for deployment in announced if record_deployment(connection, deployment) is None]


def announcements(rows: Iterable[dict[str, Any]], window: Window) -> list[Deployment]:
    """By node and version, the first line of the window that announces it.

    Not if the node's lines announced another version in the hour before. Only lines up to the end of the line's slot
    count, so that the result does not depend on how late it is computed.
    """
    named: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in rows:
        if version := version_in(row["message"]):
            named[row["node"]].append((row["timestamp"], version))
    first: dict[tuple[str, str], Deployment] = {}
    for node, mentions in named.items():
        for at, version in mentions:
            end = floor(at, SLOT) + SLOT
            versions = {other for then, other in mentions if end - HOUR <= then < end}
            if at in window and versions == {version}:
                first.setdefault((node, version), Deployment(node, version, at, "lines", "line"))
    return list(first.values())


def version_in(message: str) -> str | None:
    """`1.4.2` of "starting shop, version=1.4.2"; None if the line does not announce one."""
    if len(message) > _MAX_START_LINE or not _START.search(message):
        return None
    versions = {match.group(1) or match.group(2) for match in _NAMES_VERSION.finditer(message)}
    return versions.pop() if len(versions) == 1 else None


def version_changes(rows: Iterable[dict[str, Any]]) -> list[Deployment]:
    """Deployments by metadata: a node had only one version for two slots, then only another one for two."""
    by_node: defaultdict[str, dict[datetime, dict[str, datetime]]] = defaultdict(dict)
    for row in rows:
        slot = by_node[row["node"]].setdefault(floor(row["timestamp"], SLOT), {})
        for version in {str(row["metadata"][key]) for key in KEYS if row["metadata"].get(key) is not None}:
            slot[version] = min(slot.get(version, row["timestamp"]), row["timestamp"])
    deployed = []
    for node, slots in by_node.items():
        ordered = [slots[slot] for slot in sorted(slots)]
        for index in range(STEADY_SLOTS, len(ordered) - STEADY_SLOTS + 1):
            old = {version for slot in ordered[index - STEADY_SLOTS : index] for version in slot}
            new = {version for slot in ordered[index : index + STEADY_SLOTS] for version in slot}
            if len(old) == len(new) == 1 and old != new:
                version = next(iter(new))
                if re.fullmatch(f"v?{VERSION}", version):
                    deployed.append(Deployment(node, version, ordered[index][version], "lines", "metadata"))
    return deployed
