"""Regressions and moments of past counts, robust against incidents: load, how long it lasts, and spread.

Learning with them: `learn.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from fleexmon_pipeline.baselines.expectation import load_of
from fleexmon_pipeline.baselines.slot_grid import LOAD_SLOTS, SLOTS_AN_HOUR, trailing
from fleexmon_pipeline.numerics import Flags, Floats, Ints, dispersion, excess_variance

# Docs/decisions/0018 explains the methods: winsorised means, a power law over half hours. The numbers below were chosen
# by judgement, not by experiment.
MIN_SHARE = 1e-6  # share of a node's lines assumed for a group without lines
MIN_EXPECTED = 1e-9  # lines to divide by

# The regression of errors and warnings on the load.
NEWTON_STEPS = 12
MAX_STEP = 1.0  # of offset and power, in one of Newton's steps
START_QUANTILE = 0.95  # half hours are capped at it for the regression's starting point
MAX_DEVIATIONS = 2.5  # standard deviations above the expected count at which half hours are capped
TYPICAL_SPREAD = 0.2  # over-dispersion of a typical error, assumed until a node's own is known
OFFSET_PRIOR = 0.5  # lines, the weight of the offset's prior
POWER_PRIOR = 20.0  # lines, the weight of the powers' prior, which is 1
MAX_POWER = 3.0
MAX_ALONG = 2.0
MIN_EVIDENCE = 3.0  # standard errors by which the power of the time of day must differ from 1

# How much of an hour's load continues.
MIN_HALF_HOURS = 20  # to learn it from
DEFAULT_CARRY = 0.5
MAX_LOG_LOAD = 1.0  # on both sides

# The spread of counts.
MIN_SPREAD, MAX_SPREAD = 0.02, 3.0
SPREAD_QUANTILE = 0.98  # of the squared errors, at which they are capped

# Lines that come together.
MIN_STEPS = 24  # between neighbouring slots; with fewer, lines are taken to come alone
MIN_LINES_A_SLOT = 0.5  # in the hour around a step; fewer lines do not show how they come


def _typical_variance(mean: Floats) -> Floats:
    return np.asarray(mean + TYPICAL_SPREAD * mean**2)


@dataclass(frozen=True)
class _HalfHours:
    """Lines of a group in half hours, expected lines, and logarithms of the regressors: load and time of day."""

    seen: Floats
    expected: Floats
    follows: Floats

    def fit(self, start: Floats, given: float | None = None) -> Floats:
        """Offset, power and along - 1 by Newton's method, with large values capped. given: a fixed along - 1."""
        powers = start.copy()
        prior_powers = np.array([0.0, 1.0, 0.0])
        prior = np.array([0.0, POWER_PRIOR, POWER_PRIOR])
        free = slice(None) if given is None else slice(2)
        for _ in range(NEWTON_STEPS):
            residual, curvature = self._derivatives(powers)
            slope = (self.follows @ residual - prior * (powers - prior_powers))[free]
            curvature = (curvature + np.diag([OFFSET_PRIOR, POWER_PRIOR, POWER_PRIOR]))[free, free]
            powers[free] += np.clip(np.linalg.solve(curvature, slope), -MAX_STEP, MAX_STEP)
            powers[1] = min(max(powers[1], 0.0), MAX_POWER)
            powers[2] = min(max(powers[2], -1.0), MAX_ALONG - 1)
        return powers

    def error_of_along(self, powers: Floats) -> float:
        """The standard error of `along` for any distribution of the lines (White's estimate)."""
        residual, curvature = self._derivatives(powers)
        scores = self.follows * residual
        inverse = np.linalg.inv(curvature + np.diag([OFFSET_PRIOR, POWER_PRIOR, POWER_PRIOR]))
        return float(np.sqrt((inverse @ (scores @ scores.T) @ inverse)[2, 2]))

    def _derivatives(self, powers: Floats) -> tuple[Floats, Floats]:
        mean = self.expected * np.exp(powers @ self.follows)
        capped = np.minimum(self.seen, mean + MAX_DEVIATIONS * np.sqrt(_typical_variance(mean)) + 1)
        weight = 1 / (1 + TYPICAL_SPREAD * mean)  # lower for large means, whose variance exceeds chance
        return (capped - mean) * weight, (self.follows * (mean * weight)) @ self.follows.T


