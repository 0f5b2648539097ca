"""`fleexmon patterns`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

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
    file: Annotated[str, typer.Argument(help="A file of log lines; - for standard input.")],
    summary: Annotated[bool, typer.Option("--summary", help="Patterns with their counts instead of lines.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The summary as JSON lines; without --summary it is always.")
    ] = False,
) -> None:
    """The pattern of every line, as JSON lines {"line": 0-based, "pattern", "template"}. Needs no database.

    The word `of` may be left out, unless the file has the name of another command.
    """
    from fleexmon_pipeline.patterns.of_file import lines_of, stream_patterns, summarise
    from fleexmon_pipeline.redaction.redact import redact

    with refusing(), sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
        if not summary:
            stream_patterns(lines_of(stream), sys.stdout.write, redact=redact)
            return
        import json

        for row in summarise(lines_of(stream), redact=redact):
            told = {"pattern": row.pattern, "lines": row.lines, "template": row.template}
            typer.echo(json.dumps(told) if as_json else f"{row.lines:>9,}  {row.pattern}  {row.template}")


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
