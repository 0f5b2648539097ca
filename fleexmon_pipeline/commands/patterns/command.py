"""`fleexmon patterns`: print the pattern of every line of a file; list, name and ignore stored patterns.

Here: options, files and printing. The list: `listing.py`; patterns of a file: `patterns/of_file.py`; names and ignored
patterns: `patterns/labels.py`.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from typer.core import TyperGroup

from fleexmon_pipeline.commands.options import TIMES, By, Json, PatternId, RequiredWhy
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.levels import Level
from fleexmon_pipeline.patterns.labels import MAX_NAME_CHARS, Label, label, read_labels
from fleexmon_pipeline.patterns.of_file import Blocks, in_batches, stream_patterns, summarise
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.wording import one_line

if TYPE_CHECKING:
    from fleexmon_pipeline.database.connection import Connection


class _FileOrCommand(TyperGroup):
    """Lets `fleexmon patterns FILE` mean `patterns of FILE`, if the first word is not a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # Any: typer's own copy of click exports no types
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["of", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FileOrCommand,
    add_completion=False,
    no_args_is_help=True,
    help="Print the pattern of every line of a file; list, name or ignore patterns. Example: fleexmon patterns app.log",
)


@app.command("of")
def patterns_of(
    file: Annotated[str, typer.Argument(help="A file of log lines, also .gz or .zst, or - for standard input.")],
    summary: Annotated[bool, typer.Option("--summary", help="Print each pattern once, with its count.")] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the summary as JSON lines. Without --summary, the output is always JSON."),
    ] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Read records, as `fleexmon read` does, instead of lines.")
    ] = False,
) -> None:
    """Print the pattern of every line as JSON: {"line": 0-based, "pattern", "template"}. Needs no database.

    With --records, print the pattern of every record instead; a multi-line message is one record. For a record that
    collection would reject, its raw text is used. The word `of` is optional, unless the file is named like a command.
    """
    gc.freeze()  # imported objects live to the end; checking them for garbage, above all at exit, takes 50 ms
    with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
        try:
            lines = in_batches(_messages(stream)) if records else Blocks(stream)
            if not summary:
                stream_patterns(lines, sys.stdout.write, redact=redact)
                return
            with waiting("reading lines"):
                rows = list(summarise(lines, redact=redact))
            for row in rows:
                document = {"pattern": row.pattern, "lines": row.lines, "template": row.template}
                typer.echo(json.dumps(document) if as_json else f"{row.lines:>9,}  {row.pattern}  {row.template}")
        except FleexmonError as error:
            raise CommandError(f"{'standard input' if file == '-' else file}: {error}") from None


def _messages(stream: BinaryIO) -> Iterator[str]:
    """One message per record, as collection would store it. For a rejected record, its raw text."""
    from fleexmon_pipeline.collection.reading.date_order import DateWatcher  # noqa: PLC0415  seldom needed
    from fleexmon_pipeline.collection.reading.inputs import Input, UnreadableError  # noqa: PLC0415

    source = Input(stream, dates=DateWatcher(datetime.now(UTC)))
    for result in source.results():
        yield result.line.message if result.line else result.raw.decode("utf-8", "replace")
    if source.broken:
        raise UnreadableError(source.broken)


@app.command("list")
def patterns_list(
    since: Annotated[str, typer.Option(help=f"Start of the window: {TIMES}.")] = "24h",
    until: Annotated[str | None, typer.Option(help="End, in the same formats.", show_default="now")] = None,
    node: Annotated[str | None, typer.Option(help="Only lines of this node.")] = None,
    level: Annotated[Level | None, typer.Option(help="Only patterns of this level or worse.")] = None,
    text: Annotated[str | None, typer.Option(help="Only patterns whose template contains this text.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Only patterns that were first seen in this window.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many patterns, the most frequent.")] = 50,
    as_json: Json = False,
) -> None:
    """List stored patterns: lines, lines in the window before, level, first and last seen, id, template."""
    from fleexmon_pipeline.commands.patterns.listing import WantedPatterns, list_stored  # noqa: PLC0415  needs a database

    list_stored(WantedPatterns(since, until, node, level, text, new, limit), as_json=as_json)


@app.command("name")
def patterns_name(
    pattern: PatternId,
    name: Annotated[str, typer.Argument(help=f"At most {MAX_NAME_CHARS} characters.")],
    by: By,
    as_json: Json = False,
) -> None:
    """Name a pattern. Issues about it will show the name before the template."""
    if not 0 < len(name.strip()) <= MAX_NAME_CHARS:
        raise CommandError(f'NAME: "{name[:MAX_NAME_CHARS]}" is empty or too long: 1 to {MAX_NAME_CHARS} characters.')
    with _database() as connection:
        noted = label(connection, pattern, by=by, now=datetime.now(UTC), name=name.strip())
    _print_noted(noted, as_json=as_json)


@app.command("ignore")
def patterns_ignore(
    pattern: PatternId,
    by: By,
    why: RequiredWhy,
    no_longer: Annotated[bool, typer.Option("--no-longer", help="Stop ignoring it.")] = False,
    as_json: Json = False,
) -> None:
    """Ignore a pattern: rules open no more issues about it. Its lines still count, also in error rates."""
    with _database() as connection:
        noted = label(connection, pattern, by=by, now=datetime.now(UTC), ignored=not no_longer, why=why)
    _print_noted(noted, as_json=as_json)


@app.command("labels")
def patterns_labels(as_json: Json = False) -> None:
    """List the patterns that have a name or are ignored."""
    with _database() as connection:
        labels = list(read_labels(connection).values())
    if as_json:
        print_json(labels)
        return
    for row in labels:
        typer.echo(_line(row))
    if not labels:
        typer.echo("No pattern is named or ignored.")


@contextmanager
def _database() -> Iterator[Connection]:
    # Imported here: these imports take half of the start-up time of `patterns FILE`, which does not need them.
    from fleexmon_pipeline.commands.screen.database import open_database  # noqa: PLC0415

    with open_database("reading patterns") as connection:
        yield connection


def _print_noted(noted: Label, *, as_json: bool) -> None:
    if as_json:
        print_json(noted)
        return
    typer.echo(_line(noted))
    typer.echo("Takes effect with the next run. To apply it to past hours, materialize them again.")


def _line(row: Label) -> str:
    states = [f'named "{_shown(row.name)}"'] if row.name else []
    states += [f"ignored: {_shown(row.why)}" if row.why else "ignored"] if row.ignored else []
    state = ", ".join(states) or "neither named nor ignored"
    return f"{row.pattern}  {state} (by {_shown(row.by)})  {_shown(row.template)}"


def _shown(text: str) -> str:
    return one_line(text, most=200)
