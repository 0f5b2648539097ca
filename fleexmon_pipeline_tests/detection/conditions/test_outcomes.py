"""A message that replaces a part of another message, at any level and with any words."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline_tests.detection.conditions.world import (
    AN_HOUR,
    NOW,
    SLOTS,
    Rows,
    fired,
    hits,
    node,
    row,
    traffic,
)

UNUSUAL = "unusual-outcome"
TEMPLATES = {
    "accepted": "frame <hex> accepted (<num> readings)",
    "refused": "frame <hex> nack rc=-<num>, requeued",
    "other": "compaction of level <num> done",
    "served": "request <num> served",
    "opened": "session <num> opened",
    "declined": "payment declined",
}


def frames(rate: float = 6.0, seed: int = 4) -> Rows:
    rows = traffic(seed=seed)
    row(rows, "accepted", "info")[:] = np.random.default_rng(seed).poisson(rate * rows["served", "info"] / 28)
    return rows


def instead(rows: Rows, share: float, name: str = "refused", until: int = NOW + AN_HOUR) -> Rows:
    accepted = rows["accepted", "info"]
    left = np.random.default_rng(1).binomial(accepted[NOW:until], 1 - share)
    row(rows, name, "info")[NOW:until] = accepted[NOW:until] - left
    accepted[NOW:until] = left
    return rows


def told(rows: Rows, seen: int = NOW) -> bool:
    return UNUSUAL in {rule for rule, _ in hits(node(rows), templates=TEMPLATES, first_seen={"refused": seen})}


@pytest.mark.parametrize("seed", range(1, 3))
@pytest.mark.parametrize(("share", "unusual"), [(0.1, False), (0.6, True)])
def test_another_outcome_of_many_calls_is_told_without_a_word_for_a_failure(
    share: float, unusual: bool, seed: int
) -> None:
    assert told(instead(frames(seed=seed), share)) is unusual


def test_where_people_call_it_noise_the_same_outcome_must_stand_out_more() -> None:
    def slots(budget: dict[str, float]) -> list[int]:
        whole = node(instead(frames(rate=3.0), 0.6))
        found = hits(whole, templates=TEMPLATES, first_seen={"refused": NOW}, budget=budget)
        return [slot for rule, slot in found if rule == UNUSUAL]

    assert len(slots({UNUSUAL: 1e-30})) < len(slots({}))


def test_it_is_told_again_when_it_comes_back_days_later() -> None:
    rows = frames()
    row(rows, "refused", "info")[NOW - 1000 : NOW - 988] = 4
    assert told(instead(rows, 0.6), seen=NOW - 1000)


def test_a_release_in_other_words_leaves_nothing_of_the_old_ones() -> None:
    assert not told(instead(frames(), 1.0, until=SLOTS))


def test_a_message_that_comes_besides_is_no_outcome() -> None:
    rows = frames()
    row(rows, "refused", "info")[NOW : NOW + AN_HOUR] = 4
    assert not told(rows)


def test_a_message_that_begins_otherwise_is_no_outcome_of_the_same_call() -> None:
    assert not told(instead(frames(), 0.6, "other"))


def test_fewer_lines_alone_are_none() -> None:
    rows = instead(frames(), 0.6)
    del rows["refused", "info"]
    assert UNUSUAL not in fired(node(rows))
