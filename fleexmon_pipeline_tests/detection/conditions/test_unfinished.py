"""Runs that start and do not end, hours apart: jobs, orders, transfers."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.baselines.companions import learn_starts, open_runs
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    DAYS,
    NOW,
    SLOTS,
    Rows,
    fired,
    hits,
    node,
    row,
    traffic,
)

UNFINISHED = "runs-unfinished"


def runs(seed: int = 3, shortest: int = 2, longest: int = 7) -> Rows:
    """Ordinary traffic, and runs of 10 to 35 minutes, one after the other, with pauses: some fifty a day."""
    rows, rnd = traffic(seed=seed), np.random.default_rng(seed)
    begun, ended = row(rows, "run begun", "info"), row(rows, "run ended", "info")
    slot = 0
    while slot < SLOTS - longest:
        begun[slot] += 1
        slot += int(rnd.integers(shortest, longest + 1))
        ended[slot] += 1
        slot += int(rnd.integers(0, 3))
    return rows


def lost(rows: Rows, begin: int = NOW, hours: int = 3) -> Rows:
    rows["run ended", "info"][begin : begin + hours * AN_HOUR] = 0
    return rows


@pytest.mark.parametrize("seed", range(1, 3))
def test_runs_that_do_not_end_are_told_within_hours(seed: int) -> None:
    assert UNFINISHED not in fired(node(runs(seed)), since=NOW - 3 * AN_HOUR)
    slots = [slot for rule, slot in hits(node(lost(runs(seed)))) if rule == UNFINISHED]
    assert slots
    assert 0 < min(slots) <= 3 * AN_HOUR


def test_where_people_call_it_noise_more_runs_must_be_open() -> None:
    first, noisy_first = (
        min(slot for rule, slot in hits(node(lost(runs())), budget=budget) if rule == UNFINISHED)
        for budget in ({}, {UNFINISHED: 1 / 16})
    )
    assert 0 < first < noisy_first


def test_one_run_that_was_killed_is_no_news() -> None:
    rows = runs()
    first = int(np.flatnonzero(rows["run ended", "info"][NOW:])[0])
    rows["run ended", "info"][NOW + first] = 0
    assert UNFINISHED not in fired(node(rows))


def test_a_minute_of_repeated_starts_is_no_news() -> None:
    rows = runs()
    rows["run begun", "info"][NOW] += 20
    assert UNFINISHED not in fired(node(rows))


def test_ends_in_other_words_are_ends() -> None:
    rows = runs()
    ends = rows["run ended", "info"].copy()
    lost(rows, hours=4)
    row(rows, "run ended with status <num>", "info")[NOW:] = ends[NOW:]
    assert UNFINISHED not in fired(node(rows))


def test_slots_that_nobody_knows_of_are_no_ends_that_are_missing() -> None:
    known = np.ones(SLOTS, bool)
    known[NOW + 1 : NOW + 2] = False
    assert UNFINISHED not in fired(node(lost(runs()), known=known), until=NOW + 2 * AN_HOUR)


def test_equally_frequent_messages_that_have_nothing_to_do_with_each_other_are_no_runs() -> None:
    rnd = np.random.default_rng(5)
    rows = {name: rnd.poisson(0.2, DAYS * A_DAY).astype(np.int64) for name in ("one", "two", "three", "four", "five")}
    assert learn_starts(rows, np.ones(DAYS * A_DAY, bool)) == {}


def test_what_is_open_leaves_out_a_burst_and_what_is_not_known() -> None:
    starts, ends, known = (np.zeros(8, np.int64) for _ in range(3))
    starts[:4] = [1, 9, 1, 1]
    assert open_runs(ends, starts, np.ones(8, bool), 4).tolist() == [0, 0, 0, 2, 1, 0, 0, 0]
    assert not open_runs(ends, starts, known.astype(bool), 4).any()
