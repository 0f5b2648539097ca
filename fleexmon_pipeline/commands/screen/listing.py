"""A list of rows with a title: some columns, and the title beside them or, if it is too long, below.

A pipe gets one row per line without headings. Rich's own tables would cut titles or fold every column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from fleexmon_pipeline.commands.screen.terminal import columns, is_read_by_a_person

GAP = "  "
MIN_TITLE_WIDTH = 40  # with less room, titles go below the other columns
SEVERITIES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
LEVELS = {"fatal": "bold red", "error": "red", "warn": "yellow", "debug": "dim"}


@dataclass(frozen=True)
class Column:
    heading: str
    right: bool = False
    styles: dict[str, str] | None = None  # a cell's style by its text
    style: str = ""


@dataclass(frozen=True)
class Row:
    cells: Sequence[str]
    title: str
    style: str = ""


def listing(heads: Sequence[Column], rows: Sequence[Row], *, title: str = "title") -> Iterator[RenderableType]:
    """The lines of a list. For a person, with headings, and titles within the width of the screen."""
    person = is_read_by_a_person()
    widths = [
        max([cell_len(head.heading) if person else 0, *(cell_len(row.cells[place]) for row in rows)])
        for place, head in enumerate(heads)
    ]
    used = sum(widths) + len(GAP) * len(widths)
    room = columns() - used
    longest = max((cell_len(row.title) for row in rows), default=0)
    below = person and longest > room and room < max(longest, MIN_TITLE_WIDTH)
    if person and rows:
        names = [_padded(head.heading, width, head) for head, width in zip(heads, widths, strict=True)]
        yield Text(GAP.join([*names] if below else [*names, title]).rstrip(), style="bold")
    for row in rows:
        line = Text(style=row.style)
        for head, cell, width in zip(heads, row.cells, widths, strict=True):
            line.append(_padded(cell, width, head), style=(head.styles or {}).get(cell, head.style))
            line.append(GAP)
        if not below:
            line.append(row.title)
            line.no_wrap = True
            yield line
            continue
        line.rstrip()
        yield line
        yield from _below(row)


def _below(row: Row) -> Iterator[Text]:
    wrapped: list[str] = []
    for word in row.title.split():
        if wrapped and cell_len(wrapped[-1]) + 1 + cell_len(word) <= columns() - len(GAP):
            wrapped[-1] += f" {word}"
        else:
            wrapped.append(word)
    for part in wrapped:
        yield Text(f"{GAP}{part}", style=row.style)


def _padded(text: str, width: int, column: Column) -> str:
    pad = " " * (width - cell_len(text))
    return pad + text if column.right else text + pad
