"""Words for figures that several pages and commands show."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleexmon_pipeline.wording import duration


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "0 minutes"), (1, "1 minute"), (60, "1 hour"), (90, "90 minutes"), (120, "2 hours"),
        (1_210, "20 hours 10 minutes"), (1_441, "24 hours 1 minute"), (2_160, "36 hours"),
    ],
)  # fmt: skip
def test_a_duration_has_hours_from_two_hours_on(minutes: int, words: str) -> None:
    assert duration(timedelta(minutes=minutes)) == words
