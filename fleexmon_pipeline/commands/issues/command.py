"""`fleexmon issues`: list, show, resolve and mute issues.

Here: options and people's actions. One issue in full: `page.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.console import RenderableType

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.incidents.handling import add_handling
from fleexmon_pipeline.commands.issues.listing import SHORT_ID, issue_list
from fleexmon_pipeline.commands.issues.page import page
from fleexmon_pipeline.commands.options import TIMES, By, DryRun, Json, RequiredWhy, Why
from fleexmon_pipeline.commands.screen.clock import readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.hints import hint_at_nodes
from fleexmon_pipeline.commands.screen.terminal import show
from fleexmon_pipeline.commands.screen.text import show_page
from fleexmon_pipeline.commands.screen.watch import watch
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import named_minute, parse_optional_time, parse_time
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.detection.rule_model import counted_levels
from fleexmon_pipeline.issues import people
from fleexmon_pipeline.issues.context import issue_context
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.issues.people import Scope, Verdict
from fleexmon_pipeline.issues.read import (
    IssueFilter,
    IssueSummary,
    Sort,
    Status,
    find_issues,
    list_issues,
    show_issue,
    title_of,
)
from fleexmon_pipeline.issues.runbooks import runbook
from fleexmon_pipeline.wording import counted, inert_line

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, show, acknowledge, assign, resolve and mute issues."
)

IssueIds = Annotated[list[str], typer.Argument(help="Issue ids or unique prefixes. All succeed or none do.")]
MutedIds = Annotated[
    list[str] | None,
    typer.Argument(help="These issues: ids or unique prefixes. All succeed or none do.", show_default=False),
]
OfFingerprint = Annotated[str | None, typer.Option("--fingerprint", help="All issues of this fingerprint instead.")]
OfNode = Annotated[str | None, typer.Option("--node", help="All issues of this node instead.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="All issues of this rule instead.")]
OfAll = Annotated[bool, typer.Option("--all", help="All issues of all nodes instead, for maintenance.")]


@app.command("list")
def issues_list(
    status: Annotated[Status, typer.Option(help="Only issues of this status.")] = "open",
    severity: Annotated[Severity | None, typer.Option(help="Only issues of this severity.")] = None,
    node: Annotated[str | None, typer.Option(help="Only issues of this node.")] = None,
    since: Annotated[str | None, typer.Option(help=f"Only issues updated since: {TIMES}.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many issues.")] = 100,
    sort: Annotated[Sort, typer.Option(help="Order, descending.")] = "updated",
    watching: Annotated[
        bool, typer.Option("--watch", "-w", help="Draw the list again every 5 seconds, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List issues, last updated first: id, severity, status, first and last seen (UTC), nodes, title."""
    wanted = IssueFilter(status, severity, node, since=parse_optional_time("--since", since, now=datetime.now(UTC)))

    def read() -> tuple[list[IssueSummary], set[UUID]]:
        with open_database("reading issues") as connection:
            rows = list_issues(connection, wanted, limit=limit, sort=sort)
            if not rows and not watching:
                hint_at_nodes(connection, node)
            return rows, people.muted_issues(connection, now=datetime.now(UTC))

    def draw() -> Iterator[RenderableType]:
        return issue_list(*read(), status, limit=limit, clock=readers_clock(datetime.now(UTC)))

    if watching:
        watch(draw, as_json=as_json)
    if as_json:
        rows, muted = read()
        print_json([{**msgspec.to_builtins(row), "muted": row.id in muted} for row in rows])
    else:
        show(*draw())


@app.command("show")
def issues_show(
    issue: Annotated[str, typer.Argument(help="An issue id or a unique prefix.")], as_json: Json = False
) -> None:
    """Show one issue: cause, recommendation, evidence, similar issues and runbook."""
    with open_database("reading the issue") as connection:
        detail = show_issue(connection, issue)
        around = issue_context(connection, detail.issue, counted_levels(all_rules(settings.rules_directory()).rules))
        metadata = detail.issue.figures
        mutes = [mute for mute in people.mutes(connection, now=datetime.now(UTC)) if mute.scope.covers(metadata)]
    book = runbook(str(metadata.get("runbook")))
    if as_json:
        print_json({**vars(detail), **vars(around), "mutes": mutes, "runbook": book})
    else:
        show_page(page(detail, around, mutes, book, readers_clock(datetime.now(UTC))))


