"""What people do with issues: resolve, mute, call noise; written down with who and why.

Here: the writes. What follows from a resolve: `lifecycle.py` keeps it; from a mute: `reporting/alerts.py` is silent.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.read import Row, find_issues, plain

SQL = statements("handling")
Verdict = Literal["noise", "real"]


@dataclass(frozen=True)
class Handled:
    """The issue as it was found, and whether anything changed."""

    id: uuid.UUID
    title: str
    fingerprint: str | None
    changed: bool


@dataclass(frozen=True)
class Scope:
    """What a mute is about, one of the three: one thing that fires, all of a node, all of a rule."""

    fingerprint: str | None = None
    node: str | None = None
    rule: str | None = None

    def __str__(self) -> str:
        return f"node {self.node}" if self.node else f"rule {self.rule}" if self.rule else f"{self.fingerprint}"

    def covers(self, metadata: Row) -> bool:
        """Whether an issue of this metadata is muted by it."""
        if self.node:
            return isinstance(metadata.get("nodes"), list) and self.node in metadata["nodes"]
        if self.rule:
            return bool(metadata.get("rule") == self.rule)
        return bool(metadata.get("fingerprint") == self.fingerprint)


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
    """Resolve the issues that go by these names, all or none; firing later makes another one that names it.

    `verdict` is for backtests, also of an issue that is over. A dry run says what would change.
    Raises UnknownIssueError.
    """
    keys = find_issues(connection, names)
    with connection.transaction(force_rollback=dry_run):
        return [_resolve(connection, key, verdict, {"id": key, "by": by, "why": why, "now": now}) for key in keys]


def _resolve(connection: Connection, key: uuid.UUID, verdict: Verdict | None, told: Row) -> Handled:
    row = connection.execute(SQL["subject_of"], {"id": key}).fetchone()
    changed = connection.execute(SQL["resolve"], told).rowcount > 0
    fingerprint = row["fingerprint"] if row else None
    if verdict:
        connection.execute(SQL["judge"], {**told, "fingerprint": fingerprint, "verdict": verdict})
    return Handled(key, row["title"] if row else "", fingerprint, changed)


def scopes_of(
    connection: Connection,
    names: Sequence[str] = (),
    *,
    fingerprint: str | None = None,
    node: str | None = None,
    rule: str | None = None,
    rules: Collection[str] = (),
) -> list[Scope]:
    """Of issues' ids (or their beginnings), or of a fingerprint, a node or a rule: exactly one kind, each scope once.

    `rules`: names of those in force, which may not have fired yet. Raises UnknownIssueError, and ValueError for what
    there was never anything of.
    """
    if bool(names) + sum(each is not None for each in (fingerprint, node, rule)) != 1:
        raise ValueError("give issues, --fingerprint, --node or --rule, one of them")
    if names:
        keys = find_issues(connection, names)
        of = {row["id"]: row["fingerprint"] for row in connection.execute(SQL["fingerprints_of"], {"ids": keys})}
        if theirs := [str(key) for key in keys if of.get(key) is None]:
            raise ValueError(
                f"issue {', '.join(theirs)}: another program made it, it has no fingerprint to mute. "
                "`fleexmon issues resolve` ends it, and --node or --rule mutes more."
            )
        return [Scope(fingerprint=name) for name in dict.fromkeys(of[key] for key in keys)]
    scope = Scope(fingerprint, node, rule)
    found = connection.execute(SQL["known_scope"], vars(scope)).fetchone()
    if rule not in rules and not (found and found["known"]):
        ways = {"fingerprint": "`fleexmon issues show ID --json` has it", "node": "`fleexmon nodes` lists them",
                "rule": "`fleexmon rules list` lists them"}  # fmt: skip
        option = next(option for option, value in vars(scope).items() if value is not None)
        raise ValueError(f'--{option}: there was never anything of "{getattr(scope, option)[:100]}"; {ways[option]}')
    return [scope]


def open_issues(connection: Connection, scope: Scope) -> list[Row]:
    """What a mute would silence now: id, severity, title; the latest first."""
    return [plain(row) for row in connection.execute(SQL["in_scope"], vars(scope))]


def mute(connection: Connection, scope: Scope, *, by: str, why: str, now: datetime, until: datetime | None) -> None:
    """From now on nobody is told of it on GitHub; `until` None: until `unmute`. Issues are made all the same.

    Ends the mutes of the same scope: what is said last holds.
    """
    key = uuid8(now, str(scope).encode(), by.encode(), why.encode())
    with connection.transaction():
        unmute(connection, scope, by=by, why="muted anew", now=now)
        told = {"id": key, "by": by, "why": why, "now": now, "until": until}
        connection.execute(SQL["mute"], {**vars(scope), **told})


def unmute(connection: Connection, scope: Scope, *, by: str, why: str = "", now: datetime) -> int:
    """How many mutes were ended."""
    return connection.execute(SQL["unmute"], {**vars(scope), "by": by, "why": why, "now": now}).rowcount


def mutes(connection: Connection, *, now: datetime) -> list[Row]:
    """What is muted: fingerprint, node or rule, by, why, since, until; the latest first."""
    return [plain(row) for row in connection.execute(SQL["muted"], {"now": now})]
