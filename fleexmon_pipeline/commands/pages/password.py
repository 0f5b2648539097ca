"""`fleexmon password`: print a line for the file of FLEEXMON_LOGIN."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.settings import MAX_NAME, is_user_name
from fleexmon_pipeline.wording import one_line

MIN_LENGTH = 12

app = typer.Typer(add_completion=False)


@app.command()
def password(name: Annotated[str, typer.Argument(help="The user's name, without colons and spaces.")]) -> None:
    """Print a line for the UI's password file.

    The line holds the name and a hash of the password; FLEEXMON_LOGIN names the file. Asks for the password twice, or
    reads it from standard input if that is not a terminal. To add a user, run `fleexmon password alice >> passwords`. A
    running UI reads the file at each request.
    """
    from fleexmon_pipeline.web.passwords import hash_password  # noqa: PLC0415  needs no webserver, but its package

    if not is_user_name(name):
        reason = f"is not a name: 1 to {MAX_NAME} characters, no colon, no space"
        raise CommandError(f'NAME: "{one_line(name, most=60)}" {reason}. Examples: alice')
    if sys.stdin.isatty():
        text = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if len(text) < MIN_LENGTH:
        raise CommandError(f"the password has {len(text)} characters; at least {MIN_LENGTH} are needed.")
    typer.echo(f"{name}:{hash_password(text)}")
