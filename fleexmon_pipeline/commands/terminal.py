"""How all commands print errors and JSON.

Every command imports this module, so it must stay light. Text that is safe in a terminal: `wording.py`; options that
several commands have: `options.py`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import typer

from fleexmon_pipeline.errors import FleexmonError


class CommandError(FleexmonError):
    """A command cannot do its work. The text names the option or argument, the reason, and examples."""

    exit_status = 2


@contextmanager
def explained_errors() -> Iterator[None]:
    """Print an error that a person can fix as a sentence on stderr, and exit. Other errors are bugs and keep their
    traceback."""
    try:
        yield
    except FleexmonError as error:
        raise _failed(str(error), getattr(error, "exit_status", CommandError.exit_status)) from None
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    except BrokenPipeError:  # the reader, `| head`, has enough; typer ends the command silently
        raise
    except OSError as error:
        subject = f"{error.filename}: " if error.filename else ""
        raise _failed(f"{subject}{error.strerror or error}") from None
    except Exception as error:
        psycopg = sys.modules.get("psycopg")  # a command that has not imported it has no database to lose
        if psycopg is None or not isinstance(error, psycopg.OperationalError):
            raise
        raise _failed(f"lost the connection to the database: {str(error).strip()}") from None


def _failed(message: str, status: int = CommandError.exit_status) -> typer.Exit:
    typer.echo(f"fleexmon: {message}", err=True)
    return typer.Exit(status)


def print_json(document: object) -> None:
    """One JSON document on one line."""
    typer.echo(msgspec.json.encode(document).decode())
