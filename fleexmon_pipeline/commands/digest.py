"""`fleexmon digest`: print a stored digest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import date as calendar_date
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.terminal import show_text
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.lookup.digests import one_digest

app = typer.Typer(add_completion=False)


@app.command()
def digest(
    date: Annotated[
        str | None, typer.Option(help="A UTC day such as 2026-11-20.", show_default="the newest digest")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the digest as an HTML page to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print the digest of a day: as Markdown, as figures with --json, or as an HTML page with --html."""
    try:
        day = calendar_date.fromisoformat(date) if date is not None else None
    except ValueError:
        raise CommandError(f'--date: "{(date or "")[:40]}" is not a day such as 2026-11-20.') from None
    with open_database("reading the digest") as connection:
        stored = one_digest(connection, day)
    if stored is None:
        raise CommandError(
            f"there is no digest{f' of {date}' if date else ' yet'}. One is written every morning; to write one now: "
            "dagster asset materialize -m fleexmon_pipeline.definitions --select digests "
            f"--partition {date or f'{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}'}"
        )
    if html:
        html.write_text(stored.html, "utf-8")
        typer.echo(f"wrote the digest of {stored.day} to {html}", err=as_json)
    if as_json:
        print_json(stored.figures)
    elif not html:
        show_text(stored.markdown)
