"""Arithmetic of slots, compared with the same computed slot by slot."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.issues.episodes import CoveredTime, FiringSpan, episodes, without
from fleexmon_pipeline.window import SLOT, Window, contiguous
from fleexmon_pipeline_tests.issues.story import at

SLOTS = st.sets(st.integers(0, 40))


def _runs(slots: set[int], grace: int) -> list[FiringSpan]:
    stretches = contiguous([Window(at(slot), at(slot + 1)) for slot in slots])
    return [FiringSpan(w.since, w.until - SLOT, grace * SLOT, w.length // SLOT) for w in stretches]


def _covered(slots: set[int]) -> CoveredTime:
    return CoveredTime(contiguous([Window(at(slot), at(slot + 1)) for slot in slots]))


@given(covered=SLOTS, after=st.integers(-3, 45), grace=st.integers(0, 12))
def test_grace_runs_over_covered_slots_alone(covered: set[int], after: int, grace: int) -> None:
    quiet = sorted(slot for slot in covered if slot >= after)
    expected = at(after) if grace == 0 else at(quiet[grace - 1] + 1) if len(quiet) >= grace else None
    assert _covered(covered).grace_ends(at(after), grace * SLOT) == expected


@given(fired=SLOTS, covered=SLOTS, grace=st.integers(1, 6), cuts=st.sets(st.integers(0, 40), max_size=3))
def test_episodes_are_what_counting_slot_by_slot_gives(
    fired: set[int], covered: set[int], grace: int, cuts: set[int]
) -> None:
    expected: list[list[int]] = []
    for slot in sorted(fired):
        before = expected[-1][-1] if expected else None
        if before is not None:
            quiet = len([other for other in covered if before < other < slot])
            cut = any(before < cut <= slot for cut in cuts)
        if before is None or quiet >= grace or cut:
            expected.append([])
        expected[-1].append(slot)

    found = episodes(_runs(fired, grace), _covered(covered), [at(cut) for cut in cuts])

    assert [(run.first, run.last, run.occurrences) for run in found] == [
        (at(slots[0]), at(slots[-1]), len(slots)) for slots in expected
    ]


def test_the_slot_that_a_person_resolved_in_belongs_to_what_was_resolved() -> None:
    found = episodes(_runs({0, 1, 2}, 12), _covered(set()), [at(1) + timedelta(minutes=2)])
    assert [(run.first, run.last) for run in found] == [(at(0), at(1)), (at(2), at(2))]


@given(fired=SLOTS, taken=SLOTS)
def test_what_is_left_is_what_was_not_taken(fired: set[int], taken: set[int]) -> None:
    left = without(_runs(fired, 1), [Window(at(slot), at(slot + 1)) for slot in taken])
    slots = [run.first + number * SLOT for run in left for number in range(run.occurrences)]
    assert slots == [at(slot) for slot in sorted(fired - taken)]
