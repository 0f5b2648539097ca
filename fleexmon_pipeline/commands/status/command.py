"""`fleexmon status`: the content of the first page, in a terminal.

Here: the command and --json. Layout: `page.py`; data: `lookup/now.py`, `lookup/schedules.py`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.home import up_of
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.screen.clock import readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.terminal import show
from fleexmon_pipeline.commands.status.page import Status, Versions, page
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.database.migrate import version_of
from fleexmon_pipeline.database.server import DatabaseUnreachableError
from fleexmon_pipeline.lookup.archive import archive_state
from fleexmon_pipeline.lookup.nodes import node_versions
from fleexmon_pipeline.lookup.now import read_now
from fleexmon_pipeline.lookup.schedules import Schedules, read_schedules

MAX_INCIDENTS = 100

app = typer.Typer(add_completion=False)


@app.command()
def status(as_json: Json = False) -> None:
    """Show the overall state: nodes, open incidents, last tick, pending hours, schedules, versions.

    The first page (`fleexmon open`) shows the same. Each character of a node's strip is half an hour.

    The exit status is always 0. In scripts, read `health` from --json: healthy, attention, incomplete or no-data.
    """
    now = datetime.now(UTC)
    with open_database("reading the state") as connection:
        current = read_now(connection, os.environ, now=now, max_incidents=MAX_INCIDENTS)
        deployed = node_versions(connection, now=now)
        versions = Versions.of_here(connection.info.server_version, version_of(connection))
        schedules = _schedules(now)
        archive = archive_state(connection, os.environ, now=now)
    status = Status(now, current, deployed, versions, schedules, archive)
    if as_json:
        print_json(_document(status))
    else:
        show(*page(status, readers_clock(now)))


def _schedules(now: datetime) -> Schedules | None:
    """None if Dagster's database cannot be read; the rest is still shown."""
    try:
        return read_schedules(now=now, up=up_of(settings.home()))
    except (psycopg.Error, DatabaseUnreachableError):
        return None


def _document(status: Status) -> dict[str, Any]:
    current, state = status.current, status.current.overview
    return {
        "at": status.now,
        "health": current.health,
        "sentence": current.sentence,
        "lastTick": state.freshness.ticked,
        "day": {"since": current.day.since, "until": current.day.until},
        "nodes": [
            {
                **msgspec.to_builtins(node.state), "halfHours": node.halves,
                "version": status.deployed.get(node.state.node),
            }
            for node in current.nodes
        ],
        "openIssues": state.open,
        "incidents": current.incidents,
        "stages": [
            {"name": stage.name, "asset": stage.asset, "until": stage.until, "late": stage.late}
            for stage in current.stages
        ],
        "waiting": [
            {
                "stage": one.stage, "hour": one.hour, "reason": one.reason, "attempts": one.attempts,
                "nextAt": one.next_at, "givenUp": one.given_up,
            }
            for one in state.waiting
        ],
        "messages": state.messages,
        "schedules": None
        if status.schedules is None
        else {
            "running": status.schedules.running,
            "startingSince": status.schedules.starting_since,
            "daemonSeen": status.schedules.daemon_seen,
            "schedules": [
                {
                    "name": one.name, "cron": one.cron, "on": one.on, "tickedAt": one.ticked_at,
                    "lastTick": one.status,
                }
                for one in status.schedules.schedules
            ],
        },
        "archive": _archive(status),
        "versions": vars(status.versions),
    }  # fmt: skip


def _archive(status: Status) -> dict[str, Any] | None:
    """None if there is no archive, and never was one."""
    state = status.archive
    if not state.configured and not state.days:
        return None
    return {
        "place": state.configured.text if state.configured else None, "days": len(state.archived),
        "lines": sum(day.lines for day in state.archived), "bytes": sum(day.bytes for day in state.archived),
        "waiting": [f"{day:%Y-%m-%d}" for day in state.waiting],
    }  # fmt: skip
