"""Series of counts with a known truth: three weeks of slots, one or two anomalies, and what looks like one.

Here: how they are made, from a seed. How detectors do on them: `series.py`. The kinds are those of the Numenta
benchmark's sets; its files are not on every machine, and hold rates and temperatures where logs hold counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

import numpy as np
import numpy.typing as npt

from fleexmon_pipeline.window import slot_number

A_DAY, AN_HOUR = 288, 12  # slots of 5 minutes
DAYS = 21
SCORED_FROM = 8 * A_DAY  # a week and a day to learn from
FIRST = slot_number(datetime(2026, 6, 1, tzinfo=UTC))  # a Monday

KINDS = {
    "burst": "30 to 60 minutes of 3 to 5 times the lines, twice",
    "shift": "twice the lines from some slot on",
    "ramp": "8 hours in which lines climb to three times, twice",
    "drop": "3 hours without a line, twice",
    "missing": "two gaps of 4 hours; and a burst",
    "noisy": "counts that stray by 70 %; two bursts",
    "trend": "4 % more every day; two bursts",
    "nightly": "every night 15 minutes of 4 times the lines; and a burst",
    "one-off": "two slots of 5 times the lines, hours apart, which are no anomaly; and a burst",
    "calm": "none",
}
_BURSTS = {"burst": 2, "missing": 1, "noisy": 2, "trend": 2, "nightly": 1, "one-off": 1}


@dataclass(frozen=True)
class Made:
    """`counts` of slots numbered from FIRST; `windows`: where an anomaly should be found, from its first slot."""

    seed: int
    counts: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    windows: list[tuple[int, int]]

    @property
    def slots(self) -> int:
        return len(self.counts)


def make(kind: str, seed: int) -> Made:
    """0.5 to 40 lines a slot on average; half of that by night, half more by day, two thirds at weekends. Counts stray
    by a fifth beyond chance, and drift by a tenth over an hour."""
    chance = np.random.default_rng([crc32(kind.encode()), seed])
    slots = DAYS * A_DAY
    at = np.arange(slots)
    weekend = np.where(at // A_DAY % 7 >= 5, 0.67, 1.0)
    mean = np.exp(chance.uniform(np.log(0.5), np.log(40))) * weekend * (1 - 0.5 * np.cos(at / A_DAY * 2 * np.pi))
    mean *= np.exp(_drifting(chance, slots))
    known, windows = np.ones(slots, bool), []
    places = iter(_places(chance))
    for _ in range(_BURSTS.get(kind, 0)):
        begin, length = next(places), int(chance.integers(6, 13))
        mean[begin : begin + length] *= chance.uniform(3, 5)
        windows.append((begin, begin + AN_HOUR))
    if kind == "shift":
        begin = next(places)
        mean[begin:] *= 2
        windows.append((begin, begin + 12 * AN_HOUR))
    for _ in range(2):
        begin = next(places)
        if kind == "ramp":
            mean[begin : begin + 8 * AN_HOUR] *= np.linspace(1, 3, 8 * AN_HOUR)
            windows.append((begin, begin + 8 * AN_HOUR))
        elif kind == "drop":
            mean[begin : begin + 3 * AN_HOUR] = 0
            windows.append((begin, begin + 3 * AN_HOUR))
        elif kind == "missing":
            known[begin : begin + 4 * AN_HOUR] = False
        elif kind == "one-off":
            mean[begin] *= 5
    if kind == "trend":
        mean *= 1.04 ** (at / A_DAY)
    if kind == "nightly":
        mean[(at % A_DAY >= 24) & (at % A_DAY < 27)] *= 4
    stray = 0.7 if kind == "noisy" else 0.2
    counts = chance.poisson(mean * chance.gamma(1 / stray**2, stray**2, slots))
    return Made(seed, np.where(known, counts, 0), known, sorted(windows))


def _drifting(chance: np.random.Generator, slots: int) -> npt.NDArray[np.float64]:
    """How load drifts: a tenth up or down, for an hour or so."""
    steps, drift, now = chance.normal(0, 0.1, slots), np.zeros(slots), 0.0
    for slot in range(slots):
        now = 0.92 * now + 0.39 * steps[slot]
        drift[slot] = now
    return drift


def _places(chance: np.random.Generator) -> list[int]:
    """Starts in the scored days, two days apart or more, at any time of day."""
    days = chance.permutation(np.arange(SCORED_FROM // A_DAY, DAYS - 1, 2))
    return [int(day * A_DAY + chance.integers(0, A_DAY)) for day in days]
