"""`fleexmon incidents`: list, show, acknowledge, assign, resolve and mute incidents.

Here: options. One incident in full: `page.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.console import RenderableType
from rich.text import Text

from fleexmon_pipeline.commands.incidents.handling import add_handling
from fleexmon_pipeline.commands.incidents.page import SHORT_ID, page
from fleexmon_pipeline.commands.options import TIMES, By, DryRun, Json, Why
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.hints import hint_at_nodes
from fleexmon_pipeline.commands.screen.listing import SEVERITIES, Column, Row, listing
from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person, show
from fleexmon_pipeline.commands.screen.text import show_page
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.commands.times import parse_optional_time
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.read import Incident, find_incident, list_incidents, show_incident
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues import people
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.issues.people import Verdict
from fleexmon_pipeline.issues.read import Status, UnknownIssueError
from fleexmon_pipeline.settings import topology
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted, inert_line, short_duration

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, show, acknowledge, assign and resolve incidents: issues that share a cause.",
)
Names = Annotated[list[str], typer.Argument(help="Ids of incidents or of their issues. All succeed or none do.")]


@app.command("list")
def incidents_list(
    status: Annotated[Status, typer.Option(help="Only incidents of this status.")] = "open",
    severity: Annotated[Severity | None, typer.Option(help="Only incidents of this severity.")] = None,
    node: Annotated[str | None, typer.Option(help="Only incidents of this node.")] = None,
    since: Annotated[str | None, typer.Option(help=f"Only incidents seen since: {TIMES}.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many incidents.")] = 100,
    as_json: Json = False,
) -> None:
    """List incidents, last seen first: id, severity, status, first and last seen (UTC), title, number of issues."""
    now = datetime.now(UTC)
    after = parse_optional_time("--since", since, now=now)
    with open_database("reading incidents") as connection:
        rows = list_incidents(
            connection, now=now, status=status, severities=[str(severity)] if severity else None, node=node,
            during=Window(after, now + timedelta(days=1)) if after else None, limit=limit,
        )  # fmt: skip
        if not rows:
            hint_at_nodes(connection, node)
    if as_json:
        print_json(rows)
        return
    show(*_list(rows, status, limit=limit, clock=readers_clock(now)))


def _list(rows: Sequence[Incident], status: Status, *, limit: int, clock: Clock) -> Iterator[RenderableType]:
    """For a pipe, one incident per line; for a person, with headings and fitting titles."""
    if is_read_by_a_person():
        heads = (
            Column("severity", styles=SEVERITIES), Column("state"), Column("last seen"),
            Column("for", right=True), Column("issues", right=True), Column("id", style="dim"),
        )  # fmt: skip
        yield from listing(heads, [_row(row, clock) for row in rows])
    else:
        for row in rows:
            yield Text(
                f"{str(row.id)[:SHORT_ID]}  {inert_line(row.severity):<8}  {inert_line(_state(row)):<8}  "
                f"{clock.minute(row.started_at)} – {clock.minute(row.last_seen_at)}  {inert_line(row.title)}  "
                f"[{counted(len(row.issues), 'issue')}]"
            )
    count = counted(len(rows), "incident" if status == "all" else f"{status} incident")
    yield Text(count + (" or more" if len(rows) == limit else "") + clock.note)


def _row(row: Incident, clock: Clock) -> Row:
    cells = (
        inert_line(row.severity), inert_line(_state(row)), clock.minute(row.last_seen_at),
        short_duration(row.last_seen_at - row.started_at), f"{len(row.issues):,}", str(row.id)[:SHORT_ID],
    )  # fmt: skip
    return Row(cells, inert_line(row.title), "dim" if row.muted else "")


def _state(row: Incident) -> str:
    return "muted" if row.muted and row.is_open else f"ack {row.acknowledged}" if row.acknowledged else row.status


@app.command("show")
def incidents_show(
    incident: Annotated[str, typer.Argument(help="The id of an incident or of one of its issues, or a unique prefix.")],
    as_json: Json = False,
) -> None:
    """Show one incident: where and how it began, changes shortly before, its issues, and actions by people."""
    with open_database("reading the incident") as connection:
        detail = show_incident(connection, incident, now=datetime.now(UTC))
    if as_json:
        print_json(vars(detail))
    else:
        show_page(page(detail, readers_clock(datetime.now(UTC))))


@app.command("resolve")
def incidents_resolve(
    incidents: Names,
    by: By,
    why: Why = "",
    verdict: Annotated[
        Verdict | None,
        typer.Option("--as", help="Mark their issues as noise or real. Backtests count noise as false alarms."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Resolve all issues of incidents. If one recurs, a new issue links back to it."""
    now = datetime.now(UTC)
    with open_database("resolving") as connection:
        chosen = _find(connection, incidents)
        names = [str(issue) for _, issues in chosen.values() for issue in issues]
        handled = people.resolve_issues(connection, names, by=by, why=why, verdict=verdict, now=now, dry_run=dry_run)
        if not dry_run:
            refresh_incidents(connection, topology())
    changed = {row.id for row in handled if row.changed}
    if as_json:
        noted = {"by": by, "why": why, "as": verdict, "dry_run": dry_run}
        print_json(
            [
                {"id": key, "title": title, "resolved": [issue for issue in issues if issue in changed], **noted}
                for key, (title, issues) in chosen.items()
            ]
        )
        return
    would = "would be " if dry_run else ""
    for key, (title, issues) in chosen.items():
        count = sum(issue in changed for issue in issues)
        what = f"{counted(count, 'issue')} {would}resolved" if count else "already resolved"
        typer.echo(f"{key}  {what}: {inert_line(title)}")


def _find(connection: Connection, names: Sequence[str]) -> dict[UUID, tuple[str, list[UUID]]]:
    """Incidents by id: title and issues. Raises UnknownIssueError, which lists all wrong names."""
    keys: dict[UUID, None] = {}
    errors = []
    for name in names:
        try:
            keys[find_incident(connection, name)] = None
        except UnknownIssueError as error:
            errors.append(str(error))
    if errors:
        raise UnknownIssueError("\n".join(errors))
    rows = list_incidents(connection, now=datetime.now(UTC), status="all", ids=list(keys))
    return {row.id: (row.title, row.issues) for row in rows}


add_handling(app, _find, "incidents")
