"""Issues as people and programs read them: a list, and one with its evidence.

Here: reading; `as_json` is for the edge. Where issues come from: `lifecycle.py`. How a terminal shows them: the CLI.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.wording import iso_text

_SQL = statements("issues")
_LEAST_PREFIX = 4
_WIDTH = 500  # characters of a message; the row itself has the rest
_EVIDENCE = 20
_OCCURRENCES = 100

Status = Literal["open", "resolved", "all"]
Row = dict[str, Any]


class UnknownIssueError(FleexmonError, ValueError):
    """No issue, or more than one, goes by what was asked for. Its text names it, the reason and the way out."""


@dataclass(frozen=True)
class Issue:
    """A row of "LogIssue". Another program may have written it: then any JSON is its metadata."""

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
    def figures(self) -> Row:
        """The metadata, {} where another program stored something other than an object."""
        return self.metadata if isinstance(self.metadata, dict) else {}

    @property
    def nodes(self) -> list[str]:
        nodes = self.figures.get("nodes")
        return [str(node) for node in nodes] if isinstance(nodes, list) else []

    def as_json(self) -> Row:
        return {_column(field): _json(value) for field, value in vars(self).items()}


@dataclass(frozen=True)
class IssueDetail:
    """An issue, the slots in which it fired and the log rows that show it. Times of rows are ISO 8601 in UTC."""

    issue: Issue
    occurrences: list[Row]  # slot, severity, title, affected, nodes; newest first, at most 100
    evidence: list[Row]  # id, timestamp, node, level, message; newest first, at most 20

    def as_json(self) -> Row:
        return {"issue": self.issue.as_json(), "occurrences": self.occurrences, "evidence": self.evidence}


def list_issues(
    connection: Connection,
    *,
    status: Status = "open",
    severity: str | None = None,
    node: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[Row]:
    """Issues, the most recently updated first; `since` is compared with "updatedAt".

    Rows have id, severity, status, type, source, title, nodes ([] where another program made the issue), detectedAt,
    updatedAt, resolvedAt, occurrences, affectedCount (None where unknown), regressionOf.
    """
    where = {
        "status": None if status == "all" else status,
        "severity": severity,
        "node": node,
        "since": since,
        "limit": limit,
    }
    found = [plain(row) for row in connection.execute(_SQL["list"], where)]
    for row in found:
        row["nodes"] = row["nodes"] if isinstance(row["nodes"], list) else []
    return found


def show_issue(connection: Connection, name: str) -> IssueDetail:
    """The issue whose id is, or alone begins with, `name` (at least 4 hex digits; hyphens may be left out).

    Raises UnknownIssueError.
    """
    key = find_issue(connection, name)
    row = connection.execute(_SQL["one"], {"id": key}).fetchone()
    if row is None:
        raise UnknownIssueError(f"issue {name} was deleted just now.")
    issue = Issue(**{field.name: row[_column(field.name)] for field in fields(Issue)})
    occurrences = connection.execute(_SQL["occurrences"], {"id": key, "limit": _OCCURRENCES}).fetchall()
    evidence = connection.execute(
        _SQL["evidence"], {"ids": issue.affected_logs or [], "width": _WIDTH, "limit": _EVIDENCE}
    ).fetchall()
    for row in evidence:
        if len(row["message"]) > _WIDTH:
            row["message"] = row["message"][: _WIDTH - 1] + "…"
    return IssueDetail(issue, [plain(row) for row in occurrences], [plain(row) for row in evidence])


def find_issue(connection: Connection, name: str) -> uuid.UUID:
    """The id that is, or alone begins with, `name`. Raises UnknownIssueError."""
    digits = name.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{{_LEAST_PREFIX},32}}", digits):
        raise UnknownIssueError(
            f"issue {name[:60]!r}: not an id or the beginning of one ({_LEAST_PREFIX} to 32 hex digits). "
            "`fleexmon issues list --status all` shows them."
        )
    # As a range of ids, the primary key finds it; ids begin with their time, so neighbours share a beginning.
    bounds = {"least": uuid.UUID(digits.ljust(32, "0")), "greatest": uuid.UUID(digits.ljust(32, "f"))}
    found = connection.execute(_SQL["by_prefix"], bounds).fetchall()
    if not found:
        raise UnknownIssueError(
            f"issue {name}: there is none with that id; it may have been deleted after its 90 days. "
            "`fleexmon issues list --status all` shows what there is."
        )
    if len(found) > 1:
        some = ", ".join(str(row["id"]) for row in found)
        more = ", …" if found[0]["count"] > len(found) else ""
        raise UnknownIssueError(f"issue {name}: {found[0]['count']} ids begin so ({some}{more}). Give more of it.")
    key: uuid.UUID = found[0]["id"]
    return key


def find_issues(connection: Connection, names: Iterable[str]) -> list[uuid.UUID]:
    """Ids in the order of the names, each once. Raises UnknownIssueError, which tells of all names that are wrong."""
    found: dict[uuid.UUID, None] = {}
    wrong = []
    for name in names:
        try:
            found[find_issue(connection, name)] = None
        except UnknownIssueError as error:
            wrong.append(str(error))
    if wrong:
        raise UnknownIssueError("\n".join(wrong))
    return list(found)


def _column(field: str) -> str:
    """`detected_at` is the column detectedAt."""
    first, *others = field.split("_")
    return first + "".join(word.title() for word in others)


def plain(row: Row) -> Row:
    """Values as JSON knows them."""
    return {name: _json(value) for name, value in row.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value
