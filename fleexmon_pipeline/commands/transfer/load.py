"""`fleexmon import`: read files of `fleexmon export` back into a database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import DryRun, Json
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.transfer.load import load, read_manifest

app = typer.Typer(add_completion=False)


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(help="A directory that `fleexmon export` wrote.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import logs and issues that `fleexmon export` wrote.

    Checks every file first. Existing rows stay unchanged, so importing twice changes nothing; rows that differ from the
    file are counted. An interrupted import can be started again. Nobody is notified.

    To get patterns and counts of the imported lines, materialize `analyzed_logs` for their hours. Retention deletes
    lines that are older than LOG_RETENTION_DAYS.
    """
    with waiting("checking the files"):
        read_manifest(directory)
    url = existing_database_url()
    with connect(url) as connection, waiting("importing") as show_progress:
        account = load(connection, directory, dry_run=dry_run, progress=show_progress)
    if as_json:
        loaded_rows: dict[str, object] = {kind: asdict(loaded) for kind, loaded in account.kinds.items()}
        print_json({"dryRun": dry_run, **loaded_rows})
        return
    for kind, loaded in account.kinds.items():
        added = f"{loaded.added:,} {'would be ' if dry_run else ''}added"
        differing = f", {loaded.differing:,} existed with other content, which was kept" if loaded.differing else ""
        typer.echo(f"{kind}: {added}, {loaded.there:,} already existed{differing}.")
