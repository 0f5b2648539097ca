"""Texts that are searched before an expression is matched: every matching line contains one of them."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleexmon_pipeline.lookup.expressions import MAX_TEXTS, texts_of

FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
ATOMS = [
    "order",
    "K",
    "ſi",
    "é",
    "0 %_",
    "Task",
    ".",
    r"\d",
    "[r]",
    "[^x]",
    r"\s*",
    r"\b",
    "^",
    "$",
    "a+?",
    "ab{2}",
    "b?",
]
EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        inner.map(lambda part: f"(?:{part})?"),
        inner.map(lambda part: f"(?:{part})+"),
        inner.map(lambda part: f"(?i:{part})"),
        inner.map(lambda part: f"(?={part}){part}"),
        inner.map(lambda part: f"(?!{part})"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, st.booleans(), st.data())
@example("timeout|refused", True, None)
def test_whatever_matches_has_one_of_the_texts(expression: str, ignore_case: bool, data: st.DataObject | None) -> None:
    compiled = re.compile(expression, re.IGNORECASE if ignore_case else 0)
    texts = texts_of(compiled)
    lines = ["Order K order ſi 0 %_ ORDERkéa0 %_ TASK taſk", "Refused", "TIMEOUT"]
    if data is not None:
        made = data.draw(st.from_regex(compiled))
        lines += [made, made.upper(), made.lower(), made.swapcase()]

    for line in lines:
        if texts and compiled.search(line):
            assert any(text.translate(FOLDED) in line.translate(FOLDED) for text in texts), (line, texts)


@pytest.mark.parametrize(
    ("expression", "flags", "texts"),
    [
        ("connection refused", 0, ["connection refused"]),
        ("^order .+ declined$", 0, [" declined"]),
        ("timeout|refused", 0, ["refused", "timeout"]),
        (r"order \d+ (?:failed for good|timed out)\b", 0, ["failed for good", "timed out"]),
        ("(?:oom-killer)+ for [0-9]", 0, ["oom-killer"]),
        ("(disk )?full", 0, ["full"]),
        ("time to visit the bank", re.IGNORECASE, ["t the ban"]),
        ("10%_ of", 0, ["10%_ of"]),
        (r"a\.b\.c", 0, ["a.b.c"]),
        ("größe", re.IGNORECASE, []),
        ("a|order", 0, []),
        ("order|", 0, []),
        ("[a-z]+ .*", 0, []),
        ("abc\\0", 0, ["abc"]),
        ("no", 0, []),
        ("|".join(f"word{letter}x" for letter in "abcdefghi"), 0, ["word"]),
        ("|".join(f"{letter}word" for letter in "abcdefghi"), 0, []),
    ],
)  # fmt: skip
def test_which_texts_are_looked_for(expression: str, flags: int, texts: list[str]) -> None:
    assert list(texts_of(re.compile(expression, flags))) == texts
    assert len(texts) <= MAX_TEXTS


def test_without_an_expression_none_is() -> None:
    assert texts_of(None) == ()
