"""Messages that come together, of which one falls short: what is found on made lives, and what ordinary life costs.

Here: lives of 4 nodes with pairs of messages, incidents in them, and what happens besides; scored like those of
`durations.py`. Through `learn` and the rule's condition. No public log at hand has pairs and a truth, and the two
generators of the outside material have no pairs. Seeds 1 to 4 were looked at while the rule was written.

Pairs: an end for each start, at once or up to half an hour later; a part of the requests; several lines for each, a
fixed number or a random one; 0.15 to 20 lines a slot. Beside them messages of the same traffic that are no pairs.
Ordinary: the load of the day, weekends, bursts of users; pauses after which ends come together; a minute of repeated
starts; releases that reword one of the two; a part that drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, trailing
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.rule_kinds import Companion
from fleexmon_pipeline.detection.rule_model import all_series
from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline.window import slot_start
from fleexmon_pipeline_tests.bench.made_lives import A_DAY, Alarm, Lives, begun
from fleexmon_pipeline_tests.bench.replay import shipped
from fleexmon_pipeline_tests.bench.table import Table

DAYS, WARMUP = 16, 8
FIRST = 20_454 * A_DAY  # a Monday
NODES, PAIRS, OTHERS = 4, 5, 6
BACK = 60  # slots read before those that are evaluated
KINDS = ("lost", "ceased", "repeated")
EACH = 4  # incidents of each kind


@dataclass
class Incident:
    kind: str
    node: int
    pair: int
    since: int
    until: int


@dataclass
class Made:
    grids: list[SlotGrid]
    incidents: list[Incident]


def made(seed: int, *, quiet: bool = False) -> Made:
    rng = np.random.default_rng([505, seed])
    slots = DAYS * A_DAY
    incidents = [] if quiet else _plan(rng, slots)
    hour = np.arange(slots) % A_DAY / 12
    weekend = (FIRST + np.arange(slots)) // A_DAY % 7 >= 5
    load = np.exp(0.8 * np.cos((hour - 14) / 24 * 2 * np.pi)) * np.where(weekend, 0.6, 1.0)
    load *= np.exp(np.convolve(rng.normal(0, 0.3, slots), np.ones(12) / 12, "same"))
    for at in np.flatnonzero(rng.random(slots) < 1.2 / A_DAY):
        load[at : at + rng.integers(2, 5)] *= rng.uniform(1.3, 2.5)
    grids = []
    for node in range(NODES):
        rows: dict[tuple[str, str], Ints] = {}
        for other in range(OTHERS):
            rate = float(np.exp(rng.uniform(np.log(0.15), np.log(20))))
            rows[f"{node}-other-{other}", "info"] = rng.poisson(rate * load)
        for pair in range(PAIRS):
            mine = [one for one in incidents if (one.node, one.pair) == (node, pair)]
            _add_pair(rng, rows, f"{node}-{pair}", load, mine)
        table = np.array(list(rows.values()), np.int64)
        known, empty = np.ones(slots, bool), table.sum(axis=0) == 0
        grids.append(SlotGrid(f"node-{node}", FIRST, known, empty, list(rows), table))
    return Made(grids, incidents)


def _plan(rng: np.random.Generator, slots: int) -> list[Incident]:
    incidents: list[Incident] = []
    for kind in rng.permutation([kind for kind in KINDS for _ in range(EACH)]):
        while True:
            length = int(rng.integers(5, 15))
            since = WARMUP * A_DAY + int(rng.integers(12, slots - WARMUP * A_DAY - length - 30))
            if all(since > other.until + 36 or since + length + 36 < other.since for other in incidents):
                break
        node, pair = int(rng.integers(NODES)), int(rng.integers(PAIRS))
        incidents.append(Incident(str(kind), node, pair, since, since + length))
    return incidents


def _add_pair(
    rng: np.random.Generator, rows: dict[tuple[str, str], Ints], name: str, load: Floats, incidents: Sequence[Incident]
) -> None:
    slots = len(load)
    rate = float(np.exp(rng.uniform(np.log(0.4 if incidents else 0.15), np.log(20))))
    starts = rng.poisson(rate * load)
    form = str(rng.choice(["at once", "later", "part", "several", "random"]))
    share = np.ones(slots)
    if form == "part":
        share[:] = np.clip(rng.uniform(0.7, 0.95) + 0.04 * np.sin(np.arange(slots) / 400), 0, 1)
    for one in incidents:
        if one.kind != "repeated":
            share[one.since : one.until] *= 0.0 if one.kind == "ceased" else rng.uniform(0.0, 0.35)
    ends = np.zeros(slots, np.int64)
    longest = 6 if form == "later" else 1
    for slot in np.flatnonzero(starts).tolist():
        ended = int(rng.binomial(starts[slot], share[slot]))
        lines = 3 * ended if form == "several" else int(rng.poisson(1.5 * ended)) if form == "random" else ended
        later = rng.integers(0, longest + 1, lines) if longest > 1 else (rng.random(lines) < 0.15).astype(int)
        np.add.at(ends, np.minimum(slot + later, slots - 1), 1)
    for at in np.flatnonzero(rng.random(slots) < 0.7 / A_DAY):  # a pause: ends come together after it
        if at + 2 < slots:
            ends[at + 1] += ends[at]
            ends[at] = 0
    starts[rng.random(slots) < 0.7 / A_DAY] += int(rng.integers(4, 12))  # a minute of repeated starts
    for one in incidents:
        if one.kind == "repeated":
            starts[one.since : one.until] *= int(rng.integers(3, 6))
    release = int(rng.integers(3 * A_DAY, slots))
    reworded = rng.random() < 0.3 and not incidents
    rows[f"{name}-start", "info"] = starts
    rows[f"{name}-end", "info"] = np.where(np.arange(slots) < release, ends, 0) if reworded else ends
    if reworded:
        rows[f"{name}-end, reworded", "info"] = np.where(np.arange(slots) >= release, ends, 0)


def ours(life: Made) -> list[Alarm]:
    rules = [rule for rule in shipped() if isinstance(rule, Companion)]
    series = all_series(rules)
    alarms: list[Alarm] = []
    for number, grid in enumerate(life.grids):
        fired: list[int] = []
        for day in range(WARMUP * A_DAY, grid.slots, A_DAY):
            baseline = learn(_part(grid, max(day - 14 * A_DAY, 0), day), series)
            observation = Observation(_part(grid, day - BACK, day + A_DAY), baseline, FIRST, {}, {})
            ends = [slot_start(FIRST + slot + 1) for slot in range(day, day + A_DAY)]
            fired += [hit.slot + day - BACK for _, hit in evaluate_node(rules, observation, ends)]
        alarms += [(number, slot) for slot in begun(sorted(fired))]
    return alarms


def _part(grid: SlotGrid, since: int, until: int) -> SlotGrid:
    place = slice(since, until)
    return SlotGrid(
        grid.node, FIRST + since, grid.known[place], grid.empty[place], grid.keys, grid.counts[:, place]
    )  # fmt: skip


def given_pairs(life: Made) -> list[Alarm]:
    """Beside ours: somebody has listed the pairs, and half an hour has less than 60 % of the ends that its starts had
    over the week before."""
    alarms: list[Alarm] = []
    for number, grid in enumerate(life.grids):
        fired: set[int] = set()
        rows = {name: row for (name, _), row in zip(grid.keys, grid.counts, strict=True)}
        for name, starts in rows.items():
            if name.endswith("-start"):
                ends = rows[name.removesuffix("start") + "end"]
                week = trailing(ends, 7 * A_DAY) / np.maximum(trailing(starts, 7 * A_DAY), 1)
                due = np.concatenate([[0], week[:-1]]) * trailing(starts, 6)
                fired |= set(np.flatnonzero((due >= 20) & (trailing(ends, 6) < 0.6 * due)).tolist())
        alarms += [(number, slot) for slot in begun(sorted(fired))]
    return alarms


DETECTORS = {"companion-missing": ours, "60 % of the week's ratio, pairs given": given_pairs}


def measure(seeds: Sequence[int]) -> Table:
    lives = Lives(lambda seed, quiet: made(seed, quiet=quiet), KINDS, DAYS, WARMUP)
    rows = [lives.score(name, detector, seeds) for name, detector in DETECTORS.items()]
    return Table(
        "companions: half of a pair is missing, made lives", "4 nodes, 20 pairs, scored from the ninth day", rows
    )
