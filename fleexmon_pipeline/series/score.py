"""Score a series: how surprising each value is, in which direction, and how often healthy series are as surprising.

Here: the functions that detection and `score-series` call. Predictions: `expectation.py`; rarity of errors: `tail.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from fleexmon_pipeline.numerics import Flags, Floats, Ints
from fleexmon_pipeline.series.expectation import DAY_SECONDS, HOUR_SECONDS, WEEK_SECONDS, WEEKS, errors
from fleexmon_pipeline.series.smoothing import mean_of_last
from fleexmon_pipeline.series.tail import MIN_HISTORY, decades

LONG_HOURS = 3
HABIT_SECONDS = HOUR_SECONDS  # a weekly habit may come so much earlier or later
MIN_DAY = 7  # values of a "day" at least: a series with one value a day has a memory of a week instead
HOLD_SECONDS = 12 * HOUR_SECONDS  # a surprise within this time belongs to the same incident,
MIN_RISE = 0.5  # unless it is this many decades larger

PEAK = 1.6  # decades: larger incidents are counted
PRIOR_PEAKS_PER_DAY, PRIOR_EXCESS = 0.5, 0.3  # how many series without incidents have, and by how much they exceed PEAK
PRIOR_PEAKS = 10.0  # weight of the prior, in peaks
MAX_EXCESS = 1.2  # decades: a past incident counts as a peak, but its size must not become usual
# Scores that `held` lets through, in series without incidents: how many a day exceed PEAK, at intervals of 5 minutes.
USUAL_PEAKS_PER_DAY, USUAL_EXCESS = 1.05, 0.385
USUAL_INTERVAL_SECONDS, INTERVAL_POWER = 300, 0.6  # a quarter of them at intervals of an hour


@dataclass(frozen=True)
class Past:
    """The number of peaks that a series had in `days`, and the sum of their excesses over PEAK."""

    peaks: float | Floats
    excess: float | Floats
    days: float | Floats

    def alarms_per_day(self, sizes: Floats, step: int) -> Floats:
        """How often a series with this past is as surprising, estimated from its past and from most series."""
        usual = PRIOR_PEAKS_PER_DAY * max(1.0, (USUAL_INTERVAL_SECONDS / step) ** INTERVAL_POWER)
        often = (self.peaks + PRIOR_PEAKS) / (self.days + PRIOR_PEAKS / usual)
        scale = (self.excess + PRIOR_PEAKS * PRIOR_EXCESS) / (self.peaks + PRIOR_PEAKS)
        return np.asarray(often * np.exp((PEAK - sizes) / scale))


@dataclass(frozen=True)
class Scores:
    """One entry for each value. A gap has surprise 0, and infinite alarms_per_day.

    surprise: mean decades of improbability; negative if the value is lower than expected.
    alarms_per_day: how often this series is as surprising, estimated from its own past and from most series.
    anomaly_score: 0 to 1, and 0 while an incident continues. In most series without incidents, a score of at least
    1 / (1 + r) occurs about r times a day.
    """

    surprise: Floats
    alarms_per_day: Floats
    anomaly_score: Floats


def score(times: Ints, values: Floats, *, step: int | None = None, since: int = 0, past: Past | None = None) -> Scores:
    """Score each value by the values before it. No later value changes an earlier score.

    times: seconds since 1970, in order; a clock that was set back counts as standing still.
    values: any numbers; NaN and infinite values are gaps.
    step: seconds between values; the median of the first ones if not given.
    since, past: score from this position on, with the past that `learn` found, which saves time. Without them, the past
    of each value is the values before it.
    """
    surprise, anomaly_score = np.zeros((2, len(values)))
    alarms_per_day = np.full(len(values), inf)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > MIN_HISTORY:
        at, rooted = np.maximum.accumulate(times[known]), np.sign(values[known]) * np.sqrt(np.abs(values[known]))
        step = step or max(1, int(np.median(np.diff(at[:MIN_HISTORY]))))
        judged = known >= since
        surprises = _without_habits(at, _surprise(at, rooted, step, _needed(at, judged)), judged)
        sizes = np.abs(surprises)
        surprise[known] = surprises
        alarms_per_day[known[judged]] = (past or _past_of_each(at, sizes)).alarms_per_day(sizes, step)[judged]
        anomaly_score[known] = _anomaly_score(held(at, sizes), step)
    return Scores(surprise, alarms_per_day, anomaly_score)


def learn(times: Ints, values: Floats, *, step: int | None = None) -> Past:
    """Learn from its history what `score` needs to know about a series' own peaks."""
    known = np.isfinite(values)
    if not known.any():
        return Past(0.0, 0.0, 0.0)
    at = np.maximum.accumulate(times[known])
    sizes = np.abs(score(times, values, step=step).surprise[known])
    each = _past_of_each(np.append(at, at[-1]), np.append(sizes, 0.0))
    return Past(*(float(np.asarray(part)[-1]) for part in (each.peaks, each.excess, each.days)))


