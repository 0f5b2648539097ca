"""`fleexmon compare` and `deployed`: a new version, and whether it is as good."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import Json, user_of_this_shell


def compare(
    since: Annotated[
        str, typer.Option("--from", help="2h, 3d ago, or a UTC time such as 2026-11-20T10:00: when it was deployed.")
    ],
    until: Annotated[str | None, typer.Option("--to", help="The same forms. Default: now.")] = None,
    baseline: Annotated[str | None, typer.Option(help="The node that is right. Default: the live one.")] = None,
    candidate: Annotated[str | None, typer.Option(help="The node in question. Default: the other colour.")] = None,
    as_json: Json = False,
) -> None:
    """Whether a candidate says what a baseline says, pattern by pattern: pass, marginal, fail or inconclusive.

    Live is LIVE_NODE, else the one of blue and green that has the traffic. Frequencies are compared by each node's own
    lines, against how far the nodes were apart in the quiet windows of the week before.

    Exit status 0 for pass and marginal, 1 for fail, 2 for an option that cannot be used, 3 for inconclusive.
    """
    from rich.console import Console

    from fleexmon_pipeline.commands.compare import run_compare

    with refusing():
        status = run_compare(
            typer.echo, Console(), baseline, candidate, since, until, os.environ, as_json=as_json, now=datetime.now(UTC)
        )
    raise typer.Exit(status)


def deployed(
    node: Annotated[str | None, typer.Argument(help="The node that got a version.")] = None,
    version: Annotated[str | None, typer.Argument(help="Which: 1.4.2, a commit, an image.")] = None,
    at: Annotated[str | None, typer.Option(help="When: 15m ago, or a UTC time. Default: now.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show what is known instead; of NODE, or of all.")] = False,
    as_json: Json = False,
) -> None:
    """Say that a version came to a node: `fleexmon deployed green 1.4.2`. Saying it twice is saying it once.

    The two hours after it are compared with the live node, and shown by a check of detected_issues.
    """
    from fleexmon_pipeline.commands.deployed import mark_deployed, print_deployments

    with refusing():
        now = datetime.now(UTC)
        if show_list:
            if version is not None or at is not None:
                raise typer.BadParameter("--list takes a NODE at most.")
            print_deployments(typer.echo, node, as_json=as_json, now=now)
            return
        if node is None or version is None:
            raise typer.BadParameter("which NODE and VERSION? Examples: deployed green 1.4.2  deployed --list")
        by = user_of_this_shell()
        mark_deployed(typer.echo, node, version, at, by, os.environ, as_json=as_json, now=now)
