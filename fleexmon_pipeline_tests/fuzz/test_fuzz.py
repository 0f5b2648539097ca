"""Each target for about a second, with the same inputs each time; and that the fuzzer finds what is broken."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from fleexmon_pipeline_tests.fuzz.__main__ import fuzz
from fleexmon_pipeline_tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_it(name: str) -> None:
    assert fuzz(TARGETS[name], seconds=1, first_seed=1) >= 200


def test_the_fuzzer_finds_what_is_broken() -> None:
    def breaks_at_a_bracket(text: str) -> None:
        assert "<" not in text

    with pytest.raises(AssertionError):
        fuzz(Target(st.text(alphabet="ab<"), breaks_at_a_bracket), seconds=1, first_seed=1)
