"""`fleexmon deployed`: record a deployment; list those that people recorded or that log lines announced."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from fleexmon_pipeline.catch_up import note_waiting
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import TIMES, Json, current_user
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import parse_time
from fleexmon_pipeline.comparison.deployments import Deployment, deployments, is_version, mark
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.comparison.watch import judged_with
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.settings import SettingError, nodes
from fleexmon_pipeline.window import EPOCH, HOUR, Window
from fleexmon_pipeline.wording import counted, iso_text, one_line

app = typer.Typer(add_completion=False)


@app.command()
def deployed(
    node: Annotated[str | None, typer.Argument(help="The node that got a new version.")] = None,
    version: Annotated[str | None, typer.Argument(help="The version: 1.4.2, a commit, an image.")] = None,
    at: Annotated[str | None, typer.Option(help=f"When: {TIMES}.", show_default="now")] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the newest 100 deployments instead, of NODE or of all nodes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Record a deployment, or list those that are known. Example: fleexmon deployed green 1.4.2. Idempotent.

    The two hours after a deployment are compared with the live node; a check of detected_issues shows the verdict.
    """
    now = datetime.now(UTC)
    if show_list:
        if version is not None or at is not None:
            raise CommandError("--list takes no VERSION and no --at. Examples: deployed --list  deployed --list green")
        _print_list(node, as_json=as_json, now=now)
        return
    if node is None or version is None:
        raise CommandError("NODE and VERSION are needed. Examples: deployed green 1.4.2  deployed --list")
    if not is_version(version):
        raise CommandError(
            f'VERSION: "{one_line(version, most=60)}" is not a version: at most 100 letters, digits and ._+:@/-'
        )
    moment = parse_time("--at", at, now=now) if at else now
    if moment > now:
        raise CommandError(f"--at: {moment:%Y-%m-%d %H:%M} UTC is in the future.")
    _record(
        Deployment(node, version, moment.replace(microsecond=0), current_user(), "person"), as_json=as_json, now=now
    )


def _print_list(node: str | None, *, as_json: bool, now: datetime) -> None:
    """The newest hundred, newest first."""
    with connect(existing_database_url()) as connection:
        rows = deployments(connection, Window(EPOCH, now + timedelta(days=1)), nodes=[node] if node else None)
    if as_json:
        print_json([_document(row) for row in rows])
        return
    for row in rows:
        typer.echo(f"{row.at:%Y-%m-%d %H:%M}  {row.node:<12}  {one_line(row.version, most=60):<20}  {_origin(row)}")
    typer.echo(counted(len(rows), "deployment"))


def _record(deployment: Deployment, *, as_json: bool, now: datetime) -> None:
    with connect(existing_database_url()) as connection:
        _check_node(connection, deployment.node)
        earlier = mark(connection, deployment)
        for hour in judged_with(connection, deployment) if earlier is None else ():
            if hour + HOUR <= now:  # the current hour is evaluated anyway
                reason = (
                    f"{deployment.node} got {deployment.version} at {deployment.at:%H:%M}, which was "
                    "not known when it was evaluated"
                )
                note_waiting(connection, "detected_issues", hour, reason, now=now)
    known = earlier or deployment
    if as_json:
        print_json({**_document(known), "new": earlier is None})
    else:
        state = "already known" if earlier else "recorded"
        typer.echo(f"{state}: {known.node} has {known.version} since {known.at:%Y-%m-%d %H:%M} UTC ({_origin(known)})")


def _check_node(connection: Connection, node: str) -> None:
    names = {*known_nodes(connection), *_configured()}
    if node not in names:
        known = ", ".join(sorted(names)) or "none: nothing was collected yet"
        raise CommandError(f'NODE: "{one_line(node, most=60)}" is not a node. Known nodes: {known}.')


def _configured() -> list[str]:
    try:
        return [node.name for node in nodes(os.environ)]
    except SettingError:  # doctor reports a wrong address; names in the database are enough here
        return []


def _origin(deployment: Deployment) -> str:
    sources = {"line": "from a start-up line", "metadata": "from the lines' metadata"}
    return sources.get(deployment.source, f"by {one_line(deployment.by, most=60)}")


def _document(deployment: Deployment) -> dict[str, str]:
    return {
        "node": deployment.node, "version": deployment.version,
        "at": iso_text(deployment.at), "by": deployment.by, "source": deployment.source,
    }  # fmt: skip
