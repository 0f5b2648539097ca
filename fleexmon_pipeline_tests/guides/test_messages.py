"""Messages that the debugging guide quotes are messages of the product: in its code, word for word.

A quote is bold and in code, and may leave out the beginning and the end. Values in it (`3000`, `blue`) stand for what
the code fills in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from fleexmon_pipeline_tests.guides.blocks import PROJECT

MIN_COVERED = 0.7  # of a quote's letters; the rest are values
MIN_PIECE = 5  # letters of a piece of a message that counts: shorter ones are in any text


def quotes() -> list[str]:
    text = (PROJECT / "docs" / "debugging.md").read_text("utf-8")
    return re.findall(r"\*\*`([^`]+)`\*\*", text)


@cache
def pieces() -> frozenset[str]:
    """The constant parts of all strings in the code, formatted ones too."""
    return frozenset(_pieces())


def _pieces() -> Iterator[str]:
    for module in (PROJECT / "fleexmon_pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n\n" not in node.value:
                yield from (part.strip() for part in node.value.split("\n") if len(part.strip()) >= MIN_PIECE)


def covered(quote: str) -> float:
    """The share of the quote that stands in the code."""
    marks = [False] * len(quote)
    for piece in pieces():
        for text in (piece, quote if quote in piece else ""):
            start = quote.find(text) if text else -1
            if start >= 0:
                marks[start : start + len(text)] = [True] * len(text)
    return sum(marks) / len(quote)


@pytest.mark.parametrize("quote", quotes())
def test_a_quoted_message_is_in_the_code(quote: str) -> None:
    assert covered(quote) >= MIN_COVERED, quote


def test_a_message_that_nobody_wrote_is_not() -> None:
    assert covered("the flux capacitor is not calibrated; turn it by hand") < MIN_COVERED
    assert len(quotes()) > 20
