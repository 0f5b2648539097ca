"""`fleexmon digest`: a day's page, as it was written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as calendar_date
from pathlib import Path

import msgspec
import typer

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.database.statements import statements


def print_digest(write: Callable[[str], object], date: str | None, html: Path | None, *, as_json: bool) -> None:
    """Raises typer.BadParameter for a day that is none, or that has no digest."""
    try:
        day = calendar_date.fromisoformat(date) if date is not None else None
    except ValueError:
        raise typer.BadParameter(f'--date: "{(date or "")[:40]}" is not a day such as 2026-11-20') from None
    with connect(database_url()) as connection:
        row = connection.execute(statements("commands")["digest"], {"day": day}).fetchone()
    if row is None:
        key = date or "2026-11-20"
        raise typer.BadParameter(
            f"there is no digest{f' of {date}' if date else ' yet'}; write one: "
            f"dagster asset materialize -m fleexmon_pipeline.definitions --select digests --partition {key}"
        )
    if html:
        html.write_text(row["html"], "utf-8")
        write(f"{row['day']}: {html}")
    elif as_json:
        write(msgspec.json.encode(row["figures"]).decode())
    else:
        write(row["markdown"])
