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

MIN_COVERED = 0.5  # of a quote's words; the others are values, or stand beside one
RUN = 3  # words in a row that a piece of code must have: single words are in any text


def quotes() -> list[str]:
    text = (PROJECT / "docs" / "debugging.md").read_text("utf-8")
    return re.findall(r"\*\*`([^`]+)`\*\*", text)


@cache
def runs() -> frozenset[tuple[str, ...]]:
    """Every few words in a row of every string in the code, formatted ones too."""
    strings = (
        node.value
        for module in (PROJECT / "fleexmon_pipeline").rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n\n" not in node.value
    )
    return frozenset(run for text in strings for run in _runs(text.split()))


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1))


def covered(quote: str) -> float:
    """The share of the quote's words that stand in the code, with their neighbours."""
    words = quote.split()
    known = {start + place for start, run in enumerate(_runs(words)) if run in runs() for place in range(RUN)}
    return len(known) / len(words)


@pytest.mark.parametrize("quote", quotes())
def test_a_quoted_message_is_in_the_code(quote: str) -> None:
    assert covered(quote) >= MIN_COVERED, quote


def test_a_message_that_nobody_wrote_is_not() -> None:
    assert covered("the flux capacitor is not calibrated; turn it by hand") < MIN_COVERED
    assert len(quotes()) > 20
