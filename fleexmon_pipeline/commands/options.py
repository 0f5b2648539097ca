"""Options that several commands have."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

TIMES = "15m, 3h ago, yesterday or a UTC time such as 2026-11-20T10:00"


def current_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
By = Annotated[
    str,
    typer.Option("--by", help="Who does this.", default_factory=current_user, show_default="the user of this shell"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for later readers.")]
RequiredWhy = Annotated[
    str, typer.Option("--why", help="The reason, for later readers. Asked for when missing.", prompt="Why")
]
PatternId = Annotated[str, typer.Argument(help="A pattern id or a unique prefix.")]
