"""A hint matches wherever its rule can match; otherwise a secret would be missed."""

from __future__ import annotations

import re

import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.redaction.hints import hint_of
from fleexmon_pipeline.redaction.secret_forms import RULES
from fleexmon_pipeline_tests.redaction.planted import planted

_WORDS = st.sampled_from(
    [
        "password", "Token", "api_key", "авторизация", "пароль", "=", ": ", '"', "'", "\\", "\n", "\u2028", "\xa0", "<",
        ">", "</", "Some(", "%22", "://", "@", "eyJ", "AKIA", "é", "٣٤", "0123456789", "abcdefghij", "ABCDEFGHIJ", "-",
        "_", "authorization", "bearer ", "cookie", "value", "name", "--", " ", "PASS ", "\x1c", "\x85",
    ]
)  # fmt: skip


def options() -> re2.Options:
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = 64 << 20
    return chosen


HINTS = [re2.compile(rule.hint, options()) for rule in RULES]


@settings(max_examples=400, deadline=None)
@given(st.lists(_WORDS | st.text(max_size=12), max_size=14).map("".join))
def test_wherever_a_rule_matches_its_hint_does(text: str) -> None:
    for rule, hint in zip(RULES, HINTS, strict=True):
        if any(rule.check(found[found.lastgroup or 0], found) for found in rule.pattern.finditer(text)):
            assert hint.search(text), (rule.pattern.pattern, text)


def test_and_so_for_every_planted_secret() -> None:
    for plant in planted():
        for rule, hint in zip(RULES, HINTS, strict=True):
            if any(rule.check(found[found.lastgroup or 0], found) for found in rule.pattern.finditer(plant.line)):
                assert hint.search(plant.line), (rule.pattern.pattern, plant.line)


def test_what_re2_lacks_is_left_out_and_what_it_counts_otherwise_is_widened() -> None:
    assert hint_of(r"(?<![\w)(])a(?=[)]x)\b\d++", re.IGNORECASE) == r"(?i:a[0-9\x{80}-\x{10FFFF}]+)"
    assert hint_of(r"[^\W\d_]{2,24}x{3,512}y{0,99}") == r"[A-Za-z\x{80}-\x{10FFFF}]{2,24}x{3,}y*"
    assert re2.compile(hint_of(r"[^\W\d_]"), options()).search("½")  # a letter for Python
    assert re2.compile(hint_of(r"x[^\w.]\d"), options()).search("x→٣")
    assert re2.compile(hint_of(r"^\w+\s$"), options()).search("é\u2028")
