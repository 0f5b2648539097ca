"""Durations in lines that grow: what is found on made lives with a known truth, and what ordinary life costs.

Here: lives of 4 nodes whose patterns state durations, incidents in them, and what happens besides; scored like those
of `lives.py`. Through `learn` and the rule's condition. No public log at hand has durations and a truth, and no
incident of the two generators of the outside material changes a duration. Seeds 1 to 4 were looked at while the rule
was written.

Ordinary: the load of the day, which slows some patterns; drifts of hours; deployments that change the level by up to a
fifth and are slow for a minute or two; pauses of garbage collection; bursts of users. Durations are log-normal, of two
kinds (cached or not), uniform, or nearly constant, whole milliseconds or seconds with three decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import Sketches, SlotGrid
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.rule_kinds import Value
from fleexmon_pipeline.detection.rule_model import all_series
from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline.window import slot_start
from fleexmon_pipeline_tests.bench.made_lives import A_DAY, Alarm, Lives, begun
from fleexmon_pipeline_tests.bench.replay import shipped
from fleexmon_pipeline_tests.bench.table import Table

DAYS, WARMUP = 20, 8
FIRST = 20_454 * A_DAY  # a Monday
NODES, PATTERNS = 4, 6
BACK = 60  # slots read before those that are evaluated
KINDS = ("delay", "slow", "tail", "creep")
EACH = 3  # incidents of each kind


@dataclass
class Incident:
    kind: str
    node: int
    since: int
    until: int
    patterns: list[int]
    times: float  # delay: medians that are added; else factor


@dataclass
class Made:
    grids: list[SlotGrid]
    incidents: list[Incident]


def made(seed: int, *, quiet: bool = False) -> Made:
    rng = np.random.default_rng([404, seed])
    slots = DAYS * A_DAY
    incidents = [] if quiet else _plan(rng, slots)
    hour = np.arange(slots) % A_DAY / 12
    weekday = (FIRST + np.arange(slots)) // A_DAY % 7
    shape = np.exp(0.8 * np.cos((hour - 14) / 24 * 2 * np.pi)) * np.where(weekday >= 5, 0.6, 1.0)
    burst = np.ones(slots)
    for at in np.flatnonzero(rng.random(slots) < 1.2 / A_DAY):
        burst[at : at + rng.integers(2, 5)] *= rng.uniform(1.3, 2.5)
    grids = []
    for node in range(NODES):
        deployed = np.flatnonzero(rng.random(slots) < 0.4 / A_DAY)
        paused = rng.random(slots) < 1.0 / A_DAY
        counts, durations = [], {}
        for place in range(PATTERNS):
            name = f"{node}-{place}"
            row, sketch = _pattern(rng, node, place, shape * burst, deployed, paused, incidents)
            counts.append(row)
            durations[name, "rest"] = sketch
        table = np.array(counts, np.int64)
        keys = [(f"{node}-{place}", "info") for place in range(PATTERNS)]
        known, empty = np.ones(slots, bool), table.sum(axis=0) == 0
        grids.append(SlotGrid(f"node-{node}", FIRST, known, empty, keys, table, durations))
    return Made(grids, incidents)


def _plan(rng: np.random.Generator, slots: int) -> list[Incident]:
    incidents: list[Incident] = []
    kinds = [kind for kind in KINDS for _ in range(EACH)]
    rng.shuffle(kinds)
    for kind in kinds:
        while True:
            length = int(rng.integers(*{"delay": (4, 9), "slow": (4, 13), "tail": (5, 13), "creep": (48, 97)}[kind]))
            since = WARMUP * A_DAY + int(rng.integers(12, slots - WARMUP * A_DAY - length - 30))
            if all(since > other.until + 36 or since + length + 36 < other.since for other in incidents):
                break
        some = rng.permutation(PATTERNS)[: int(rng.integers(1, PATTERNS + 1))].tolist()
        times = {"delay": (1.0, 8.0), "slow": (1.6, 4.0), "tail": (5.0, 20.0), "creep": (2.5, 5.0)}[kind]
        incidents.append(Incident(kind, int(rng.integers(NODES)), since, since + length, some, rng.uniform(*times)))
    return incidents


def _pattern(
    rng: np.random.Generator,
    node: int,
    place: int,
    shape: Floats,
    deployed: Ints,
    paused: np.ndarray,
    incidents: Sequence[Incident],
) -> tuple[Ints, Sketches]:
    slots = len(shape)
    rate = float(np.exp(rng.uniform(np.log(0.7), np.log(60))))
    if place == 0:
        rate = max(rate, 8.0)  # every node has one pattern that comes often
    counts = rng.poisson(rate * shape * rng.gamma(20, 1 / 20, slots))
    median = float(np.exp(rng.uniform(np.log(3), np.log(2_000))))
    width, form = rng.uniform(0.2, 1.0), rng.choice(["normal", "normal", "two", "uniform", "timer"])
    coupling = rng.choice([0.0, 0.0, 0.2, 0.5])
    level = np.log(median) + coupling * np.log(shape) + _drift(rng, slots)
    for at in deployed:
        level[at:] += rng.normal(0, 0.08)
    p50, p95 = np.zeros(slots), np.zeros(slots)
    seconds = rng.random() < 0.3
    mine = [one for one in incidents if one.node == node and place in one.patterns]
    for slot in np.flatnonzero(counts).tolist():
        lines = min(int(counts[slot]), 64)
        values = np.exp(level[slot]) * _draw(rng, form, width, lines)
        if slot in deployed:
            values[: lines // 3] *= 3
        if paused[slot]:
            values[: max(lines // 8, 1)] += 2_000
        for one in mine:
            if one.since <= slot < one.until:
                values = _grown(rng, values, median, one, slot)
        values = np.round(values / 1000, 3) * 1000 if seconds else np.round(values)
        p50[slot], p95[slot] = np.quantile(values, [0.5, 0.95])
    return counts, Sketches(p50, p95, np.minimum(counts, 64).astype(float))


def _drift(rng: np.random.Generator, slots: int) -> Floats:
    memory, spread = 0.98, rng.uniform(0.02, 0.12)
    kicks = rng.normal(0, spread * np.sqrt(1 - memory**2), slots)
    drift = np.zeros(slots)
    for slot in range(1, slots):
        drift[slot] = memory * drift[slot - 1] + kicks[slot]
    return drift


def _draw(rng: np.random.Generator, form: str, width: float, lines: int) -> Floats:
    if form == "uniform":
        return np.asarray(rng.uniform(0.1, 1.9, lines))
    if form == "timer":
        return rng.normal(1, 0.02, lines).clip(0.5)
    values = rng.lognormal(0, width, lines)
    if form == "two":
        values[rng.random(lines) < 0.6] /= 8
    return np.asarray(values)


def _grown(rng: np.random.Generator, values: Floats, median: float, one: Incident, slot: int) -> Floats:
    if one.kind == "delay":
        return values + one.times * median
    if one.kind == "slow":
        return values * one.times
    if one.kind == "creep":
        return np.asarray(values * one.times ** ((slot - one.since) / (one.until - one.since)))
    return np.asarray(np.where(rng.random(len(values)) < 0.2, values * one.times, values))


def ours(life: Made) -> list[Alarm]:
    rules = [rule for rule in shipped() if isinstance(rule, Value)]
    series = all_series(rules)
    alarms: list[Alarm] = []
    for number, grid in enumerate(life.grids):
        fired: list[int] = []
        for day in range(A_DAY, grid.slots, A_DAY):
            baseline: Baseline | None = learn(_part(grid, max(day - 14 * A_DAY, 0), day), series)
            part = _part(grid, day - BACK, day + A_DAY)
            observation = Observation(part, baseline, FIRST, {}, {})
            ends = [slot_start(FIRST + slot + 1) for slot in range(day, day + A_DAY)]
            fired += [hit.slot + day - BACK for _, hit in evaluate_node(rules, observation, ends)]
        alarms += [(number, slot) for slot in begun(sorted(fired))]
    return alarms


def _part(grid: SlotGrid, since: int, until: int) -> SlotGrid:
    place = slice(since, until)
    durations = {key: Sketches(of.p50[place], of.p95[place], of.lines[place]) for key, of in grid.durations.items()}
    return SlotGrid(
        grid.node, FIRST + since, grid.known[place], grid.empty[place], grid.keys, grid.counts[:, place], durations
    )  # fmt: skip


def seasonal_z(life: Made, threshold: float = 4.0) -> list[Alarm]:
    """Beside ours: each pattern's mean logarithm of a quarter of an hour against the same hour of 7 days."""
    alarms: list[Alarm] = []
    for number, grid in enumerate(life.grids):
        fired: set[int] = set()
        for sketch in grid.durations.values():
            sums = np.convolve(np.log(sketch.p50 + 1) * sketch.lines, np.ones(3))[: grid.slots]
            lines = np.convolve(sketch.lines, np.ones(3))[: grid.slots]
            mean = np.where(lines >= 15, sums / np.maximum(lines, 1), np.nan)
            for slot in range(3 * A_DAY, grid.slots):
                if np.isnan(mean[slot]):
                    continue
                near = [
                    mean[slot - back * A_DAY - 6 : slot - back * A_DAY + 7]
                    for back in range(1, min(7, slot // A_DAY) + 1)
                ]
                past = np.concatenate(near)
                past = past[~np.isnan(past)]
                if len(past) > 20 and mean[slot] - past.mean() > threshold * max(past.std(), 0.05):
                    fired.add(slot)
        alarms += [(number, slot) for slot in begun(sorted(fired))]
    return alarms


def twice_the_usual(life: Made) -> list[Alarm]:
    """Beside ours: a median of a quarter of an hour that is twice that of the day before."""
    alarms: list[Alarm] = []
    for number, grid in enumerate(life.grids):
        fired: set[int] = set()
        for sketch in grid.durations.values():
            lines = np.convolve(sketch.lines, np.ones(3))[: grid.slots]
            median = np.convolve(sketch.p50 * sketch.lines, np.ones(3))[: grid.slots] / np.maximum(lines, 1)
            for slot in np.flatnonzero(lines >= 15):
                past = median[max(slot - A_DAY, 0) : slot][lines[max(slot - A_DAY, 0) : slot] > 0]
                if slot > A_DAY and len(past) and median[slot] > 2 * np.median(past) + 1:
                    fired.add(int(slot))
        alarms += [(number, slot) for slot in begun(sorted(fired))]
    return alarms


DETECTORS = {"slower-than-usual": ours, "seasonal z, 4 deviations": seasonal_z, "twice the usual": twice_the_usual}


def measure(seeds: Sequence[int]) -> Table:
    lives = Lives(lambda seed, quiet: made(seed, quiet=quiet), KINDS, DAYS, WARMUP)
    rows = [lives.score(name, detector, seeds) for name, detector in DETECTORS.items()]
    return Table(
        "durations: growth of what lines state, made lives", "4 nodes, 24 patterns, scored from the ninth day", rows
    )
