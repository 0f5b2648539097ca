"""`fleexmon up`, `doctor` and `demo-nodes`: the product on this machine."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import Json


def up(
    backfill: Annotated[bool, typer.Option(help="Fill the last 24 hours at the first start.")] = True,
    seed: Annotated[int, typer.Option(help="Of the demo nodes, where no node is set.")] = 1,
) -> None:
    """Start everything on this machine: database, UI, schedules, demo nodes where none are set. Ctrl-C stops it."""
    from rich.console import Console

    from fleexmon_pipeline.commands.processes import CannotStartError
    from fleexmon_pipeline.commands.up import up as run

    console = Console()
    with refusing(starts=True):
        try:
            run(console, backfill=backfill, seed=seed)
        except KeyboardInterrupt:
            console.print("stopped")
        except CannotStartError as error:
            typer.echo(f"fleexmon: {error}", err=True)
            raise typer.Exit(1) from None


def doctor(as_json: Json = False) -> None:
    """Look at every setting and outside system: ok, off, or wrong and what to do. Exit status 1 when one is wrong."""
    from fleexmon_pipeline.commands.doctor import examine, render

    with refusing(starts=True):
        findings = examine(os.environ, now=datetime.now(UTC))
        typer.echo(render(findings, as_json=as_json))
    raise typer.Exit(1 if any(finding.state == "wrong" for finding in findings) else 0)


def demo_nodes(
    blue_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    green_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same lines.")] = 1,
    note: Annotated[Path | None, typer.Option(hidden=True, help="Where `up` reads the addresses.")] = None,
) -> None:
    """Serve two nodes of a small shop on loopback, to watch on a machine that has none."""
    import json

    from fleexmon_pipeline.demo.server import run

    addresses: dict[str, str] = {}

    def announce(name: str, port: int) -> None:
        addresses[name] = f"127.0.0.1:{port}"
        typer.echo(f"{name.upper()}_HOST={addresses[name]}")
        if note and len(addresses) == 2:
            written = note.with_suffix(".new")
            written.write_text(json.dumps(addresses))
            written.replace(note)

    with refusing(starts=True):
        run((blue_port, green_port), seed, announce)
