"""Alarms asked for and had, on series in which nothing is wrong.

Here: such series, from a seed, and how often `series.score` would alarm. The constants of `series/score.py` that say
how often healthy series surprise were chosen on such series of seeds 0 to 2, at five minutes; report on others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from fleexmon_pipeline.numerics import Flags, Floats, Ints
from fleexmon_pipeline.series.score import HOLD_SECONDS, score
from fleexmon_pipeline_tests.bench.table import Row, Table

FIRST = 1_780_272_000  # a Monday
DAY_SECONDS = 86_400
DAYS = {60: 10, 300: 28, 3_600: 84}  # by seconds between values
WARM_UP_DAYS = 3
ASKED = (0.03, 0.01, 0.003)  # a day


@dataclass(frozen=True)
class Draw:
    """What a kind draws from: the generator, the positions, how many are a day, a mean of 0.5 to 40."""

    chance: np.random.Generator
    at: Ints
    day: int
    mean: float

    def persistent(self, memory: float) -> Floats:
        """Standard normal, correlated from value to value."""
        steps = self.chance.normal(0, np.sqrt(1 - memory**2), len(self.at)).tolist()
        values, now = np.zeros(len(self.at)), 0.0
        for position, step in enumerate(steps):
            now = memory * now + step
            values[position] = now
        return values

    def season(self) -> Floats:
        weekend = np.where(self.at // self.day % 7 >= 5, 0.6, 1.0)
        return np.asarray(self.mean * weekend * (1 - 0.5 * np.cos(self.at / self.day * 2 * np.pi)))

    def counts(self, means: Floats | float) -> Floats:
        return self.chance.poisson(means, len(self.at)).astype(float)

    def gamma(self, shape: float) -> Floats:
        return np.asarray(self.chance.gamma(shape, 1 / shape, len(self.at)))

    def jobs(self) -> Floats:
        nightly, hourly = self.at % self.day == self.day // 8, self.at % max(2, self.day // 24) == 1
        return np.asarray(nightly * 40.0 + hourly * 10.0)


KINDS: dict[str, Callable[[Draw], Floats]] = {
    "normal": lambda draw: draw.chance.normal(100, 10, len(draw.at)),
    "persistent": lambda draw: 100 + 10 * draw.persistent(0.95),
    "lognormal": lambda draw: np.exp(draw.chance.normal(3, 0.6, len(draw.at))),
    "heavy tails": lambda draw: 50 + draw.chance.standard_t(3, len(draw.at)),
    "counts": lambda draw: draw.counts(draw.mean),
    "rare counts": lambda draw: draw.counts(0.03),
    "seasonal counts": lambda draw: draw.counts(draw.season() * draw.gamma(25)),
    "drifting counts": lambda draw: draw.counts(draw.season() * np.exp(0.25 * draw.persistent(0.95))),
    "over-dispersed counts": lambda draw: draw.counts(draw.mean * draw.gamma(1.2)),
    "latencies": lambda draw: np.exp(
        4
        + 0.15 * draw.persistent(0.9)
        + 0.2 * np.sin(draw.at / draw.day * 2 * np.pi)
        + 0.1 * np.abs(draw.chance.standard_t(4, len(draw.at)))
    ),
    "bursts": lambda draw: draw.counts(draw.mean * np.where(draw.persistent(0.97) > 1.3, 4, 1)),
    "jobs": lambda draw: draw.counts(draw.mean) + draw.jobs(),
}


def make(kind: str, seed: int, step: int) -> tuple[Ints, Floats]:
    chance = np.random.default_rng([crc32(kind.encode()), seed])
    day = DAY_SECONDS // step
    at = np.arange(DAYS[step] * day)
    mean = float(np.exp(chance.uniform(np.log(0.5), np.log(40))))
    return FIRST + step * at, KINDS[kind](Draw(chance, at, day, mean))


def alarms(times: Ints, flags: Flags) -> int:
    """Those less than 12 hours apart are one."""
    at = times[flags]
    return int(len(at) > 0) + int((np.diff(at) > HOLD_SECONDS).sum())


def measure(seeds: Sequence[int]) -> Table:
    table = Table(
        "series-rates: alarms a day asked for and had, where nothing is wrong",
        "by alarms_per_day (own past and what most series show), and by anomaly_score (what most series show)",
    )
    for step, days in DAYS.items():
        total, every = np.zeros(2 * len(ASKED)), 0
        for kind in KINDS:
            had, observed = np.zeros(2 * len(ASKED)), len(seeds) * (days - WARM_UP_DAYS)
            for seed in seeds:
                times, values = make(kind, seed, step)
                scores, warm = score(times, values), times >= FIRST + WARM_UP_DAYS * DAY_SECONDS
                own = [alarms(times, warm & (scores.alarms_per_day <= rate)) for rate in ASKED]
                had += [*own, *(alarms(times, warm & (scores.anomaly_score >= 1 / (1 + rate))) for rate in ASKED)]
            table.rows.append(_row(step, kind, observed, had))
            total, every = total + had, every + observed
        table.rows.append(_row(step, "all", every, total))
    return table


def _row(step: int, kind: str, days: int, had: Floats) -> Row:
    names = [f"{by}_{rate}" for by in ("own", "score") for rate in ASKED]
    rates = {name: f"{count / days:.4f}" for name, count in zip(names, had.tolist(), strict=True)}
    return {"interval_s": step, "kind": kind, "series-days": days, **rates}
