"""When a rate that climbs crosses a threshold, and how sure that is.

Here: the decision, from counts, without a database. Its arithmetic: `ramp.py`; its callers: `forecasts.py`,
`announce.py`; the figures behind the constants: docs/decisions/0015.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from fleexmon_pipeline.forecasting.ramp import A_BIN, AN_HOUR, BINS, crossed_by, weigh, without_blips
from fleexmon_pipeline.numerics import Floats, poisson_derivatives

HOURS = BINS * A_BIN // AN_HOUR  # in which a ramp is looked for; what is normal comes from the hours before
MAX_HOURS = 12  # by which even the cautious end of the interval must have crossed, or nothing is announced
MAX_MEDIAN_HOURS = 6  # by which the middle must
TAIL = 0.1  # on both sides of the 80 % interval
MIN_EVIDENCE = 4.0  # log of how much better a ramp explains the last hours than normal hours do
MIN_OVER_BURST = 3.5  # and than a burst does; more misses ramps, with less over a third of announcements are wrong
MIN_ERRORS = 4  # in the last two hours
MIN_RISE = 1.5  # of the last three hours, times the normal share; less is not worth a closer look
MIN_HISTORY = 24  # hours, to know what is normal
MIN_NORMAL = 1e-4  # a normal share of zero would make every first error a trend
CALM = 0.95  # of the past's hours show what is normal and how far hours stray; the others are incidents
MAX_LOAD = 1.2  # log of the lines beyond the normal: what more load does to errors is not known
GROWTH_PRIOR = 4.0  # how firmly errors are assumed not to grow faster than lines, until a node's past shows it
MAX_GROWTH = 2.0
NEWTON_STEPS = 8  # it has settled after five


@dataclass(frozen=True)
class Counts:
    """`errors` of `lines`, whole hours or slots up to now, oldest first; nan where not known."""

    errors: Floats
    lines: Floats


@dataclass(frozen=True)
class Crossing:
    """`hours`: the first of the coming hours whose rate is above the threshold, with its 80 % interval."""

    hours: int
    low: int
    high: int
    rate: float  # of the last hour
    usual: float  # normal share at the load of that hour
    climbed: int  # hours


@dataclass(frozen=True)
class _Normal:
    """What the calm hours of the past were like."""

    base: float  # share of errors at the normal load
    growth: float  # power of the load by which it grows
    stray: float  # variance of an hour's errors, as a multiple of chance's

    def share(self, load: Floats) -> Floats:
        share: Floats = self.base * np.exp(self.growth * load)
        return share


def crossing(hours: Counts, residuals: Floats, slots: Counts, threshold: float) -> Crossing | None:
    """None where nothing surely climbs, or the rate is already above the threshold.

    `residuals`: log of each hour's lines, minus the normal of that hour; nan where not known. `slots`: of the last
    HOURS.
    The normal share, how it grows with load, and how far hours stray from it, come from the hours before.
    """
    if not _may_climb(hours, threshold):
        return None
    load = _clipped(residuals)
    normal = _learn(Counts(hours.errors[:-HOURS], hours.lines[:-HOURS]), load[:-HOURS])
    if normal is None or np.nansum(hours.errors[-3:]) < MIN_RISE * normal.base * np.nansum(hours.lines[-3:]):
        return None
    errors, lines = _binned(without_blips(np.nan_to_num(slots.errors))), _binned(np.nan_to_num(slots.lines))
    normal_lines = np.repeat(np.log1p(hours.lines[-HOURS:]) - residuals[-HOURS:], BINS // HOURS)
    bin_load = _clipped(np.log1p(lines * (BINS // HOURS)) - normal_lines)
    evidence = weigh(errors, lines, normal.share(bin_load), normal.stray, threshold)
    if evidence.ramp < MIN_EVIDENCE or evidence.ramp - max(evidence.burst, 0.0) < MIN_OVER_BURST:
        return None
    share = float(normal.share(load[-1]))
    chances = crossed_by(evidence, MAX_HOURS, share, float(hours.lines[-1]), normal.stray, threshold)
    low, middle, high = (_first(chances, quantile) for quantile in (TAIL, 0.5, 1 - TAIL))
    if low is None or middle is None or high is None or middle > MAX_MEDIAN_HOURS:
        return None
    rate = float(hours.errors[-1] / hours.lines[-1])
    return Crossing(middle, low, high, rate, share, ceil(evidence.began))


def _may_climb(hours: Counts, threshold: float) -> bool:
    """Whether the last two hours are known, hold some errors, and are not above the threshold."""
    errors, lines = hours.errors[-2:], hours.lines[-2:]
    if len(hours.errors) < HOURS + MIN_HISTORY or np.isnan(errors).any() or (lines <= 0).any():
        return False
    return bool(errors.sum() >= MIN_ERRORS and errors[-1] <= threshold * lines[-1])


def _learn(past: Counts, load: Floats) -> _Normal | None:
    known = ~np.isnan(past.errors) & (past.lines > 0)
    if known.sum() < MIN_HISTORY:
        return None
    errors, lines, load = past.errors[known], past.lines[known], load[known]
    loud = errors / lines
    for _ in range(2):  # a busy hour is loud only compared with others as busy
        calm = loud <= np.quantile(loud, CALM)
        base, growth = _with_load(errors[calm], lines[calm], load[calm])
        expected = base * np.exp(growth * load) * lines
        loud = (errors - expected) / np.sqrt(expected)
    strays = np.sort((errors - expected) ** 2 / expected)
    return _Normal(base, growth, max(1.0, float(strays[: ceil(len(strays) * CALM)].mean())))


def _clipped(load: Floats) -> Floats:
    """A load that is not known counts as normal."""
    clipped: Floats = np.clip(np.nan_to_num(load), -MAX_LOAD, MAX_LOAD)
    return clipped


def _binned(slots: Floats) -> Floats:
    bins: Floats = slots.reshape(BINS, A_BIN).sum(axis=1)
    return bins


def _with_load(errors: Floats, lines: Floats, load: Floats) -> tuple[float, float]:
    """The share at the normal load, and the power of the load by which it grows: Poisson regression."""
    level, growth = float(np.log(max(errors.sum(), 0.5) / lines.sum())), 0.0
    for _ in range(NEWTON_STEPS):
        expected = lines * np.exp(level + growth * load)
        (of_level, of_growth), ((flat, mixed), (_, steep)) = poisson_derivatives(errors - expected, expected, load)
        of_growth -= growth * GROWTH_PRIOR
        steep += GROWTH_PRIOR
        both = flat * steep - mixed**2
        level += float((steep * of_level - mixed * of_growth) / both)
        growth = float(np.clip(growth + (flat * of_growth - mixed * of_level) / both, 0.0, MAX_GROWTH))
    return max(float(np.exp(level)), MIN_NORMAL), growth


def _first(chances: Floats, share: float) -> int | None:
    reached = np.flatnonzero(chances >= share)
    return int(reached[0]) + 1 if len(reached) else None
