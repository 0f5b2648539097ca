"""Whether a person reads, how wide their screen is, and longer texts through their pager.

Colours follow NO_COLOR and TERM, as rich reads them.
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
_LESS = "FRX"  # leave at once where all fits, keep colours, do not clear the screen: as git has it


def is_read_by_a_person() -> bool:
    return sys.stdout.isatty()


def columns() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def show(*parts: RenderableType, page: bool = True) -> None:
    """Print for a person, through their pager where it is more than the screen holds. A pipe's lines are not broken."""
    console = Console(highlight=False)
    with console.capture() as captured:
        for part in parts:
            whole = isinstance(part, Text) and part.no_wrap  # which print() itself does not look at
            console.print(part, soft_wrap=whole or not is_read_by_a_person())
    show_text(captured.get().rstrip("\n"), page=page)


def show_text(text: str, *, page: bool = True) -> None:
    """Print a text as it is, through the pager where a person reads and it is more than the screen holds."""
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
    """PAGER, or less; None where it is empty or `cat`, or where there is none."""
    wanted = shlex.split(os.environ.get("PAGER", _PAGER))
    return wanted if wanted and wanted != ["cat"] and shutil.which(wanted[0]) else None


def _fits(lines: Iterable[str]) -> bool:
    width, height = shutil.get_terminal_size((80, 24))
    return sum(-(-max(cell_len(line), 1) // max(width, 1)) for line in lines) < height
