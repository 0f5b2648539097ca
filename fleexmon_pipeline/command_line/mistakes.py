"""What a person reads when a command cannot do what was asked."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


@contextmanager
def refusing(*, starts: bool = False) -> Iterator[None]:
    """What a person can mend is a sentence on stderr and exit status 2; anything else is a bug and shows its stack.

    Unless the command `starts` the product or its demo, it says that the database it looked into is a new one: in
    another directory than `up` runs in, "0 open issues" would pass for an answer.
    """
    import psycopg

    from fleexmon_pipeline import settings
    from fleexmon_pipeline.database.migrate import DatabaseTooNewError
    from fleexmon_pipeline.database.server import DatabaseUnreachableError
    from fleexmon_pipeline.embedded.server import EmbeddedServerError
    from fleexmon_pipeline.settings import SettingError

    new: Path | None = None
    try:
        if not starts and not os.environ.get("DATABASE_URL") and not (settings.home() / "postgres").exists():
            new = settings.home()
        yield
    except (
        SettingError,
        DatabaseUnreachableError,
        EmbeddedServerError,
        DatabaseTooNewError,
        typer.BadParameter,
    ) as error:
        typer.echo(f"fleexmon: {error}", err=True)
        raise typer.Exit(2) from None
    except psycopg.OperationalError as error:
        typer.echo(f"fleexmon: the database went away: {str(error).strip()}", err=True)
        raise typer.Exit(2) from None
    except BrokenPipeError:  # `| head` has what it wanted; typer ends the command without a word
        raise
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        typer.echo(f"fleexmon: {about}{error.strerror or error}", err=True)
        raise typer.Exit(2) from None
    finally:
        if new and (new / "postgres").exists():
            typer.echo(
                f"fleexmon: nothing was collected in {new} yet. Does `fleexmon up` run in another directory? "
                "Go there, or set FLEEXMON_HOME.",
                err=True,
            )
