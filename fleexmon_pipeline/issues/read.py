"""Read issues: a list, or one with its evidence.

Here: reading. Rows are structs with the columns' names in JSON, so commands print them as they are. Where issues come
from: `lifecycle.py`. Their display: `commands/`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import lines_of, tells_its_day
from fleexmon_pipeline.archive.storage import ArchiveError
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import like_escaped, statements
from fleexmon_pipeline.errors import FleexmonError

_SQL = statements("issues")
_MIN_PREFIX = 4
_MAX_MESSAGE = 500  # characters; the row itself has the rest
_MAX_EVIDENCE = 20
_MAX_OCCURRENCES = 100

Status = Literal["open", "resolved", "all"]
Sort = Literal["updated", "detected", "severity", "lines"]


class UnknownIssueError(FleexmonError, ValueError):
    """No issue, or more than one, has this id. The message names the id, the reason, and what to do."""


class IssueSummary(msgspec.Struct, frozen=True, rename="camel"):
    """An issue in a list. If another program made it, what comes from its metadata may be any JSON, or None."""

    id: uuid.UUID
    severity: str
    status: str | None
    type: str
    source: str
    title: str
    nodes: list[Any]
    detected_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    occurrences: Any
    affected_count: Any
    regression_of: Any


class Issue(msgspec.Struct, frozen=True, rename="camel"):
    """A row of "LogIssue". If another program wrote it, its metadata may be any JSON."""

    id: uuid.UUID
    type: str
    severity: str
    title: str
    description: str
    root_cause: str | None
    recommendation: str | None
    source: str
    status: str | None
    detected_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    metadata: Any
    affected_logs: list[uuid.UUID] | None

    @property
    def figures(self) -> dict[str, Any]:
        """The metadata; {} if another program stored something other than an object."""
        return self.metadata if isinstance(self.metadata, dict) else {}

    @property
    def nodes(self) -> list[str]:
        nodes = self.figures.get("nodes")
        return [str(node) for node in nodes] if isinstance(nodes, list) else []


class FiredSlot(msgspec.Struct, frozen=True):
    """A slot in which the issue's rule fired."""

    slot: datetime
    severity: str
    title: str
    affected: int
    nodes: list[str]


class EvidenceLine(msgspec.Struct, frozen=True):
    """A row of "LogEntry" behind an issue."""

    id: uuid.UUID
    timestamp: datetime
    node: str
    level: str
    message: str


@dataclass(frozen=True)
class IssueFilter:
    """Which issues; None: all. `words`: a part of the title; `since` is compared with "updatedAt"."""

    status: Status = "open"
    severity: str | None = None
    node: str | None = None
    rule: str | None = None
    words: str | None = None
    since: datetime | None = None
    before: tuple[datetime, uuid.UUID] | None = None  # "updatedAt" and id of the issue after which a list goes on


@dataclass(frozen=True)
class IssueDetail:
    """An issue, the slots in which it fired, and its evidence in log rows."""

    issue: Issue
    occurrences: list[FiredSlot]  # newest first, at most 100
    evidence: list[EvidenceLine]  # newest first, at most 20
    unread: str | None = None  # why evidence is missing: its archive cannot be read


def list_issues(
    connection: Connection, wanted: IssueFilter = IssueFilter(), *, limit: int = 100, sort: Sort = "updated"
) -> list[IssueSummary]:
    """List issues, the most recently updated first; or by detection time, severity or number of lines.

    `wanted.before` only works with the default order.
    """
    like = None if wanted.words is None else f"%{like_escaped(wanted.words)}%"
    params = {
        "status": None if wanted.status == "all" else wanted.status,
        "severity": wanted.severity,
        "node": wanted.node,
        "rule": wanted.rule,
        "like": like,
        "since": wanted.since,
        "before_at": wanted.before[0] if wanted.before else None,
        "before_id": wanted.before[1] if wanted.before else None,
        "limit": limit,
        "sort": sort,
    }
    rows = connection.execute(_SQL["list" if sort == "updated" else "sorted_list"], params).fetchall()
    for row in rows:
        row["nodes"] = row["nodes"] if isinstance(row["nodes"], list) else []
    return msgspec.convert(rows, list[IssueSummary])


def half_hours_before_last(connection: Connection, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[int]]:
    """The most lines that one firing counted, in each of the 48 half hours up to the last firing of each issue."""
    halves: dict[uuid.UUID, list[int]] = {issue: [0] * 48 for issue in ids}
    for row in connection.execute(_SQL["sparks"], {"ids": list(ids)}):
        halves[row["id"]][max(0, row["half"])] = row["lines"]
    return halves


