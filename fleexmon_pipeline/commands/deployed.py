"""`fleexmon deployed`: record or remove a deployment; list recorded and detected ones."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from fleexmon_pipeline.catch_up import note_waiting
from fleexmon_pipeline.commands.options import TIMES, By, DryRun, Json
from fleexmon_pipeline.commands.screen.clock import readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import named_minute, parse_time
from fleexmon_pipeline.comparison.deployments import (
    Deployment,
    deployments,
    deployments_of_version,
    is_version,
    record_deployment,
    remove_deployment,
)
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.comparison.watch import hours_to_reevaluate
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.settings import SettingError, nodes
from fleexmon_pipeline.window import EPOCH, HOUR, Window
from fleexmon_pipeline.wording import counted, iso_text, one_line

app = typer.Typer(add_completion=False)


@app.command()
def deployed(
    by: By,
    node: Annotated[str | None, typer.Argument(help="The node that got a new version.")] = None,
    version: Annotated[str | None, typer.Argument(help="The version: 1.4.2, a commit, an image.")] = None,
    at: Annotated[str | None, typer.Option(help=f"When: {TIMES}.", show_default="now")] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the newest 100 deployments instead, of NODE or of all nodes.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove a deployment that a person recorded by mistake.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Record, remove or list deployments. Example: fleexmon deployed green 1.4.2

    Recording a deployment twice changes nothing. Its first two hours are compared with the live node. The check
    `deployments_are_sound` of detected_issues shows the verdict.
    """
    now = datetime.now(UTC)
    if show_list:
        if version is not None or at is not None or remove or dry_run:
            examples = "Examples: deployed --list  deployed --list green"
            raise CommandError(f"--list takes no VERSION, --at, --remove and --dry-run. {examples}")
        _print_list(node, as_json=as_json, now=now)
        return
    if node is None or version is None:
        raise CommandError("NODE and VERSION are needed. Examples: deployed green 1.4.2  deployed --list")
    if not is_version(version):
        raise CommandError(
            f'VERSION: "{one_line(version, most=60)}" is not a version: at most 100 letters, digits and ._+:@/-'
        )
    if remove:
        chosen = parse_time("--at", at, now=now) if at else None
        _remove(node, version, chosen, by=by, dry_run=dry_run, as_json=as_json)
        return
    moment = parse_time("--at", at, now=now) if at else now
    if moment > now:
        raise CommandError(f"--at: {named_minute(moment, now=now)} is in the future.")
    deployment = Deployment(node, version, moment.replace(microsecond=0), by, "person")
    _record(deployment, dry_run=dry_run, as_json=as_json, now=now)


def _print_list(node: str | None, *, as_json: bool, now: datetime) -> None:
    """Print the newest 100, newest first."""
    with open_database("reading deployments") as connection:
        rows = deployments(connection, Window(EPOCH, now + timedelta(days=1)), nodes=[node] if node else None)
    if as_json:
        print_json([_document(row) for row in rows])
        return
    clock = readers_clock(now)
    for row in rows:
        typer.echo(f"{clock.full_minute(row.at)}  {row.node:<12}  {one_line(row.version, most=60):<20}  {_origin(row)}")
    typer.echo(counted(len(rows), "deployment") + clock.note)


def _record(deployment: Deployment, *, dry_run: bool, as_json: bool, now: datetime) -> None:
    got = f"{deployment.node} got {deployment.version} at {deployment.at:%H:%M}"
    with open_database("recording the deployment") as connection, connection.transaction(force_rollback=dry_run):
        _check_node(connection, deployment.node)
        earlier = record_deployment(connection, deployment)
        if earlier is None:
            hours = hours_to_reevaluate(connection, deployment)
            _evaluate_again(connection, hours, f"{got}, recorded after the hour was evaluated", now=now)
    recorded = earlier or deployment
    if as_json:
        print_json({**_document(recorded), "new": earlier is None, "dry_run": dry_run})
    else:
        state = "already known" if earlier else "would be recorded" if dry_run else "recorded"
        typer.echo(
            f"{state}: {recorded.node} has {recorded.version} since {named_minute(recorded.at, now=now)} "
            f"({_origin(recorded)})"
        )


def _remove(node: str, version: str, at: datetime | None, *, by: str, dry_run: bool, as_json: bool) -> None:
    """Remove a person's record. A detected deployment would be detected again by the next evaluation."""
    now = datetime.now(UTC)
    with open_database("removing the deployment") as connection, connection.transaction(force_rollback=dry_run):
        deployment = _only_recorded(connection, node, version, at)
        hours = hours_to_reevaluate(connection, deployment)
        reason = f"{by} removed the deployment of {node} {version} at {deployment.at:%H:%M}"
        if remove_deployment(connection, deployment):
            _evaluate_again(connection, hours, reason, now=now)
    if as_json:
        print_json({**_document(deployment), "removed": not dry_run, "removedBy": by, "dry_run": dry_run})
        return
    state = "would be removed" if dry_run else f"removed by {one_line(by, most=60)}"
    what = f"{node} {version}, deployed {named_minute(deployment.at, now=now)} ({_origin(deployment)})"
    typer.echo(f"{state}: {what}")


def _only_recorded(connection: Connection, node: str, version: str, at: datetime | None) -> Deployment:
    """The recorded deployment. at: its minute, as lists show it, to choose among several."""
    stored = [
        deployment
        for deployment in deployments_of_version(connection, node, version)
        if at is None or deployment.at.replace(second=0, microsecond=0) == at.replace(second=0, microsecond=0)
    ]
    by_person = [deployment for deployment in stored if deployment.source == "person"]
    what = f"{one_line(node, most=60)} {version}"
    if len(by_person) == 1:
        return by_person[0]
    if by_person:
        times = ", ".join(f"{deployment.at:%Y-%m-%dT%H:%M}" for deployment in by_person)
        raise CommandError(f"{what} was recorded {len(by_person)} times. Choose one with --at: {times}.")
    if stored:
        raise CommandError(
            f"{what} was detected in the node's lines at {stored[-1].at:%Y-%m-%d %H:%M} UTC, and would be detected "
            "again. Only deployments that a person recorded can be removed."
        )
    raise CommandError(f"{what} is not among the deployments{' of that time' if at else ''}. See `deployed --list`.")


def _evaluate_again(connection: Connection, hours: Iterable[datetime], reason: str, *, now: datetime) -> None:
    for hour in hours:
        if hour + HOUR <= now:  # the current hour is evaluated anyway
            note_waiting(connection, "detected_issues", hour, reason, now=now)


def _check_node(connection: Connection, node: str) -> None:
    names = {*known_nodes(connection), *_configured()}
    if node not in names:
        listed = ", ".join(sorted(names)) or "none: nothing was collected yet"
        raise CommandError(f'NODE: "{one_line(node, most=60)}" is not a node. Known nodes: {listed}.')


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
