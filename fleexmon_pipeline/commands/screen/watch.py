"""Redraw a list regularly, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live

from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person
from fleexmon_pipeline.commands.terminal import CommandError

SECONDS = 5.0


def watch(draw: Callable[[], Iterable[RenderableType]], *, as_json: bool) -> NoReturn:
    """Draw every 5 seconds; Ctrl-C ends the command. Raises CommandError without a terminal."""
    if as_json or not is_read_by_a_person():
        raise CommandError("--watch: needs a terminal, and no --json. In a script, call the command again.")
    screen = Live(console=Console(highlight=False), screen=True, auto_refresh=False)
    with suppress(KeyboardInterrupt), screen:
        while True:
            screen.update(Group(*draw()), refresh=True)
            time.sleep(SECONDS)
    raise typer.Exit(0)
