"""Pages of text. For a person: fitting lines, bold headings, levels and severities in colour.

Lines are not broken for a pipe.
"""

from __future__ import annotations

import re
from textwrap import wrap

from rich.text import Text

from fleexmon_pipeline.commands.screen.listing import LEVELS, SEVERITIES
from fleexmon_pipeline.commands.screen.terminal import columns, is_read_by_a_person, show, show_text

MIN_COLUMNS = 40
_HANG = " " * 4
_WORDS = re.compile(rf"(?<=  )({'|'.join([*LEVELS, *SEVERITIES])})(?= )")


def show_page(page: str) -> None:
    """Print a page, for a person through their pager if it does not fit the screen."""
    if not is_read_by_a_person():
        show_text(page, page=False)
        return
    show(*(_styled(part) for line in page.split("\n") for part in _fitted(line)))


def _fitted(line: str) -> list[str]:
    """The line, wrapped at words if it is too long; later parts are indented."""
    width = max(columns(), MIN_COLUMNS)
    if len(line) <= width:
        return [line]
    begin = line[: len(line) - len(line.lstrip())]
    return wrap(
        line.strip(), width, initial_indent=begin, subsequent_indent=f"{begin}{_HANG}", break_on_hyphens=False,
        break_long_words=False, replace_whitespace=False,
    )  # fmt: skip


def _styled(line: str) -> Text:
    text = Text(line, style="" if line[:1].isspace() else "bold", no_wrap=True)
    for match in _WORDS.finditer(line[:80]):
        text.stylize({**LEVELS, **SEVERITIES}[match[1]], *match.span())
    return text
