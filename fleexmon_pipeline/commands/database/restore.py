"""`fleexmon database restore`: replace the embedded database with a dump."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.options import DryRun
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.database.server import configured_url
from fleexmon_pipeline.embedded.restore import restore as restore_dump
from fleexmon_pipeline.embedded.server import EmbeddedServer, EmbeddedServerError
from fleexmon_pipeline.wording import counted

MAGIC = b"PGDMP"  # the first bytes of a dump in pg_dump's custom format


def restore(
    dump: Annotated[Path, typer.Argument(help="A file that `pg_dump -Fc` wrote.", show_default=False)],
    dry_run: DryRun = False,
) -> None:
    """Replace the embedded database with a dump. All its rows are lost. `fleexmon up` must not be running.

    Creates the home if it does not exist. If the dump cannot be restored, nothing changes. For your own server, use
    pg_restore.
    """
    if configured_url() is not None:
        raise CommandError("DATABASE_URL is set: restore to a server of your own with `pg_restore -d URL`.")
    _refuse_other_files(dump)
    home = settings.home()
    server = EmbeddedServer(home)
    if dry_run and not (home / "postgres").exists():
        typer.echo(f"would create a database in {home} from {dump}; nothing is there yet")
        return
    server.acquire()
    try:
        if not server.used_alone():
            raise CommandError(f"another fleexmon uses the database in {home}. Stop `fleexmon up` (Ctrl-C) first.")
        before = _lines(server)
        if dry_run:
            typer.echo(f"would replace the database in {home}, which has {counted(before, 'line')}, with {dump}")
            return
        with waiting("restoring"):
            restored = restore_dump(server, dump)
    except EmbeddedServerError as error:
        raise CommandError(f"{error}. The database did not change.") from None
    finally:
        server.release()
    typer.echo(f"restored {counted(restored, 'line')} from {dump} to {home}, in place of {counted(before, 'line')}")


def _refuse_other_files(dump: Path) -> None:
    try:
        with dump.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise CommandError(f"{dump}: {error.strerror}") from None
    if start != MAGIC:
        raise CommandError(f"{dump} is not a dump in pg_dump's custom format. Create one with `pg_dump -Fc`.")


def _lines(server: EmbeddedServer) -> int:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        try:
            row = connection.execute('SELECT count(*) FROM "LogEntry"').fetchone()
        except psycopg.errors.UndefinedTable:  # a home that was made a moment ago
            return 0
    return row[0] if row else 0
