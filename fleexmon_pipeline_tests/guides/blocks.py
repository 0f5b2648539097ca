"""The fenced code blocks of the guides, and the comments that belong to them.

Here: reading Markdown. Which blocks are run, and where: `test_guides.py`.

Two comments, which readers are not shown, may stand above a block. `<!-- not run: reason -->` says why no test runs it:
it needs a machine that a test cannot be (systemd, a server of the reader's own), or another test runs it.
`<!-- file: path -->` says that the block is a file that the reader writes; so does the test.
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
_COMMENT = re.compile(r"<!-- (not run|file): ([^>\n]+?) -->\n\s*\Z")


@dataclass(frozen=True)
class Block:
    page: str
    line: int  # of its first line, from 1
    language: str
    text: str
    not_run: str | None = None  # why
    file: str | None = None  # that the reader writes

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
        comment = _COMMENT.search(text, max(0, found.start() - 200), found.start())
        described = {comment[1].replace(" ", "_"): comment[2]} if comment else {}
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(page, line, found["language"], found["text"], **described)
