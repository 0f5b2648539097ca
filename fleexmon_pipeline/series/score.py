"""Score a series: how surprising each value is, in which direction, and how rarely a healthy series shows as much.

Here: what detection and `score-series` call. What is expected: `expectation.py`; how rare an error is: `tail.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline.series.expectation import DAY_SECONDS, HOUR_SECONDS, errors
from fleexmon_pipeline.series.smoothing import moving_mean
from fleexmon_pipeline.series.tail import MIN_HISTORY, decades

LONG_HOURS = 3
MIN_DAY = 7  # values: a series with one value a day remembers a week where others remember a day
HOLD_SECONDS = 12 * HOUR_SECONDS  # what continues within it is the same incident

PEAK = 1.5  # decades: peaks above are counted
# Peaks a day of made series without incidents: 1.3 at intervals of 5 minutes, 0.3 at hours; how far they exceed PEAK.
USUAL_PEAKS_PER_DAY, USUAL_EXCESS = 1.3, 0.315
USUAL_INTERVAL_SECONDS, INTERVAL_POWER = 300, 0.6
PRIOR_PEAKS_PER_DAY, PRIOR_EXCESS = 0.6, 0.25  # lower: a series' own peaks are added to them
PRIOR_PEAKS = 10.0  # as if so many had been seen
MAX_EXCESS = 1.0  # decades: an incident in the past counts as a peak, not as what is usual


@dataclass(frozen=True)
class Scores:
    """One entry a value; 0 where a value is not a number.

    surprise: mean decades of improbability, below 0 where the value is lower than expected.
    peaks: its size where no value of the last 12 hours surprised as much, otherwise 0: one incident is one alarm.
    anomaly_score: 0 to 1. Peaks of 1 / (1 + rate) and more come about that often a day to series without incidents.
    alarms_per_day: how often this series has such a peak, by its own past and by what most series show.
    """

    surprise: Floats
    peaks: Floats
    anomaly_score: Floats
    alarms_per_day: Floats


def score(times: Ints, values: Floats, *, step: int | None = None) -> Scores:
    """Judge each value by those before it. A later value changes no earlier score, and a longer window none at all.

    times: seconds since 1970, in order; where a clock was set back it counts as standing still.
    values: any numbers; what is not a number is a gap and scores 0.
    step: seconds between values; the median of the first ones if not given.
    """
    surprise, peaks, anomaly_score = np.zeros((3, len(values)))
    alarms_per_day = np.full(len(values), np.inf)
    known = np.flatnonzero(~np.isnan(values))
    if len(known) > MIN_HISTORY:
        at, rooted = np.maximum.accumulate(times[known]), np.sign(values[known]) * np.sqrt(np.abs(values[known]))
        step = step or max(1, int(np.median(np.diff(at[:MIN_HISTORY]))))
        surprise[known] = _surprise(at, rooted, step)
        peaks[known] = peaks_of(at, np.abs(surprise[known]))
        anomaly_score[known] = _anomaly_score(peaks[known], step)
        alarms_per_day[known] = _alarms_per_day(at, peaks[known])
    return Scores(surprise, peaks, anomaly_score, alarms_per_day)


def _surprise(times: Ints, rooted: Floats, step: int) -> Floats:
    """Single values and means of hours, as errors against the last hour and against the days before."""
    hour, day = max(1.0, HOUR_SECONDS / step), max(MIN_DAY, DAY_SECONDS / step)
    sudden, lasting = errors(times, rooted, hour, day)
    views = [sudden, lasting, moving_mean(lasting, LONG_HOURS * hour)]
    if hour > 1:
        views += [moving_mean(sudden, hour), moving_mean(lasting, hour)]
    each = np.array([decades(np.abs(view)) for view in views])
    return np.asarray(np.where((np.sign(views) * each).sum(axis=0) < 0, -1, 1) * each.mean(axis=0))


def peaks_of(times: Ints, sizes: Floats) -> Floats:
    """Each size that is above all of the 12 hours before it; 0 for others."""
    result = np.zeros(len(sizes))
    recent: deque[int] = deque()  # descending in size
    for position, size in enumerate(sizes.tolist()):
        while recent and times[recent[0]] < times[position] - HOLD_SECONDS:
            recent.popleft()
        if not recent or size > sizes[recent[0]]:
            result[position] = size
        while recent and sizes[recent[-1]] <= size:
            recent.pop()
        recent.append(position)
    return result


def _anomaly_score(peaks: Floats, step: int) -> Floats:
    """By how often series without incidents have such a peak."""
    usual = USUAL_PEAKS_PER_DAY * (USUAL_INTERVAL_SECONDS / step) ** INTERVAL_POWER
    return np.where(peaks > 0, 1 / (1 + usual * np.exp((PEAK - peaks) / USUAL_EXCESS)), 0.0)


def _alarms_per_day(times: Ints, peaks: Floats) -> Floats:
    """How often a series like this one had such a peak, from its own past peaks and from what most series show."""
    high = peaks >= PEAK
    excess = np.minimum(np.where(high, peaks - PEAK, 0.0), MAX_EXCESS)
    count: Floats = np.cumsum(high) - high.astype(float)
    total: Floats = np.cumsum(excess) - excess
    days = (times - times[0]) / DAY_SECONDS
    often = (count + PRIOR_PEAKS) / (days + PRIOR_PEAKS / PRIOR_PEAKS_PER_DAY)
    scale = (total + PRIOR_PEAKS * PRIOR_EXCESS) / (count + PRIOR_PEAKS)
    with np.errstate(over="ignore"):
        return np.asarray(np.where(peaks > 0, often * np.exp((PEAK - peaks) / scale), np.inf))
