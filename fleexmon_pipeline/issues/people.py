"""What people do with issues: resolve them, mute them, mark them as noise. Recorded with who and why.

Here: the writes. `lifecycle.py` keeps issues resolved; `reporting/alerts.py` sends no alerts for muted ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.read import find_issues

SQL = statements("handling")
Verdict = Literal["noise", "real"]


@dataclass(frozen=True)
class Handled:
    """The issue as it was before, and whether anything changed."""

    id: uuid.UUID
    title: str
    fingerprint: str | None
    changed: bool


@dataclass(frozen=True)
class Scope:
    """What a mute covers, exactly one of: a fingerprint, all issues of a node, all issues of a rule, everything."""

    fingerprint: str | None = None
    node: str | None = None
    rule: str | None = None
    everything: bool = False

    def __str__(self) -> str:
        if self.everything:
            return "everything"
        return f"node {self.node}" if self.node else f"rule {self.rule}" if self.rule else f"{self.fingerprint}"

    def covers(self, metadata: Mapping[str, Any]) -> bool:
        """Whether it includes an issue with this metadata."""
        if self.everything:
            return True
        if self.node:
            return isinstance(metadata.get("nodes"), list) and self.node in metadata["nodes"]
        if self.rule:
            return bool(metadata.get("rule") == self.rule)
        return bool(metadata.get("fingerprint") == self.fingerprint)


class OpenIssue(msgspec.Struct, frozen=True):
    id: uuid.UUID
    severity: str
    title: str


class Mute(msgspec.Struct, frozen=True):
    """A mute in force; `until` None: until `unmute`."""

    fingerprint: str | None
    node: str | None
    rule: str | None
    everything: bool
    by: str
    why: str
    since: datetime
    until: datetime | None

    @property
    def scope(self) -> Scope:
        return Scope(self.fingerprint, self.node, self.rule, self.everything)


def resolve_issues(
    connection: Connection,
    names: Sequence[str],
    *,
    by: str,
    why: str,
    verdict: Verdict | None,
    now: datetime,
    dry_run: bool = False,
) -> list[Handled]:
    """Resolve the issues with these ids (or unique prefixes), all or none. If one recurs, a new issue links back to it.

    `verdict` is recorded for backtests, also for an issue that is already resolved. A dry run returns what would
    change. Raises UnknownIssueError.
    """
    keys = find_issues(connection, names)
    with connection.transaction(force_rollback=dry_run):
        return [_resolve(connection, key, verdict, {"id": key, "by": by, "why": why, "now": now}) for key in keys]


def _resolve(connection: Connection, key: uuid.UUID, verdict: Verdict | None, params: dict[str, Any]) -> Handled:
    row = connection.execute(SQL["subject_of"], {"id": key}).fetchone()
    changed = connection.execute(SQL["resolve"], params).rowcount > 0
    fingerprint = row["fingerprint"] if row else None
    if verdict:
        connection.execute(SQL["record_verdict"], {**params, "fingerprint": fingerprint, "verdict": verdict})
    return Handled(key, row["title"] if row else "", fingerprint, changed)


def scopes_of(
    connection: Connection,
    names: Sequence[str] = (),
    *,
    fingerprint: str | None = None,
    node: str | None = None,
    rule: str | None = None,
    everything: bool = False,
    rules: Collection[str] = (),
) -> list[Scope]:
    """Scopes of issue ids (or unique prefixes), of a fingerprint, a node, a rule or everything: exactly one kind, no
    duplicates.

    `rules`: names of the rules in force, which may not have fired yet. Raises UnknownIssueError, and ValueError for a
    fingerprint, node or rule that never occurred.
    """
    if bool(names) + everything + sum(value is not None for value in (fingerprint, node, rule)) != 1:
        raise ValueError("give exactly one of: issues, --fingerprint, --node, --rule, --all")
    if everything:
        return [Scope(everything=True)]
    if names:
        keys = find_issues(connection, names)
        fingerprints = {
            row["id"]: row["fingerprint"] for row in connection.execute(SQL["fingerprints_of"], {"ids": keys})
        }
        if foreign := [str(key) for key in keys if fingerprints.get(key) is None]:
            raise ValueError(
                f"issue {', '.join(foreign)}: made by another program, without a fingerprint to mute. "
                "Resolve it with `fleexmon issues resolve`, or mute its node with --node."
            )
        return [Scope(fingerprint=name) for name in dict.fromkeys(fingerprints[key] for key in keys)]
    scope = Scope(fingerprint, node, rule)
    row = connection.execute(SQL["scope_exists"], vars(scope)).fetchone()
    if rule not in rules and not (row and row["known"]):
        hints = {"fingerprint": "`fleexmon issues show ID --json` shows fingerprints",
                 "node": "`fleexmon nodes` lists them", "rule": "`fleexmon rules list` lists them"}  # fmt: skip
        option = next(option for option, value in vars(scope).items() if value is not None)
        raise ValueError(f'--{option}: "{getattr(scope, option)[:100]}" is not a known {option}; {hints[option]}')
    return [scope]


def open_issues(connection: Connection, scope: Scope) -> list[OpenIssue]:
    """The open issues that a mute would silence now, latest first."""
    return msgspec.convert(connection.execute(SQL["in_scope"], vars(scope)).fetchall(), list[OpenIssue])


def mute(connection: Connection, scope: Scope, *, by: str, why: str, now: datetime, until: datetime | None) -> None:
    """Stop notifications on GitHub from now on; `until` None: until `unmute`. Issues are still recorded.

    Ends earlier mutes of the same scope, so the latest one holds.
    """
    key = uuid8(now, str(scope).encode(), by.encode(), why.encode())
    with connection.transaction():
        unmute(connection, scope, by=by, why="muted anew", now=now)
        params = {"id": key, "by": by, "why": why, "now": now, "until": until}
        connection.execute(SQL["mute"], {**vars(scope), **params})


def unmute(connection: Connection, scope: Scope, *, by: str, why: str = "", now: datetime) -> int:
    """End the mutes of this scope; returns how many."""
    return connection.execute(SQL["unmute"], {**vars(scope), "by": by, "why": why, "now": now}).rowcount


def mutes(connection: Connection, *, now: datetime) -> list[Mute]:
    """Mutes in force, latest first."""
    return msgspec.convert(connection.execute(SQL["muted"], {"now": now}).fetchall(), list[Mute])


def muted_issues(connection: Connection, *, now: datetime) -> set[uuid.UUID]:
    """Ids of open issues that a mute silences now."""
    scopes = {mute.scope for mute in mutes(connection, now=now)}
    return {issue.id for scope in scopes for issue in open_issues(connection, scope)}
