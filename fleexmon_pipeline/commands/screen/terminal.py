"""Whether a person reads the output, the width of their screen, and their pager for long texts.

Rich decides about colours, by NO_COLOR and TERM.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable

import typer
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

_PAGER = "less"
_LESS = "FRX"  # exit if everything fits, keep colours, do not clear the screen: as git does


def is_read_by_a_person() -> bool:
    return sys.stdout.isatty()


def columns() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def show(*parts: RenderableType, page: bool = True) -> None:
    """Print, for a person through their pager if it does not fit the screen. Lines are not broken for a pipe."""
    console = Console(highlight=False)
    with console.capture() as captured:
        for part in parts:
            whole = isinstance(part, Text) and part.no_wrap  # print() itself ignores no_wrap
            console.print(part, soft_wrap=whole or not is_read_by_a_person())
    show_text(captured.get().rstrip("\n"), page=page)


def show_text(text: str, *, page: bool = True) -> None:
    """Print a text unchanged, for a person through their pager if it does not fit the screen."""
    pager = _pager() if page and is_read_by_a_person() and not _fits(text.splitlines()) else None
    if pager is None:
        typer.echo(text)
        return
    environment = {"LESS": _LESS, **os.environ}
    try:
        subprocess.run(pager, input=f"{text}\n".encode(errors="replace"), env=environment, check=False)
    except OSError:  # it cannot be executed
        typer.echo(text)


def _pager() -> list[str] | None:
    """PAGER, or less. None if it is empty, `cat` or not installed."""
    wanted = shlex.split(os.environ.get("PAGER", _PAGER))
    return wanted if wanted and wanted != ["cat"] and shutil.which(wanted[0]) else None


def _fits(lines: Iterable[str]) -> bool:
    width, height = shutil.get_terminal_size((80, 24))
    return sum(-(-max(cell_len(line), 1) // max(width, 1)) for line in lines) < height
