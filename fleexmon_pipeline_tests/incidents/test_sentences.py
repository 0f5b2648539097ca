"""Sentences about an incident are short and grammatical for any figures."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.incidents import sentences


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        (["blue"], "Now also on blue."),
        ([f"n{number}" for number in range(10)], "Now also on n0, n1, n2, n3, n4, n5, n6, n7, n8, n9."),
        (["n"] * 1_300, f"Now also on {', '.join(['n'] * 10)} and 1,290 more."),
    ],
)
def test_of_many_nodes_some_are_named_and_the_others_counted(nodes: list[str], told: str) -> None:
    assert sentences.spread(nodes) == told


def test_one_is_singular_and_zero_is_not() -> None:
    assert sentences.errors(1, 1, 0.0) == "1 error in 1 line (0 expected from the day before)"
    assert sentences.errors(3, 40, None) == "3 errors in 40 lines"
    assert sentences.errors(0, 12_000, 99.96) == "0 errors in 12,000 lines (100 expected from the day before)"
