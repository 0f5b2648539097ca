"""The fenced blocks of the guides: what a reader would copy, and what the page says of it.

Here: reading Markdown. Which blocks are run, and where: `test_guides.py`.

A line `<!-- not run: reason -->` above a block says why no test runs it: it needs a machine that a test cannot be
(systemd, a server of the reader's own), or another test runs it. The comment is not shown to readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/operators.md", "docs/debugging.md", "docs/developers.md")
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\n\s*\Z")


@dataclass(frozen=True)
class Block:
    page: str
    line: int  # of its first line, from 1
    language: str
    text: str
    not_run: str | None  # why

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Of `bash` the whole text, of `console` what stands behind each `$ `; with the lines that a `\\` continues."""
        if self.language == "bash":
            return [self.text]
        return re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.text, re.MULTILINE)


def blocks(page: str) -> Iterator[Block]:
    text = (PROJECT / page).read_text("utf-8")
    for found in _FENCE.finditer(text):
        reason = _NOT_RUN.search(text, 0, found.start())
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(page, line, found["language"], found["text"], reason[1] if reason else None)
