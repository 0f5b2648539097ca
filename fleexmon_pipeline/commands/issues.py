"""`fleexmon issues`: what is wrong, and what it rests on, in a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import msgspec
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.issue_page import page
from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.detection.rule_model import counted_levels
from fleexmon_pipeline.issues import people
from fleexmon_pipeline.issues.context import issue_context
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.issues.people import Scope, Verdict
from fleexmon_pipeline.issues.read import Status, UnknownIssueError, list_issues, show_issue
from fleexmon_pipeline.issues.runbooks import runbook
from fleexmon_pipeline.wording import counted, inert

Write = Callable[[str], object]
_SHORT = 18  # characters of an id: its time in ms, which issues share, and 12 bits of its hash


def print_list(
    write: Write, status: str, severity: str | None, node: str | None, since: str | None, limit: int,
    *, as_json: bool, now: datetime,
) -> None:  # fmt: skip
    """Raises typer.BadParameter."""
    wanted: Status | None = next((known for known in get_args(Status) if known == status), None)
    if wanted is None:
        raise typer.BadParameter(f'--status: "{status}" is none of {", ".join(get_args(Status))}')
    if severity is not None and severity not in list(Severity):
        raise typer.BadParameter(f'--severity: "{severity}" is none of {", ".join(Severity)}')
    after = moment_of("--since", since, now=now) if since else None
    with connect(database_url()) as connection:
        rows = list_issues(connection, status=wanted, severity=severity, node=node, since=after, limit=limit)
    if as_json:
        write(msgspec.json.encode(rows).decode())
        return
    for row in rows:
        seen = f"{_minute(row['detectedAt'])} – {_minute(row['resolvedAt'] or row['updatedAt'])}"
        write(
            f"{row['id'][:_SHORT]}  {row['severity']:<8}  {row['status']:<8}  {seen}  "
            f"{', '.join(row['nodes']) or 'all nodes':<12}  {inert(row['title'])}"
        )
    of = "issue" if status == "all" else f"{status} issue"
    write(counted(len(rows), of) + (" or more" if len(rows) == limit else ""))


def print_one(write: Write, name: str, *, as_json: bool, now: datetime) -> None:
    """Raises typer.BadParameter for an id that is unknown or not enough of one."""
    with connect(database_url()) as connection:
        try:
            detail = show_issue(connection, name)
        except UnknownIssueError as error:
            raise typer.BadParameter(str(error)) from None
        around = issue_context(connection, detail.issue, counted_levels(all_rules(settings.rules_directory()).rules))
        metadata = detail.issue.figures
        mutes = [
            mute
            for mute in people.mutes(connection, now=now)
            if Scope(mute["fingerprint"], mute["node"], mute["rule"]).covers(metadata)
        ]
    book = runbook(str(metadata.get("runbook")))
    if as_json:
        document = {**detail.as_json(), **around.as_json(), "mutes": mutes, "runbook": book}
        write(msgspec.json.encode(document).decode())
        return
    write(page(detail, around, mutes, book))


def resolve(
    write: Write, names: Sequence[str], *, by: str, why: str, verdict: str | None, dry_run: bool, as_json: bool,
    now: datetime,
) -> None:  # fmt: skip
    """All of them or none. Raises typer.BadParameter."""
    said: Verdict | None = next((known for known in get_args(Verdict) if known == verdict), None)
    if verdict is not None and said is None:
        raise typer.BadParameter(f'--as: "{verdict}" is none of {", ".join(get_args(Verdict))}')
    with connect(database_url()) as connection, _known():
        done = people.resolve_issues(connection, names, by=by, why=why, verdict=said, now=now, dry_run=dry_run)
    if as_json:
        told = {"by": by, "why": why, "as": said, "dry_run": dry_run}
        rows = [
            {"id": str(each.id), "title": each.title, "fingerprint": each.fingerprint, "resolved": each.changed, **told}
            for each in done
        ]
        write(msgspec.json.encode(rows).decode())
        return
    for each in done:
        resolved = "would be resolved" if dry_run else "resolved"
        called = f", {'would be ' if dry_run else ''}called {said}" if said else ""
        write(f"{each.id}  {resolved if each.changed else 'was resolved already'}{called}: {inert(each.title)}")


@dataclass(frozen=True)
class Meant:
    """Which issues a person means: some by their ids, or all of a kind. Exactly one is given."""

    issues: Sequence[str] = ()
    fingerprint: str | None = None
    node: str | None = None
    rule: str | None = None

    def scopes(self, connection: Connection) -> list[Scope]:
        rules = [rule.name for rule in all_rules(settings.rules_directory()).rules] if self.rule else []
        return people.scopes_of(
            connection, self.issues, fingerprint=self.fingerprint, node=self.node, rule=self.rule, rules=rules
        )


def mute(
    write: Write, meant: Meant, length: str | None, until: str | None, *, by: str, why: str, dry_run: bool,
    as_json: bool, now: datetime,
) -> None:  # fmt: skip
    """All of them or none. Raises typer.BadParameter."""
    ends = _end(length, until, now=now)
    with connect(database_url()) as connection, _known():
        silenced = {scope: people.open_issues(connection, scope) for scope in meant.scopes(connection)}
        with connection.transaction(force_rollback=dry_run):
            for scope in silenced:
                people.mute(connection, scope, by=by, why=why, now=now, until=ends)
    if as_json:
        told = {"by": by, "why": why, "until": ends, "dry_run": dry_run}
        rows = [{**vars(scope), **told, "open_issues": issues} for scope, issues in silenced.items()]
        write(msgspec.json.encode(rows).decode())
        return
    when = f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else "until unmuted"
    for scope, issues in silenced.items():
        for row in issues if dry_run else ():
            write(f"{row['id'][:_SHORT]}  {row['severity']:<8}  {inert(row['title'])}")
        said = f"{'would be muted' if dry_run else 'muted'} {when}"
        write(f"{said}: {inert(str(scope))} ({counted(len(issues), 'open issue')})")


def _end(length: str | None, until: str | None, *, now: datetime) -> datetime | None:
    if length and until:
        raise typer.BadParameter("--for and --until: give one of them")
    if until:
        ends = moment_of("--until", until, now=now)
        if ends <= now:
            raise typer.BadParameter(f'--until: "{until}" is over. Examples: --until 2030-01-01  --for 7d')
        return ends
    if not length:
        return None
    ends = now + (now - moment_of("--for", length, now=now))
    if ends <= now or "-" in length:  # a date is no length
        raise typer.BadParameter(f'--for: "{length}" is not a length of time. Examples: --for 2h  --for 7d')
    return ends


def unmute(write: Write, meant: Meant, *, by: str, why: str, dry_run: bool, as_json: bool, now: datetime) -> None:
    """All of them or none. Raises typer.BadParameter."""
    with connect(database_url()) as connection, _known(), connection.transaction(force_rollback=dry_run):
        ended = {scope: people.unmute(connection, scope, by=by, why=why, now=now) for scope in meant.scopes(connection)}
    if as_json:
        told = {"by": by, "why": why, "dry_run": dry_run}
        write(msgspec.json.encode([{**vars(scope), **told, "ended": count} for scope, count in ended.items()]).decode())
        return
    for scope, count in ended.items():
        said = f"{counted(count, 'mute')} {'would end' if dry_run else 'ended'}" if count else "was not muted"
        write(f"{said}: {inert(str(scope))}")


def print_mutes(write: Write, *, as_json: bool, now: datetime) -> None:
    with connect(database_url()) as connection:
        rows = people.mutes(connection, now=now)
    if as_json:
        write(msgspec.json.encode(rows).decode())
        return
    for row in rows:
        what = str(Scope(row["fingerprint"], row["node"], row["rule"]))
        until = f"until {_minute(row['until'])}" if row["until"] else "until unmuted"
        write(f"{_minute(row['since'])}  {until:<19}  {inert(row['by'])}  {inert(what)}  {inert(row['why'])}")
    write(counted(len(rows), "mute"))


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # UnknownIssueError is one
        raise typer.BadParameter(str(error)) from None


def _minute(iso: str) -> str:
    return iso[5:16].replace("T", " ")
