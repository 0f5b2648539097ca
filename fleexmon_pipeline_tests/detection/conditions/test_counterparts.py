"""Messages of one node that come with those of another one: requests that never arrive, rows that nobody stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fleexmon_pipeline.baselines.companions import fleet_lines, learn_companions, with_fleet
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid
from fleexmon_pipeline.baselines.store import PastRow, learn_baselines
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.window import Window, slot_start
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    DAYS,
    FIRST,
    NOW,
    READ_BACK,
    RULES,
    SERIES,
    SLOTS,
    Rows,
    node,
    part,
    row,
    traffic,
)

MISSING = "counterpart-missing"
END = NOW + AN_HOUR
ALL = slice(0, DAYS * A_DAY)


def gateway(rate: float = 4.0, seed: int = 3) -> Rows:
    """A node that asks, and another one's share of its lines of the same traffic."""
    rows = traffic(seed=seed)
    row(rows, "asked", "info")[:] = np.random.default_rng(seed).poisson(
        rate * rows["served", "info"] / rows["served", "info"].mean()
    )
    return rows


def worker(asked: Rows, share: float = 1.0, *, loose: bool = False, seed: int = 4) -> Rows:
    """A node that answers so many of what the gateway asks, one in five of them in the next slot, and has work of its
    own. loose: as many on average, but by chance."""
    rnd = np.random.default_rng(seed)
    answers = rnd.binomial(asked["asked", "info"], share)
    if loose:
        answers = rnd.poisson(answers)
    late = rnd.binomial(answers, 0.2)
    own = rnd.poisson(6.0, SLOTS).astype(np.int64)
    return {
        ("answered", "info"): answers - late + np.concatenate([[0], late[:-1]]),
        ("cleaned", "info"): own,
    }


def lost(rows: Rows, share: float, begin: int = NOW, end: int = END) -> Rows:
    answers = rows["answered", "info"]
    answers[begin:end] = np.random.default_rng(1).binomial(answers[begin:end], 1 - share)
    return rows


def told(nodes: Sequence[SlotGrid], *, since: int = NOW, until: int = END) -> set[str]:
    """The nodes that are reported to miss a message."""
    found = set()
    pasts = [part(one, 0, DAYS * A_DAY) for one in nodes]
    now = [part(one, since - READ_BACK, until) for one in nodes]
    fleet = fleet_lines(pasts, {pattern for past in pasts for pattern, _ in past.keys})
    for past, grid in zip(pasts, now, strict=True):
        baseline = learn(replace(past, fleet=fleet), SERIES)
        assert baseline is not None
        names = {pattern: pattern for pattern, _ in grid.keys}
        seen = with_fleet(grid, now, baseline.counterparts)
        others = [other for other in now if other is not grid]
        observation = Observation(seen, baseline, FIRST, names, {}, others=others)
        ends = [slot_start(FIRST + slot + 1) for slot in range(since, until)]
        if any(rule.name == MISSING for rule, _ in evaluate_node(RULES, observation, ends)):
            found.add(grid.node)
    return found


@pytest.mark.parametrize(("share", "missing"), [(0.2, set()), (0.8, {"worker"})])
def test_answers_of_another_node_that_do_not_come_are_missing_there(share: float, missing: set[str]) -> None:
    asked = gateway()
    assert told([node(asked, "gateway"), node(lost(worker(asked), share), "worker")]) == missing


def test_work_that_another_worker_takes_over_is_not_missing() -> None:
    asked = gateway()
    here, there = worker(asked), worker(asked, seed=6)
    there["answered", "info"][:NOW] = 0
    here["answered", "info"][NOW:] = 0
    assert told([node(asked, "gateway"), node(here, "one"), node(there, "two")]) == set()


def test_what_two_workers_share_is_missed_at_the_one_that_had_more() -> None:
    asked = gateway(rate=8.0)
    whole = lost(worker(asked), 1.0)
    most, few = ({key: lines.copy() for key, lines in whole.items()} for _ in range(2))
    part_of = np.random.default_rng(8).binomial(whole["answered", "info"], 0.25)
    most["answered", "info"] -= part_of
    few["answered", "info"][:] = part_of
    assert told([node(asked, "gateway"), node(most, "most"), node(few, "few")]) == {"most"}


def test_a_gateway_that_logs_five_times_as_many_requests_misses_no_answers() -> None:
    asked = gateway()
    answers = worker(asked)
    asked["asked", "info"][NOW:END] *= 5
    assert told([node(asked, "gateway"), node(answers, "worker")]) == set()


def test_slots_that_are_not_known_are_not_missing() -> None:
    asked = gateway()
    known = np.ones(SLOTS, bool)
    known[NOW : END - 1] = False
    assert told([node(asked, "gateway"), node(worker(asked), "worker", known)]) == set()


@pytest.mark.parametrize(("loose", "missing"), [(False, {"worker"}), (True, set())])
def test_a_pair_that_is_never_apart_needs_fewer_lines_than_a_loose_one(loose: bool, missing: set[str]) -> None:
    asked = gateway(rate=2.0)
    assert told([node(asked, "gateway"), node(lost(worker(asked, loose=loose), 0.75), "worker")]) == missing


def test_two_nodes_with_the_same_traffic_are_no_pair() -> None:
    rnd = np.random.default_rng(2)
    load = 6 * traffic()["served", "info"] / 28
    here = {name: rnd.poisson(load)[ALL] for name in ("one", "two")}
    there = {name: rnd.poisson(load)[ALL] for name in ("three", "four")}
    assert learn_companions(here, np.ones(DAYS * A_DAY, bool), there) == {}


def test_a_node_is_learnt_with_the_lines_of_nodes_whose_baselines_are_stored() -> None:
    asked = gateway()
    grids = [node(asked, "gateway"), node(worker(asked), "worker")]
    window = Window(slot_start(FIRST), slot_start(FIRST) + timedelta(days=DAYS))
    none = np.zeros((0, 4))
    slots = np.flatnonzero(np.ones(DAYS * A_DAY)) + FIRST
    rows = [
        PastRow(grid.node, pattern, level, slots, counts[ALL], none, none[:, :3].astype(np.int64))
        for grid in grids
        for (pattern, level), counts in zip(grid.keys, grid.counts, strict=True)
    ]
    coverage = {grid.node: (slots, slots[:0]) for grid in grids}
    past: Any = SimpleNamespace(rows=rows, coverage=coverage, resolve=lambda pattern, _: pattern)
    learnt = learn_baselines(past, {"worker"}, window, SERIES)
    assert {name: pair.of for name, pair in learnt["worker"].counterparts.items()} == {"answered": "asked"}
