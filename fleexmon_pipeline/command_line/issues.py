"""`fleexmon issues`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

from datetime import UTC, datetime
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import By, Json, Why

app = typer.Typer(no_args_is_help=True, help="The issues that were found.")


@app.command("list")
def issues_list(
    status: Annotated[str, typer.Option(help="open, resolved or all.")] = "open",
    severity: Annotated[str | None, typer.Option(help="Only this one: low, medium, high, critical.")] = None,
    node: Annotated[str | None, typer.Option(help="Only issues of this node.")] = None,
    since: Annotated[str | None, typer.Option(help="Updated since: 2h, 3d ago, or a UTC time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Issues, the newest first."""
    from fleexmon_pipeline.commands.issues import print_list

    with refusing():
        print_list(typer.echo, status, severity, node, since, limit, as_json=as_json, now=datetime.now(UTC))


@app.command("show")
def issues_show(
    issue: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")], as_json: Json = False
) -> None:
    """One issue with its evidence."""
    from fleexmon_pipeline.commands.issues import print_one

    with refusing():
        print_one(typer.echo, issue, as_json=as_json, now=datetime.now(UTC))


Issues = Annotated[list[str], typer.Argument(help="Their ids, or the beginnings of them; all are done, or none.")]
MutedIssues = Annotated[
    list[str] | None, typer.Argument(help="Issues' ids, or the beginnings of them; all are done, or none.")
]
MutedFingerprint = Annotated[str | None, typer.Option("--fingerprint", help="All issues of this fingerprint instead.")]
MutedNode = Annotated[str | None, typer.Option("--node", help="All issues of this node instead.")]
MutedRule = Annotated[str | None, typer.Option("--rule", help="All issues of this rule instead.")]


DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it is about, and what would change; change nothing.")]


@app.command("resolve")
def issues_resolve(
    issues: Issues,
    by: By,
    why: Why = "",
    verdict: Annotated[str | None, typer.Option("--as", help="noise or real: what backtests count as false.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """It is over, or was nothing. If it fires again a new issue names it."""
    from fleexmon_pipeline.commands.issues import resolve

    with refusing():
        now = datetime.now(UTC)
        resolve(typer.echo, issues, by=by, why=why, verdict=verdict, dry_run=dry_run, as_json=as_json, now=now)


@app.command("mute")
def issues_mute(
    by: By,
    why: Annotated[str, typer.Option("--why", help="Why, for whoever looks at it later.", prompt=True)],
    issues: MutedIssues = None,
    fingerprint: MutedFingerprint = None,
    node: MutedNode = None,
    rule: MutedRule = None,
    length: Annotated[str | None, typer.Option("--for", help="2h, 7d; default: until unmuted.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="A UTC time instead, such as 2026-11-30.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Tell nobody of it on GitHub, whenever it fires. Issues are found and listed all the same."""
    from fleexmon_pipeline.commands.issues import Meant, mute

    with refusing():
        meant = Meant(issues or (), fingerprint, node, rule)
        now = datetime.now(UTC)
        mute(typer.echo, meant, length, until, by=by, why=why, dry_run=dry_run, as_json=as_json, now=now)


@app.command("unmute")
def issues_unmute(
    by: By,
    issues: MutedIssues = None,
    fingerprint: MutedFingerprint = None,
    node: MutedNode = None,
    rule: MutedRule = None,
    why: Why = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """End a mute."""
    from fleexmon_pipeline.commands.issues import Meant, unmute

    with refusing():
        meant, now = Meant(issues or (), fingerprint, node, rule), datetime.now(UTC)
        unmute(typer.echo, meant, by=by, why=why, dry_run=dry_run, as_json=as_json, now=now)


@app.command("mutes")
def issues_mutes(as_json: Json = False) -> None:
    """What is muted, by whom and why."""
    from fleexmon_pipeline.commands.issues import print_mutes

    with refusing():
        print_mutes(typer.echo, as_json=as_json, now=datetime.now(UTC))
