"""`fleexmon export`: write logs and issues to files with OpenTelemetry's names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import parse_optional_time
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.transfer.records import Kind
from fleexmon_pipeline.transfer.write import KINDS, Form, Selection, count
from fleexmon_pipeline.transfer.write import export as write
from fleexmon_pipeline.wording import counted, one_line

app = typer.Typer(add_completion=False)


@app.command("export")
def export(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.")],
    what: Annotated[Literal["both", "logs", "issues"], typer.Option(help="What to export.")] = "both",
    since: Annotated[str | None, typer.Option(help=f"Start: {TIMES}.", show_default="all")] = None,
    until: Annotated[str | None, typer.Option(help="End, in the same formats.", show_default="all")] = None,
    node: Annotated[str | None, typer.Option(help="Only this node.", show_default="all")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Replace secrets, to pass the files on.")] = False,
    form: Annotated[Form, typer.Option("--format", help="parquet needs the extra `parquet`.")] = "ndjson",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress the NDJSON files.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be written; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Export logs and issues as NDJSON with OpenTelemetry's field names.

    Writes logs.ndjson, issues.ndjson and manifest.json (counts and checksums). Only you can read the files. Lines are
    exported as stored, with secrets, unless --redact is given. `fleexmon import` reads everything back unchanged.

    Fields are those of OpenTelemetry's log data model: Timestamp, SeverityText, SeverityNumber, Body, TraceId,
    Attributes, Resource. Other fields are under `fleexmon`. An issue is an event with the EventName `fleexmon.issue`;
    it is exported if it was open between --since and --until.

    With --format parquet, the same fields are columns: times are typed, structures are JSON.
    """
    now = datetime.now(UTC)
    begin, end = parse_optional_time("--since", since, now=now), parse_optional_time("--until", until, now=now)
    if begin and end and begin >= end:
        raise CommandError("--until: is not after --since.")
    kinds: tuple[Kind, ...] = KINDS if what == "both" else (what,)
    selection = Selection(kinds, begin, end, node, redacted=redact, form=form, packed=gzip)
    url = existing_database_url()
    with connect(url) as connection:
        if node is not None and node not in (node_names := known_nodes(connection)):
            raise CommandError(
                f'--node: "{one_line(node, most=60)}" is not a node. Known nodes: {", ".join(node_names)}.'
            )
        with waiting("counting" if dry_run else "exporting") as show_progress:
            if dry_run:
                rows: dict[Kind, int] = count(connection, selection)
            else:
                manifest = write(connection, directory, selection, show_progress)
                rows = {file.kind: file.rows for file in manifest.files}
    if as_json:
        print_json({"directory": str(directory), "dryRun": dry_run, "rows": rows})
        return
    listed = " and ".join(_counted(kind, number) for kind, number in rows.items())
    typer.echo(f"Would write {listed} to {directory}." if dry_run else f"Wrote {listed} to {directory}.")


def _counted(kind: Kind, number: int) -> str:
    return counted(number, "line" if kind == "logs" else "issue")