def show_issue(connection: Connection, name: str) -> IssueDetail:
    """The issue with this id or unique prefix (at least 4 hex digits; hyphens may be left out).

    Raises UnknownIssueError.
    """
    key = find_issue(connection, name)
    row = connection.execute(_SQL["one"], {"id": key}).fetchone()
    if row is None:
        raise UnknownIssueError(f"issue {name} has just been deleted.")
    issue = msgspec.convert(row, Issue)
    occurrences = connection.execute(_SQL["occurrences"], {"id": key, "limit": _MAX_OCCURRENCES}).fetchall()
    evidence, unread = evidence_of(connection, issue.affected_logs or [], width=_MAX_MESSAGE + 1, limit=_MAX_EVIDENCE)
    shown = [
        line if len(line.message) <= _MAX_MESSAGE
        else msgspec.structs.replace(line, message=line.message[: _MAX_MESSAGE - 1] + "…")
        for line in evidence
    ]  # fmt: skip
    return IssueDetail(issue, msgspec.convert(occurrences, list[FiredSlot]), shown, unread)


def evidence_of(
    connection: Connection, ids: Sequence[uuid.UUID | None], *, width: int, limit: int, oldest: bool = False
) -> tuple[list[EvidenceLine], str | None]:
    """The newest of these lines, newest first (or the oldest, oldest first); and why some are missing.

    Some are missing if their archive cannot be read.
    """
    wanted = {id_ for id_ in ids if id_ is not None}
    unread = None
    with one_snapshot(connection):
        in_table = {row["id"] for row in connection.execute(_SQL["evidence_there"], {"ids": list(wanted)})}
        params = {"ids": list(wanted), "width": width, "limit": limit}
        rows = connection.execute(_SQL["first_evidence" if oldest else "evidence"], params).fetchall()
        lines = msgspec.convert(rows, list[EvidenceLine])
        # An id of ours begins with its time: of up to a thousand archived lines only those to show are looked up.
        missing = wanted - in_table
        ours = sorted(filter(tells_its_day, missing), reverse=not oldest)[:limit]
        try:
            cold = lines_of(connection, [*ours, *(id_ for id_ in missing if not tells_its_day(id_))], width=width)
        except ArchiveError as error:
            cold, unread = [], str(error)
    lines += [EvidenceLine(line.id, line.timestamp, line.node, line.level, line.message) for line in cold]
    lines.sort(key=lambda line: (line.timestamp, line.id), reverse=not oldest)
    return lines[:limit], unread


def find_issue(connection: Connection, name: str, *, noun: str = "issue") -> uuid.UUID:
    """The id that is `name` or has it as unique prefix. Raises UnknownIssueError; `noun`: what the text calls it."""
    digits = name.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{{_MIN_PREFIX},32}}", digits):
        raise UnknownIssueError(
            f"{noun} {name[:60]!r}: not an id or the prefix of one ({_MIN_PREFIX} to 32 hex digits). "
            f"`fleexmon {noun}s list --status all` lists them."
        )
    # As a range of ids, so that the primary key is used. Ids start with their time, so neighbours share a prefix.
    bounds = {"least": uuid.UUID(digits.ljust(32, "0")), "greatest": uuid.UUID(digits.ljust(32, "f"))}
    rows = connection.execute(_SQL["by_prefix"], bounds).fetchall()
    if not rows:
        raise UnknownIssueError(
            f"{noun} {name}: not found. Issues are deleted 90 days after they were resolved. "
            f"`fleexmon {noun}s list --status all` lists those stored."
        )
    if len(rows) > 1:
        some = ", ".join(str(row["id"]) for row in rows)
        more = ", …" if rows[0]["count"] > len(rows) else ""
        raise UnknownIssueError(
            f"{noun} {name}: {rows[0]['count']} ids start with it ({some}{more}). Give more digits."
        )
    key: uuid.UUID = rows[0]["id"]
    return key


def title_of(connection: Connection, key: uuid.UUID) -> str:
    """The title of an issue; empty if it has just been deleted."""
    row = connection.execute(_SQL["one"], {"id": key}).fetchone()
    return str(row["title"]) if row else ""


def find_issues(connection: Connection, names: Iterable[str]) -> list[uuid.UUID]:
    """Ids in the order of the names, without duplicates. Raises UnknownIssueError, which lists all wrong names."""
    ids: dict[uuid.UUID, None] = {}
    errors = []
    for name in names:
        try:
            ids[find_issue(connection, name)] = None
        except UnknownIssueError as error:
            errors.append(str(error))
    if errors:
        raise UnknownIssueError("\n".join(errors))
    return list(ids)
