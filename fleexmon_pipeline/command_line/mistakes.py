"""What a person reads when a command cannot do what was asked."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def refusing() -> Iterator[None]:
    """What a person can mend is a sentence on stderr and exit status 2; anything else is a bug and shows its stack."""
    import psycopg

    from fleexmon_pipeline.database.migrate import DatabaseTooNewError
    from fleexmon_pipeline.database.server import DatabaseUnreachableError
    from fleexmon_pipeline.embedded.server import EmbeddedServerError
    from fleexmon_pipeline.settings import SettingError

    try:
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