def rate(lines: Ints, base: Floats, load: Floats, known: Flags, middle: float) -> tuple[float, float, float]:
    """Offset, power and `along` of a regression over half hours, with large values capped:

    log(lines) = offset + log(base) + power * log(load) + (along - 1) * log(base / middle)

    The prior of both powers is 1 (lines grow in proportion to the load and to the time of day's traffic), with the
    weight of POWER_PRIOR lines. In addition, `along` stays 1 unless the past contradicts by MIN_EVIDENCE standard
    errors, and is closer to 1 the less the evidence exceeds that. middle: mean lines a slot over the day.
    """
    ends = slice(LOAD_SLOTS - 1, None, LOAD_SLOTS)
    whole = trailing(known.astype(float), LOAD_SLOTS)[ends] == LOAD_SLOTS
    seen, expected = trailing(lines, LOAD_SLOTS)[ends][whole], trailing(base, LOAD_SLOTS)[ends][whole]
    if not len(seen):
        return log(MIN_SHARE), 1.0, 1.0
    expected = np.maximum(expected, MIN_EXPECTED)
    follows = np.stack([np.ones(len(seen)), np.log(load[ends][whole]), np.log(expected / (LOAD_SLOTS * middle))])
    half_hours = _HalfHours(seen, expected, follows)
    total = float(np.minimum(seen, np.quantile(seen, START_QUANTILE)).sum())
    start = np.array([log((total + OFFSET_PRIOR) / max(float(expected.sum()), 1)), 1.0, 0.0])
    free = half_hours.fit(start)
    evidence = (free[2] / max(half_hours.error_of_along(free), 1e-9)) ** 2
    free[2] *= max(1 - MIN_EVIDENCE**2 / max(evidence, 1e-9), 0.0)
    offset, power, beyond = map(float, half_hours.fit(free, given=free[2]))
    return offset, power, beyond + 1


def carry(lines: Ints, base: Floats, known: Flags) -> float:
    """How much of an hour's load is left in the next half hour: the slope between their logarithms."""
    has_lines = known & (lines > 0)
    before = load_of(lines, base, has_lines, SLOTS_AN_HOUR)
    after = load_of(lines, base, np.ones(len(lines), bool), LOAD_SLOTS)
    log_before = np.log(before)[SLOTS_AN_HOUR - 1 : -LOAD_SLOTS : LOAD_SLOTS]
    log_after = np.log(after)[SLOTS_AN_HOUR - 1 + LOAD_SLOTS :: LOAD_SLOTS]
    size = min(len(log_before), len(log_after))
    if size < MIN_HALF_HOURS:
        return DEFAULT_CARRY
    log_before, log_after = (np.clip(load[:size], -MAX_LOG_LOAD, MAX_LOG_LOAD) for load in (log_before, log_after))
    slope = float((log_before * log_after).sum() / max((log_before**2).sum(), 1e-9))
    return min(max(slope, 0.0), 1.0)


def spread(seen: Floats, mean: Floats, whole: Flags) -> float:
    """Over-dispersion by moments, with the largest squares capped."""
    seen, mean = seen[whole], mean[whole]
    if not len(seen) or mean.sum() <= 0:
        return TYPICAL_SPREAD
    squares = (seen - mean) ** 2
    variance = np.maximum(_typical_variance(mean), MIN_EXPECTED)
    squares = np.minimum(squares, np.quantile(squares / variance, SPREAD_QUANTILE) * variance)
    return float(dispersion(*excess_variance(squares, mean), MIN_SPREAD, MAX_SPREAD))


def lines_an_event(lines: Ints, known: Flags, by_clock: Floats | None = None) -> float:
    """How many lines come together: 1 where each comes alone, 40 where each request of a service logs 40.

    The variance of the steps between neighbouring slots, divided by the variance of lines that come alone. Steps above
    the SPREAD_QUANTILE are winsorised. Only the quieter half of the slots counts: there, changes of the load add least.
    `by_clock`: lines expected by the time of day. Their steps are subtracted first.
    """
    hour = np.ones(SLOTS_AN_HOUR + 1)
    around = np.convolve(lines * known, hour, "same") / np.maximum(np.convolve(known, hour, "same"), 1.0)
    chance = around[1:] + around[:-1]
    steps = np.diff(lines) - (0.0 if by_clock is None else np.diff(by_clock))
    counted = known[1:] & known[:-1] & (chance >= 2 * MIN_LINES_A_SLOT)
    if counted.sum() < MIN_STEPS:
        return 1.0
    counted &= chance <= np.median(chance[counted])
    squares, chance = steps[counted] ** 2, chance[counted]
    squares = np.minimum(squares, np.quantile(squares / chance, SPREAD_QUANTILE) * chance)
    return max(float(squares.sum() / chance.sum()), 1.0)
