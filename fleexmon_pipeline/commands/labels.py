"""`fleexmon patterns name|ignore|labels`: what people call a pattern, and which ones they do not want to hear of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import typer

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.patterns.labels import MAX_NAME_CHARS, Label, UnknownPatternError, label, read_labels
from fleexmon_pipeline.wording import one_line

Write = Callable[[str], object]


def print_label(
    write: Write,
    pattern: str,
    *,
    by: str,
    now: datetime,
    name: str | None = None,
    ignored: bool | None = None,
    why: str | None = None,
) -> None:
    """Raises typer.BadParameter."""
    if name is not None and not 0 < len(name.strip()) <= MAX_NAME_CHARS:
        raise typer.BadParameter(f'"{name[:MAX_NAME_CHARS]}": a name has 1 to {MAX_NAME_CHARS} characters')
    with connect(database_url()) as connection:
        try:
            noted = label(connection, pattern, by=by, now=now, name=name and name.strip(), ignored=ignored, why=why)
        except UnknownPatternError as error:
            raise typer.BadParameter(str(error)) from None
    write(_line(noted))
    write("Holds from the next run on; materialise an hour again for what it says of the past.")


def print_labels(write: Write, *, as_json: bool) -> None:
    with connect(database_url()) as connection:
        labels = list(read_labels(connection).values())
    if as_json:
        write(msgspec.json.encode(labels).decode())
        return
    for each in labels:
        write(_line(each))
    if not labels:
        write("No pattern has a name, and none is ignored.")


def _line(label: Label) -> str:
    told = [f'called "{_shown(label.name)}"'] if label.name else []
    told += [f"ignored: {_shown(label.why)}" if label.why else "ignored"] if label.ignored else []
    what = ", ".join(told) or "neither named nor ignored"
    return f"{label.pattern}  {what} (by {_shown(label.by)})  {_shown(label.template)}"


def _shown(text: str) -> str:
    return one_line(text, most=200)
