"""`fleexmon database`: migrate, restore a dump, and print a script that creates roles with the fewest rights."""

from __future__ import annotations

import re
import warnings
from typing import Annotated

import typer

from fleexmon_pipeline.commands.database.restore import restore
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.migrate import version_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Migrate or restore the database, or print a script that creates its roles.",
)
app.command()(restore)


@app.command()
def migrate() -> None:
    """Create or update the tables of the product and of Dagster's run history.

    The service migrates at startup if its role has the right to. If not, the tables' owner runs this at installation
    and after each update, while the service is stopped. Running it again changes nothing.
    """
    url = existing_database_url()
    from fleexmon_pipeline.database.dagster_storage import create_history  # noqa: PLC0415  it imports Dagster

    with warnings.catch_warnings(action="ignore"):
        create_history(url)
    with connect(url) as connection:
        typer.echo(f"The product's tables are at version {version_of(connection)}; Dagster's tables exist too.")


@app.command()
def roles(
    database: Annotated[str, typer.Option(help="The product's database. Dagster's is named after it.")] = "fleexmon",
    prefix: Annotated[str, typer.Option(help="The prefix of the role names.")] = "fleexmon",
) -> None:
    """Print a psql script that creates three roles with the fewest rights: an owner, a writer and a reader.

    An administrator runs it: `fleexmon database roles | psql postgres`. It creates missing databases, and transfers
    tables that an earlier single role owned. Running it again changes nothing.
    """
    for option, value in (("--database", database), ("--prefix", prefix)):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,49}", value):
            raise CommandError(f"{option}: at most 50 letters, digits and _.- are supported. Examples: fleexmon")
    from fleexmon_pipeline.database.roles import roles_script  # noqa: PLC0415

    typer.echo(roles_script(database, prefix), nl=False)