@app.command("resolve")
def issues_resolve(
    issues: IssueIds,
    by: By,
    why: Why = "",
    verdict: Annotated[
        Verdict | None,
        typer.Option("--as", help="Mark them as noise or real. Backtests count noise as false alarms."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Resolve issues. If one recurs, a new issue links back to it."""
    now = datetime.now(UTC)
    with open_database("resolving") as connection, _explained():
        handled = people.resolve_issues(connection, issues, by=by, why=why, verdict=verdict, now=now, dry_run=dry_run)
    if as_json:
        print_json(
            [
                {
                    "id": row.id, "title": row.title, "fingerprint": row.fingerprint, "resolved": row.changed,
                    "by": by, "why": why, "as": verdict, "dry_run": dry_run,
                }
                for row in handled
            ]
        )  # fmt: skip
        return
    would = "would be " if dry_run else ""
    for row in handled:
        marked = f", {would}marked as {verdict}" if verdict else ""
        typer.echo(
            f"{row.id}  {f'{would}resolved' if row.changed else 'already resolved'}{marked}: {inert_line(row.title)}"
        )


@dataclass(frozen=True)
class MuteTarget:
    """What to mute or unmute: issues by id, or all of a fingerprint, node or rule, or all. Exactly one is given."""

    issues: Sequence[str]
    fingerprint: str | None
    node: str | None
    rule: str | None
    everything: bool

    def scopes(self, connection: Connection) -> list[Scope]:
        rules = [rule.name for rule in all_rules(settings.rules_directory()).rules] if self.rule else []
        return people.scopes_of(
            connection,
            self.issues,
            fingerprint=self.fingerprint,
            node=self.node,
            rule=self.rule,
            everything=self.everything,
            rules=rules,
        )


@app.command("mute")
def issues_mute(
    by: By,
    why: RequiredWhy,
    issues: MutedIds = None,
    fingerprint: OfFingerprint = None,
    node: OfNode = None,
    rule: OfRule = None,
    everything: OfAll = False,
    length: Annotated[str | None, typer.Option("--for", help="How long: 2h, 7d.", show_default="until unmuted")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until this UTC time instead: 2026-11-30.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Stop notifications for these issues. They are still detected and listed."""
    target, now = MuteTarget(issues or (), fingerprint, node, rule, everything), datetime.now(UTC)
    ends = _end(length, until, now=now)
    if everything and ends is None:
        raise CommandError("--all: give its end with --for or --until. Examples: --for 2h  --until 2030-01-01")
    with open_database("muting") as connection, _explained():
        muted = {scope: people.open_issues(connection, scope) for scope in target.scopes(connection)}
        with connection.transaction(force_rollback=dry_run):
            for scope in muted:
                people.mute(connection, scope, by=by, why=why, now=now, until=ends)
    if as_json:
        noted = {"by": by, "why": why, "until": ends, "dry_run": dry_run}
        print_json([{**vars(scope), **noted, "open_issues": rows} for scope, rows in muted.items()])
        return
    when = f"until {named_minute(ends, now=now)}" if ends else "until unmuted"
    for scope, rows in muted.items():
        for row in rows if dry_run else ():
            typer.echo(f"{str(row.id)[:SHORT_ID]}  {row.severity:<8}  {inert_line(row.title)}")
        verb = "would be muted" if dry_run else "muted"
        typer.echo(f"{verb} {when}: {inert_line(str(scope))} ({counted(len(rows), 'open issue')})")


def _end(length: str | None, until: str | None, *, now: datetime) -> datetime | None:
    if length and until:
        raise CommandError("--for and --until: give one of them. Examples: --for 7d  --until 2030-01-01")
    if until:
        ends = parse_time("--until", until, now=now)
        if ends <= now:
            raise CommandError(f'--until: "{until}" is in the past. Examples: --until 2030-01-01  --for 7d')
        return ends
    if not length:
        return None
    refusal = CommandError(f'--for: "{length[:60]}" is not a length of time. Examples: --for 2h  --for 7d')
    try:
        ends = now + (now - parse_time("--for", length, now=now))
    except CommandError:  # it would give a date as an example
        raise refusal from None
    if ends <= now or "-" in length or not length[:1].isdigit():  # a date, or a word such as "yesterday"
        raise refusal
    return ends


@app.command("unmute")
def issues_unmute(
    by: By,
    issues: MutedIds = None,
    fingerprint: OfFingerprint = None,
    node: OfNode = None,
    rule: OfRule = None,
    everything: OfAll = False,
    why: Why = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """End mutes, so that these issues notify again."""
    target, now = MuteTarget(issues or (), fingerprint, node, rule, everything), datetime.now(UTC)
    with (
        open_database("ending mutes") as connection,
        _explained(),
        connection.transaction(force_rollback=dry_run),
    ):
        ended = {
            scope: people.unmute(connection, scope, by=by, why=why, now=now) for scope in target.scopes(connection)
        }
    if as_json:
        noted = {"by": by, "why": why, "dry_run": dry_run}
        print_json([{**vars(scope), **noted, "ended": count} for scope, count in ended.items()])
        return
    for scope, count in ended.items():
        state = f"{counted(count, 'mute')} {'would end' if dry_run else 'ended'}" if count else "was not muted"
        typer.echo(f"{state}: {inert_line(str(scope))}")


@app.command("mutes")
def issues_mutes(as_json: Json = False) -> None:
    """List mutes: since, until, by whom, what and why."""
    with open_database("reading mutes") as connection:
        rows = people.mutes(connection, now=datetime.now(UTC))
    if as_json:
        print_json(rows)
        return
    clock = readers_clock(datetime.now(UTC))
    for row in rows:
        until = f"until {clock.minute(row.until)}" if row.until else "until unmuted"
        typer.echo(inert_line(f"{clock.minute(row.since)}  {until:<19}  {row.by}  {row.scope}  {row.why}"))
    typer.echo(counted(len(rows), "mute") + clock.note)


def _find(connection: Connection, names: Sequence[str]) -> dict[UUID, tuple[str, list[UUID]]]:
    return {key: (title_of(connection, key), [key]) for key in find_issues(connection, names)}


add_handling(app, _find, "issues")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # `people` refuses the input
        raise CommandError(str(error)) from None