def _surprise(times: Ints, rooted: Floats, step: int, wanted: Flags) -> Floats:
    """The surprise of single values and of hourly means, each compared with the last hour and with the days before."""
    hour, day = max(1.0, HOUR_SECONDS / step), max(MIN_DAY, DAY_SECONDS / step)
    sudden, lasting = errors(times, rooted, hour, day)
    views = [sudden, lasting, mean_of_last(lasting, round(LONG_HOURS * hour))]
    if hour > 1:
        views += [mean_of_last(sudden, round(hour)), mean_of_last(lasting, round(hour))]
    each = np.array([decades(np.abs(view), wanted) for view in views])
    return np.asarray(np.where((np.sign(views) * each).sum(axis=0) < 0, -1, 1) * each.mean(axis=0))


def _needed(times: Ints, judged: Flags) -> Flags:
    """The scored values, and the same hours of the weeks before."""
    needed = judged.copy()
    if judged.any():
        first, last = times[judged][0], times[judged][-1]
        for back in WEEK_SECONDS * np.arange(1, WEEKS + 1):
            begin = np.searchsorted(times, first - back - HABIT_SECONDS)
            needed[begin : np.searchsorted(times, last - back + HABIT_SECONDS, "right")] = True
    return needed


def _without_habits(times: Ints, surprises: Floats, judged: Flags) -> Floats:
    """Without surprises that occurred as large at the same hour in two of the last four weeks: weekly jobs.

    Other positions than `judged` are 0.
    """
    result = np.where(judged, surprises, 0.0)
    for position in np.flatnonzero(judged & (np.abs(surprises) >= PEAK)):
        side, weeks = np.sign(surprises[position]), np.zeros(WEEKS)
        for week in range(WEEKS):
            same = times[position] - (week + 1) * WEEK_SECONDS
            begin, end = np.searchsorted(times, [same - HABIT_SECONDS, same + HABIT_SECONDS + 1])
            weeks[week] = np.max(side * surprises[begin:end], initial=0.0)
        habit = np.sort(weeks)[-2]
        if habit >= PEAK:
            result[position] = side * max(side * surprises[position] - habit, 0.0)
    return np.asarray(result)


def _past_of_each(times: Ints, sizes: Floats) -> Past:
    """The past before each value. An incident is counted once, when it is over, with its largest surprise."""
    peaks, excess = np.zeros((2, len(sizes)))
    count, total, largest, until = 0, 0.0, 0.0, -inf
    for position, (time, size) in enumerate(zip(times.tolist(), sizes.tolist(), strict=True)):
        if largest and time > until:
            count, total, largest = count + 1, total + min(largest - PEAK, MAX_EXCESS), 0.0
        peaks[position], excess[position] = count, total
        if size > max(PEAK, largest):
            largest, until = size, time + HOLD_SECONDS
    return Past(peaks, excess, (times - times[0]) / DAY_SECONDS)


def held(times: Ints, sizes: Floats, rise: float = MIN_RISE) -> Floats:
    """Each size; 0 unless it exceeds the largest that was let through in the 12 hours before by at least `rise`."""
    result = np.zeros(len(sizes))
    last, until = 0.0, -inf
    for position, (time, size) in enumerate(zip(times.tolist(), sizes.tolist(), strict=True)):
        if size > 0 and (time > until or size > last + rise):
            result[position] = last = size
            until = time + HOLD_SECONDS
    return result


def _anomaly_score(peaks: Floats, step: int) -> Floats:
    """The score of a peak: from how often series without incidents have such a peak."""
    usual = USUAL_PEAKS_PER_DAY * (USUAL_INTERVAL_SECONDS / step) ** INTERVAL_POWER
    return np.asarray(np.where(peaks > 0, 1 / (1 + usual * np.exp((PEAK - peaks) / USUAL_EXCESS)), 0.0))
