"""`fleexmon read`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing


class As(StrEnum):
    NODE = "node"
    JOURNAL = "journal"
    LOKI = "loki"
    DOCKER = "docker"
    TEXT = "text"


def read(
    file: Annotated[str, typer.Argument(help="A file of log records, also .gz or .zst; - for standard input.")],
    form: Annotated[
        As | None, typer.Option("--as", help="What wrote it. Default: JSON as a node sends it, else lines of text.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print counts for people instead of records.")] = False,
) -> None:
    """Show how collection would read these records. Needs no database and writes nothing.

    Prints a JSON line per record: {"timestamp", "level", "message", "metadata"}, or {"rejected", "record"}.
    Exits with 1 if no record could be read or the file breaks off, and with 2 if it is not a log.
    """
    from fleexmon_pipeline.collection.reading.inputs import Form, Input, UnreadableError
    from fleexmon_pipeline.commands.read import print_records, print_summary

    with refusing(), sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
        records = Input(stream, Form(form.value) if form else None)
        name = "standard input" if file == "-" else file
        try:
            lines = (print_summary if summary else print_records)(sys.stdout.write, records.results())
        except UnreadableError as error:
            raise typer.BadParameter(f"{name}: {error}") from None
        if records.broken:
            typer.echo(f"fleexmon: {name}: {records.broken}. What came before is shown.", err=True)
        elif not lines:
            typer.echo(f"fleexmon: {name}: no record could be read. The reasons are shown; see also --as.", err=True)
        if records.broken or not lines:
            raise typer.Exit(1)
