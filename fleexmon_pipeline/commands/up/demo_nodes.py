"""`fleexmon demo-nodes`: serve two nodes of a small shop, to try the product without real nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.demo.server import run

app = typer.Typer(add_completion=False)


@app.command()
def demo_nodes(
    blue_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of blue; 0 for any free one.")] = 0,
    green_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of green; 0 for any free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same lines.")] = 1,
    note: Annotated[Path | None, typer.Option(hidden=True, help="Where `up` reads the addresses.")] = None,
) -> None:
    """Serve two demo nodes on loopback. Prints their addresses as BLUE_HOST=… and GREEN_HOST=…; Ctrl-C stops them."""
    addresses: dict[str, str] = {}

    def announce(name: str, port: int) -> None:
        addresses[name] = f"127.0.0.1:{port}"
        typer.echo(f"{name.upper()}_HOST={addresses[name]}")
        if note and len(addresses) == 2:
            new_note = note.with_suffix(".new")
            new_note.write_text(json.dumps(addresses))
            new_note.replace(note)

    run((blue_port, green_port), seed, announce)
