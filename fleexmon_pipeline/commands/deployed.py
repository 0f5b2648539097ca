"""`fleexmon deployed`: a person says that a version came to a node; and which ones are known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import typer

from fleexmon_pipeline.catch_up import note_waiting
from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.comparison.deployments import Deployment, deployments, is_version, mark
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.comparison.watch import judged_with
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.settings import Environment, SettingError, nodes
from fleexmon_pipeline.window import EPOCH, HOUR, Window
from fleexmon_pipeline.wording import counted, iso_text, one_line

Write = Callable[[str], object]


def print_deployments(write: Write, node: str | None, *, as_json: bool, now: datetime) -> None:
    """The newest hundred, newest first."""
    with connect(database_url()) as connection:
        found = deployments(connection, Window(EPOCH, now + timedelta(days=1)), nodes=[node] if node else None)
    if as_json:
        write(msgspec.json.encode([_document(each) for each in found]).decode())
        return
    for each in found:
        write(f"{each.at:%Y-%m-%d %H:%M}  {each.node:<12}  {one_line(each.version, most=60):<20}  {_by(each)}")
    write(f"{counted(len(found), 'deployment')}")


def mark_deployed(
    write: Write, node: str, version: str, at: str | None, by: str, environment: Environment,
    *, as_json: bool, now: datetime,
) -> None:  # fmt: skip
    """Twice is once. Raises typer.BadParameter."""
    if not is_version(version):
        raise typer.BadParameter(
            f'VERSION: "{one_line(version, most=60)}" is no version: letters, digits and ._+:@/-, at most 100.'
        )
    moment = moment_of("--at", at, now=now) if at else now
    if moment > now:
        raise typer.BadParameter(f"--at: {moment:%Y-%m-%d %H:%M} UTC has not come yet.")
    with connect(database_url()) as connection:
        known = {*known_nodes(connection), *_configured(environment)}
        if node not in known:
            names = ", ".join(sorted(known)) or "none: nothing was collected yet"
            raise typer.BadParameter(f'NODE: "{one_line(node, most=60)}" is no node. Known: {names}')
        wanted = Deployment(node, version, moment.replace(microsecond=0), by, "person")
        before = mark(connection, wanted)
        for hour in judged_with(connection, wanted) if before is None else ():
            if hour + HOUR <= now:  # the running hour is judged anyway
                reason = f"{node} got {version} at {moment:%H:%M}, which was not known when it was evaluated"
                note_waiting(connection, "detected_issues", hour, reason, now=now)
    told = before or wanted
    if as_json:
        write(msgspec.json.encode({**_document(told), "new": before is None}).decode())
    else:
        state = "was known" if before else "marked"
        write(f"{state}: {told.node} has {told.version} since {told.at:%Y-%m-%d %H:%M} UTC ({_by(told)})")


def _configured(environment: Environment) -> list[str]:
    try:
        return [node.name for node in nodes(environment)]
    except SettingError:  # an address that is wrong is told by doctor; names in the database are enough here
        return []


def _by(each: Deployment) -> str:
    sources = {"line": "noticed in a line of its start", "metadata": "noticed in the lines' metadata"}
    return sources.get(each.source, f"by {one_line(each.by, most=60)}")


def _document(each: Deployment) -> dict[str, str]:
    return {
        "node": each.node, "version": each.version, "at": iso_text(each.at), "by": each.by,
        "source": each.source,
    }  # fmt: skip
