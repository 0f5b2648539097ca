"""`fleexmon patterns`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from typer.core import TyperGroup

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import By, Json


class _FileOrCommand(TyperGroup):
    """`fleexmon patterns FILE`, and commands beside it: what is none of them is a file, or an option of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # Any: typer has a click of its own, under no name
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["of", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FileOrCommand,
    no_args_is_help=True,
    help="The pattern of every line: fleexmon patterns FILE. What patterns are called, and which to ignore.",
)


@app.command("of")
def patterns_of(
    file: Annotated[str, typer.Argument(help="A file of log lines, also .gz or .zst; - for standard input.")],
    summary: Annotated[bool, typer.Option("--summary", help="Print patterns with their counts.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON lines. Without --summary output is always JSON.")
    ] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Take messages of records, as `fleexmon read` does, instead of lines.")
    ] = False,
) -> None:
    """Print the pattern of every line as a JSON line {"line": 0-based, "pattern", "template"}. Needs no database.

    With --records, the pattern of every record: a message of several lines is one. Of a record that collection
    would reject, its own text counts. The word `of` may be left out, unless the file has the name of another command.
    """
    from fleexmon_pipeline.errors import FleexmonError
    from fleexmon_pipeline.patterns.of_file import lines_of, stream_patterns, summarise
    from fleexmon_pipeline.redaction.redact import redact

    with refusing(), sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
        try:
            messages = _messages(stream) if records else lines_of(stream)
            if not summary:
                stream_patterns(messages, sys.stdout.write, redact=redact)
                return
            import json

            for row in summarise(messages, redact=redact):
                columns = {"pattern": row.pattern, "lines": row.lines, "template": row.template}
                typer.echo(json.dumps(columns) if as_json else f"{row.lines:>9,}  {row.pattern}  {row.template}")
        except FleexmonError as error:
            raise typer.BadParameter(f"{'standard input' if file == '-' else file}: {error}") from None


def _messages(stream: BinaryIO) -> Iterator[str]:
    """One message per record, as collection would store it; of a rejected record its own text."""
    from fleexmon_pipeline.collection.reading.inputs import Input, UnreadableError

    source = Input(stream)
    for result in source.results():
        yield result.line.message if result.line else result.raw.decode("utf-8", "replace")
    if source.broken:
        raise UnreadableError(source.broken)


@app.command("name")
def patterns_name(
    pattern: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    name: Annotated[str, typer.Argument(help="What you call it.")],
    by: By,
) -> None:
    """Issues about it will say this name before its template."""
    from fleexmon_pipeline.commands.labels import print_label

    with refusing():
        print_label(typer.echo, pattern, by=by, now=datetime.now(UTC), name=name)


@app.command("ignore")
def patterns_ignore(
    pattern: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    by: By,
    why: Annotated[str, typer.Option("--why", help="Why, for whoever looks at it later.", prompt=True)],
    no_longer: Annotated[bool, typer.Option("--no-longer", help="Take it back.")] = False,
) -> None:
    """No rule makes an issue about this pattern any more. Its lines still count, in error rates too."""
    from fleexmon_pipeline.commands.labels import print_label

    with refusing():
        print_label(typer.echo, pattern, by=by, now=datetime.now(UTC), ignored=not no_longer, why=why)


@app.command("labels")
def patterns_labels(as_json: Json = False) -> None:
    """The patterns that have a name or are ignored."""
    from fleexmon_pipeline.commands.labels import print_labels

    with refusing():
        print_labels(typer.echo, as_json=as_json)
