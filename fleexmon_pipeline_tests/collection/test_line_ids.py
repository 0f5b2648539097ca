"""Ids of lines: a line has the same id in any order, and identical lines have one id each."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleexmon_pipeline.collection import line_ids
from fleexmon_pipeline.collection.line_ids import Identities

LINES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), max_size=60)


@pytest.mark.parametrize("returns", [0, 3, 1_000])
def test_ids_do_not_depend_on_how_many_seconds_alternate(returns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_ids, "MAX_RETURNS", returns)

    @hypothesis_settings(deadline=None)
    @given(LINES)
    def ids_are_the_same(lines: list[tuple[int, str]]) -> None:
        def ids(order: list[tuple[int, str]]) -> Counter[bytes]:
            identities = Identities("blue")
            return Counter(
                identities.digest(b"2026-11-20T10:00:%02d+00:00" % second, b"info", text.encode(), b"")
                for second, text in order
            )

        found = ids(lines)

        assert found == ids(sorted(lines))
        assert max(found.values(), default=1) == 1
        assert sum(found.values()) == len(lines)

    ids_are_the_same()
