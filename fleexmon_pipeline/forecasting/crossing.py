"""When a rate that climbs crosses a threshold, and how sure that is.

Here: the judgement, from counts, without a database. Its arithmetic: `ramp.py`; what is done with it: `forecasts.py`,
`announce.py`; figures behind the constants: docs/decisions/0015.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from fleexmon_pipeline.forecasting.ramp import A_BIN, AN_HOUR, BINS, crossed_by, evidence, without_blips
from fleexmon_pipeline.numerics import Floats, poisson_derivatives

HOURS = BINS * A_BIN // AN_HOUR  # that are looked at; what is usual comes from those before
FARTHEST = 12  # hours in which even the cautious end of the interval must have crossed: else it is not said
SOONER = 6  # hours in which the middle must
OUTER = 0.1  # on both sides of the 80 % interval
SURE = 4.0  # log of how much better a ramp explains the last hours than what is usual does
NO_BURST = 3.5  # and than a burst does; more loses ramps, with less more than a third of what is said is wrong
MIN_ERRORS = 4  # in the last two hours
MIN_RISE = 1.5  # of the last three, in what is usual; not worth a closer look below
MIN_HISTORY = 24  # hours, without which nobody knows what is usual
MIN_USUAL = 1e-4  # a usual rate of none at all would make every first error a trend
CALM = 0.95  # of the past's hours say what is usual and how far hours stray; the others are incidents
MAX_LOAD = 1.2  # logs beyond the usual lines: what more does to errors is not known
STEADY = 4.0  # how firmly errors are held not to grow faster than lines, before a node's past says they do


@dataclass(frozen=True)
class Counts:
    """`errors` of `lines`, whole hours or slots up to now, oldest first; nan where they are not known."""

    errors: Floats
    lines: Floats


@dataclass(frozen=True)
class Crossing:
    """`hours`: the first of the coming hours whose rate is above the threshold, with its 80 % interval."""

    hours: int
    low: int
    high: int
    rate: float  # of the last hour
    usual: float  # with its load
    climbed: int  # hours


@dataclass(frozen=True)
class _Usual:
    """What the calm hours of the past were like."""

    base: float  # share of errors at the usual load
    growth: float  # with which power of the load it grows
    stray: float  # variance of an hour's errors, as a multiple of chance's

    def share(self, load: Floats) -> Floats:
        found: Floats = self.base * np.exp(self.growth * load)
        return found


def crossing(hours: Counts, beyond: Floats, slots: Counts, threshold: float) -> Crossing | None:
    """None where nothing surely climbs, or it is above already.

    `beyond`: log of each hour's lines, beyond what is usual of that hour; nan where that is not known. `slots`: of the
    last HOURS. What is usual, how it grows with load, and how far hours stray from it, comes from the hours before.
    """
    if not _may_climb(hours, threshold):
        return None
    load = _clipped(beyond)
    usual = _learnt(Counts(hours.errors[:-HOURS], hours.lines[:-HOURS]), load[:-HOURS])
    if usual is None or np.nansum(hours.errors[-3:]) < MIN_RISE * usual.base * np.nansum(hours.lines[-3:]):
        return None
    errors, lines = _binned(without_blips(np.nan_to_num(slots.errors))), _binned(np.nan_to_num(slots.lines))
    usual_lines = np.repeat(np.log1p(hours.lines[-HOURS:]) - beyond[-HOURS:], BINS // HOURS)
    bin_load = _clipped(np.log1p(lines * (BINS // HOURS)) - usual_lines)
    found = evidence(errors, lines, usual.share(bin_load), usual.stray, threshold)
    if found.ramp < SURE or found.ramp - max(found.burst, 0.0) < NO_BURST:
        return None
    share = float(usual.share(load[-1]))
    chances = crossed_by(found, FARTHEST, share, float(hours.lines[-1]), usual.stray, threshold)
    low, middle, high = (_first(chances, each) for each in (OUTER, 0.5, 1 - OUTER))
    if low is None or middle is None or high is None or middle > SOONER:
        return None
    rate = float(hours.errors[-1] / hours.lines[-1])
    return Crossing(middle, low, high, rate, share, ceil(found.began))


def _may_climb(hours: Counts, threshold: float) -> bool:
    """Whether the last two hours are known, hold some errors, and are not above the threshold."""
    errors, lines = hours.errors[-2:], hours.lines[-2:]
    if len(hours.errors) < HOURS + MIN_HISTORY or np.isnan(errors).any() or (lines <= 0).any():
        return False
    return bool(errors.sum() >= MIN_ERRORS and errors[-1] <= threshold * lines[-1])


def _learnt(past: Counts, load: Floats) -> _Usual | None:
    known = ~np.isnan(past.errors) & (past.lines > 0)
    if known.sum() < MIN_HISTORY:
        return None
    errors, lines, load = past.errors[known], past.lines[known], load[known]
    loud = errors / lines
    for _ in range(2):  # a busy hour is loud only beside others that are as busy
        calm = loud <= np.quantile(loud, CALM)
        base, growth = _with_load(errors[calm], lines[calm], load[calm])
        expected = base * np.exp(growth * load) * lines
        loud = (errors - expected) / np.sqrt(expected)
    strays = np.sort((errors - expected) ** 2 / expected)
    return _Usual(base, growth, max(1.0, float(strays[: ceil(len(strays) * CALM)].mean())))


def _clipped(load: Floats) -> Floats:
    """Not known is as usual."""
    found: Floats = np.clip(np.nan_to_num(load), -MAX_LOAD, MAX_LOAD)
    return found


def _binned(slots: Floats) -> Floats:
    found: Floats = slots.reshape(BINS, A_BIN).sum(axis=1)
    return found


def _with_load(errors: Floats, lines: Floats, load: Floats) -> tuple[float, float]:
    """The share at the usual load, and by which power of the load it grows (0 to 2): Poisson regression."""
    level, growth = float(np.log(max(errors.sum(), 0.5) / lines.sum())), 0.0
    for _ in range(8):  # Newton's steps; it has settled after five
        expected = lines * np.exp(level + growth * load)
        (of_level, of_growth), ((flat, mixed), (_, steep)) = poisson_derivatives(errors - expected, expected, load)
        of_growth -= growth * STEADY
        steep += STEADY
        both = flat * steep - mixed**2
        level += float((steep * of_level - mixed * of_growth) / both)
        growth = float(np.clip(growth + (flat * of_growth - mixed * of_level) / both, 0.0, 2.0))
    return max(float(np.exp(level)), MIN_USUAL), growth


def _first(chances: Floats, share: float) -> int | None:
    reached = np.flatnonzero(chances >= share)
    return int(reached[0]) + 1 if len(reached) else None
