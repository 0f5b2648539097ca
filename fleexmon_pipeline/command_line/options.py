"""Options that several commands have."""

import getpass
from typing import Annotated

import typer


def user_of_this_shell() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")]
By = Annotated[
    str, typer.Option("--by", help="Who; default: the user of this shell.", default_factory=user_of_this_shell)
]
Why = Annotated[str, typer.Option("--why", help="Why, for whoever looks at it later.")]
