"""Unusual rates on single series of counts, of the kinds that the Numenta benchmark (NAB) has, against two baselines.

Here: what is measured, and how. How series are made: `made_series.py`. Nothing was tuned on them: report on any seeds.

A series is evaluated twice: as the errors of a node that logs other things too (`kind: rate` on errors), and as all
that a node logs (rates on volume, silence). Its baselines: three standard deviations from the mean of the last 24
hours; and a Poisson count around the mean of the same slot, and its neighbours, of the last 7 days, at one in 100,000.

Scored as NAB's standard profile does. The first flag in a window counts 1 at its start, falling to 0 at its end
(a sigmoid); a window without a flag counts -1; flags outside, those less than an hour apart being one, -0.11 each, less
just after a window. 0 is a detector that never fires, 100 one that flags every window at once and nothing else. Unlike
NAB's, windows begin with the anomaly, since the truth is known, and flags that last are one alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from statistics import median

import numpy as np
import numpy.typing as npt

from fleexmon_pipeline.detection.rule_kinds import Rate
from fleexmon_pipeline.series.score import score
from fleexmon_pipeline_tests.bench.made_series import A_DAY, FIRST, KINDS, SCORED_FROM, Made, make
from fleexmon_pipeline_tests.bench.series_detectors import (
    ALARMS_PER_DAY,
    SLOT_SECONDS,
    judged,
    shipped_rules,
    volume_rules,
)
from fleexmon_pipeline_tests.bench.table import Row, Table

Flags = npt.NDArray[np.bool_]
AN_HOUR = 12  # slots
OTHER_LINES = 40.0  # a slot, of the node whose errors are the series
FALSE_ALARM = 0.11  # NAB's standard profile
ONE_IN = 1e-5


@dataclass
class Score:
    windows: int = 0
    delays: list[float] = field(default_factory=list)  # minutes, of what was found
    false: int = 0
    days: float = 0.0
    points: float = 0.0

    def add(self, made: Made, flags: Flags) -> None:
        at = np.flatnonzero(flags)
        at = at[at >= SCORED_FROM]
        self.days += (made.slots - SCORED_FROM) / A_DAY
        self.windows += len(made.windows)
        for begin, end in made.windows:
            inside = at[(at >= begin) & (at < end)]
            self.points += _earliness((inside[0] - begin) / (end - begin) - 1) / _earliness(-1.0) if len(inside) else -1
            self.delays += [float(inside[0] - begin + 1) * 5] if len(inside) else []
        for alarm in np.split(at, np.flatnonzero(np.diff(at) > AN_HOUR) + 1):
            if len(alarm) and not any(begin <= slot < end for slot in alarm for begin, end in made.windows):
                self.false += 1
                before = [(begin, end) for begin, end in made.windows if end <= alarm[0]]
                past = (alarm[0] - before[-1][1]) / (before[-1][1] - before[-1][0]) if before else 9.0
                self.points += FALSE_ALARM * _earliness(past)

    def __str__(self) -> str:
        """Found of all, median delay, false alarms a day, score."""
        false = f"{self.false / self.days:.2f}"
        if not self.windows:
            return f"{false} a day"
        delay = f"{median(self.delays):.0f}" if self.delays else "-"
        score = 100 * (self.points + self.windows) / (2 * self.windows)
        return f"{len(self.delays)}/{self.windows}, {delay} min, {false} a day: {score:.0f}"


def _earliness(where: float) -> float:
    """NAB's sigmoid: 0.99 at -1, the start of a window, 0 at its end, down to -1 after it."""
    return 2 / (1 + exp(min(5 * where, 50.0))) - 1


def measure(seeds: Sequence[int]) -> Table:
    table = Table(
        "series: single counts with a known truth", "found of windows, median delay, false alarms, NAB's score"
    )
    detectors: Mapping[str, Callable[[Made], Flags]] = {
        "as_errors": as_errors,
        "as_volume": as_volume,
        "series_score": by_its_score,
        "three_sigma": three_sigma,
        "seasonal_poisson": seasonal_poisson,
    }
    every = {name: Score() for name in detectors}
    for kind in KINDS:
        of_kind = {name: Score() for name in detectors}
        for seed in seeds:
            made = make(kind, seed)
            for name, detect in detectors.items():
                flags = detect(made)
                of_kind[name].add(made, flags)
                every[name].add(made, flags)
        table.rows.append(_row(kind, of_kind))
    table.rows.append(_row("all", every))
    return table


def _row(kind: str, scores: Mapping[str, Score]) -> Row:
    return {"kind": kind, **{name: str(score) for name, score in scores.items()}}


# -- ours -----------------------------------------------------------------------------------------------------------


def as_errors(made: Made) -> Flags:
    """One error of a node, among other lines that come steadily."""
    other = np.random.default_rng([made.seed, 1]).poisson(OTHER_LINES, made.slots)
    wanted = [
        rule for rule in shipped_rules() if isinstance(rule, Rate) and rule.where.level and "error" in rule.where.level
    ]
    return judged(wanted, FIRST, made.known, [("steady", "info", other), ("series", "error", made.counts)])


def as_volume(made: Made) -> Flags:
    """The only thing that a node logs."""
    return judged(volume_rules(), FIRST, made.known, [("series", "info", made.counts)])


def by_its_score(made: Made) -> Flags:
    """`series.score`, at the peaks that such a series should have once in 100 days."""
    times = (FIRST + np.arange(made.slots)) * SLOT_SECONDS
    scores = score(times, np.where(made.known, made.counts, np.nan))
    return np.asarray(scores.alarms_per_day <= ALARMS_PER_DAY)


# -- baselines ------------------------------------------------------------------------------------------------------


def three_sigma(made: Made) -> Flags:
    values = np.where(made.known, made.counts, np.nan)
    flags = np.zeros(made.slots, bool)
    for slot in range(A_DAY, made.slots):
        past = values[slot - A_DAY : slot]
        past = past[~np.isnan(past)]
        if made.known[slot] and len(past) >= A_DAY // 2:
            flags[slot] = abs(values[slot] - past.mean()) > 3 * max(float(past.std()), 1e-9)
    return flags


def seasonal_poisson(made: Made) -> Flags:
    values = np.where(made.known, made.counts, np.nan)
    flags = np.zeros(made.slots, bool)
    for slot in range(7 * A_DAY, made.slots):
        same = [values[slot - back * A_DAY + near] for back in range(1, 8) for near in (-1, 0, 1)]
        past = np.array(same)[~np.isnan(same)]
        if made.known[slot] and len(past) >= 6:
            flags[slot] = _poisson_tail(int(made.counts[slot]), max(float(past.mean()), 0.05)) < ONE_IN
    return flags


def _poisson_tail(count: int, mean: float) -> float:
    """The chance of that many or more, or of that few or fewer, whichever is smaller."""
    chances = np.exp(np.cumsum(np.concatenate([[-mean], np.log(mean / np.arange(1, count + 1))])))
    return float(min(chances.sum(), 1 - chances[:-1].sum()))
