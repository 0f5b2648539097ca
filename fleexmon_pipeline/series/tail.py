"""How rare a size is among earlier sizes of the same series.

Here: the empirical distribution and, beyond it, a tail whose heaviness is estimated from the largest sizes (Hill's
estimator with a prior). Which sizes are scored: `score.py`.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.numerics import Flags, Floats

MIN_HISTORY = 10  # sizes; before that nothing is surprising
MAX_HISTORY = 8_064  # sizes: four weeks of five minutes
TAIL_SHARE, MIN_TAIL = 0.03, 5  # of the history is its tail, and at least so many sizes
PRIOR_HEAVINESS, PRIOR_WEIGHT = 0.35, 4.0  # of a tail; the weight in sizes
INCIDENT_SHARE, MIN_INCIDENTS = 0.01, 3  # the largest sizes: those within
INCIDENT_WIDTH = 36  # values of each other count once, so that one incident does not hide the next
MAX_DECADES = 12.0
_MAX_BLOCK, _GROWTH = 36, 20  # history is sorted again every 36 values, or when it grew by a twentieth


def decades(sizes: Floats, wanted: Flags | None = None) -> Floats:
    """For each size (0 or more): -log10 of the probability of one as large, estimated from the sizes before it.

    wanted: positions to compute; others are 0, and cost nothing.
    """
    result = np.zeros(len(sizes))
    begin = MIN_HISTORY
    while begin < len(sizes):
        end = min(len(sizes), begin + min(begin // _GROWTH + 1, _MAX_BLOCK))
        if wanted is None or wanted[begin:end].any():
            result[begin:end] = _against(_history(sizes[max(0, begin - MAX_HISTORY) : begin]), sizes[begin:end])
        begin = end
    return result


def _history(sizes: Floats) -> Floats:
    """The sizes, ascending; of an incident only the largest."""
    ordered = np.sort(sizes)
    large = ordered[-min(max(int(INCIDENT_SHARE * len(sizes)), MIN_INCIDENTS), len(sizes))]
    if large <= 0:
        return ordered
    at = np.flatnonzero(sizes >= large)
    begins = np.flatnonzero(np.diff(at, prepend=at[0] - INCIDENT_WIDTH - 1) > INCIDENT_WIDTH)
    incidents = np.sort(np.maximum.reduceat(sizes[at], begins))
    return np.concatenate([ordered[: len(sizes) - len(at)], incidents])


def _against(history: Floats, sizes: Floats) -> Floats:
    count = len(history)
    above_zero = count - int(np.searchsorted(history, 0.0, "right"))
    tail = min(max(int(TAIL_SHARE * count), MIN_TAIL), above_zero)
    chance = (count - np.searchsorted(history, sizes, "left") + 1) / (count + 1)
    if tail:
        begins = history[-tail]
        excess = np.log(history[-tail:] / begins).sum()
        heaviness = (excess + PRIOR_WEIGHT * PRIOR_HEAVINESS) / (tail + PRIOR_WEIGHT)
        beyond = tail / count * (np.maximum(sizes, begins) / begins) ** (-1 / heaviness)
        chance = np.where(sizes > begins, beyond, chance)
    return np.asarray(-np.log10(np.maximum(chance, 10.0**-MAX_DECADES)))
