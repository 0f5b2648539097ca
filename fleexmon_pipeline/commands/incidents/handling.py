"""`ack`, `unack` and `assign`, for issues and incidents.

Here: options and printing. The writes: `incidents/people.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from fleexmon_pipeline.commands.options import By, DryRun, Json, Why
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.people import Action, handle
from fleexmon_pipeline.wording import inert_line

Find = Callable[[Connection, Sequence[str]], dict[UUID, tuple[str, list[UUID]]]]  # names → id → title, its issues
Ids = Annotated[list[str], typer.Argument(help="Ids or unique prefixes. All succeed or none do.")]
MAX_NAME = 100


def add_handling(app: typer.Typer, find: Find, noun: str) -> None:
    """Add the three commands to `app`. find: resolves ids; raises UnknownIssueError."""

    @app.command(
        "ack", help=f"Acknowledge {noun}: somebody is working on them. They are still reported when they get worse."
    )
    def ack(ids: Ids, by: By, why: Why = "", dry_run: DryRun = False, as_json: Json = False) -> None:
        _handle(find, ids, "ack", by, why, None, dry_run=dry_run, as_json=as_json)

    @app.command("unack", help=f"Undo the acknowledgement of {noun}.")
    def unack(ids: Ids, by: By, why: Why = "", dry_run: DryRun = False, as_json: Json = False) -> None:
        _handle(find, ids, "unack", by, why, None, dry_run=dry_run, as_json=as_json)

    @app.command("assign", help=f"Assign {noun} to a person; `--to nobody` undoes it.")
    def assign(
        ids: Ids,
        by: By,
        to: Annotated[str, typer.Option("--to", help="The person to assign to.", show_default=False)],
        why: Why = "",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        assignee = to.strip()
        if not assignee or len(assignee) > MAX_NAME:
            raise CommandError(f"--to: give a name of 1 to {MAX_NAME} characters. Examples: --to ann  --to nobody")
        _handle(
            find, ids, "assign", by, why, None if assignee == "nobody" else assignee, dry_run=dry_run, as_json=as_json
        )


def _handle(
    find: Find, names: Sequence[str], action: Action, by: str, why: str, assignee: str | None, *,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    now = datetime.now(UTC)
    with open_database("writing") as connection, connection.transaction(force_rollback=dry_run):
        chosen = find(connection, names)
        for _, issues in chosen.values():
            handle(connection, issues, action, by=by, why=why, now=now, assignee=assignee)
    if as_json:
        noted = {"action": action, "by": by, "why": why, "assignee": assignee, "dry_run": dry_run}
        print_json([{"id": key, "title": title, "issues": issues, **noted} for key, (title, issues) in chosen.items()])
        return
    done = {"ack": "acknowledged", "unack": "no longer acknowledged", "assign": f"assigned to {assignee or 'nobody'}"}
    for key, (title, _) in chosen.items():
        typer.echo(f"{key}  {'would be ' if dry_run else ''}{inert_line(done[action])}: {inert_line(title)}")
