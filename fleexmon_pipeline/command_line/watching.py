"""`fleexmon nodes`, `logs` and `digest`: what was collected, and what a day looked like."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import Json


def nodes(as_json: Json = False) -> None:
    """What is known of each node: since when it is watched, its last line, lag, coverage, gaps, rejected records.

    The name is a node's identity. One that is added is asked from then on; a rename makes a new node, and lines and
    issues stay with the old name; one that is removed is asked no more, and its history stays until it is too old.
    """
    from fleexmon_pipeline.commands.nodes import print_nodes

    with refusing():
        print_nodes(typer.echo, as_json=as_json, now=datetime.now(UTC))


def logs(
    node: Annotated[str | None, typer.Option(help="Only this node's.")] = None,
    since: Annotated[
        str, typer.Option(help="From when: 15m, 2h, 3d ago, or a UTC time such as 2026-11-20T10:00.")
    ] = "15m",
    until: Annotated[str | None, typer.Option(help="Up to when; the same forms. Default: now.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and worse: debug, info, warn, error, fatal.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Only lines of this pattern id.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines that match this regular expression.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is collected from now on.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines; the newest.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document a line.")] = False,
) -> None:
    """Stored lines, oldest first."""
    from fleexmon_pipeline.commands.logs import Wanted, show

    with refusing():
        now = datetime.now(UTC)
        wanted = Wanted.of(node, since, until, level, pattern, grep, limit, now=now)
        try:
            show(wanted, typer.echo, follow=follow, as_json=as_json)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None


def digest(
    date: Annotated[
        str | None, typer.Option(help="A UTC day, 2026-11-20. Default: the newest that is written.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    as_json: Json = False,
) -> None:
    """A day's digest: Markdown on stdout, its figures as JSON, or a page for the browser."""
    from fleexmon_pipeline.commands.digest import print_digest

    with refusing():
        print_digest(typer.echo, date, html, as_json=as_json)
