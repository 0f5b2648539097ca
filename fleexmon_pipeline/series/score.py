"""Score a series: how surprising each value is, in which direction, and how often a healthy series is as much.

Here: what detection and `score-series` call. What is expected: `expectation.py`; how rare an error is: `tail.py`.
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
HABIT_SECONDS = HOUR_SECONDS  # by which a weekly habit may come earlier or later
MIN_DAY = 7  # values: a series with one value a day remembers a week where others remember a day
HOLD_SECONDS = 12 * HOUR_SECONDS  # what continues within it is the same incident,
MIN_RISE = 0.5  # unless it surprises by that many decades more

PEAK = 1.6  # decades: incidents with more are counted
PRIOR_PEAKS_PER_DAY, PRIOR_EXCESS = 0.5, 0.3  # how many series without incidents have, and by how much they exceed PEAK
PRIOR_PEAKS = 10.0  # as if so many had been seen
MAX_EXCESS = 1.2  # decades: an incident in the past counts as a peak, not as what is usual
# Scores let through by `held`, of series without incidents: how many a day are above PEAK, at intervals of 5 minutes.
USUAL_PEAKS_PER_DAY, USUAL_EXCESS = 1.05, 0.385
USUAL_INTERVAL_SECONDS, INTERVAL_POWER = 300, 0.6  # a quarter of them at intervals of an hour


@dataclass(frozen=True)
class Past:
    """The peaks that a series had in `days`, and the sum of what they exceed PEAK by."""

    peaks: float | Floats
    excess: float | Floats
    days: float | Floats

    def alarms_per_day(self, sizes: Floats, step: int) -> Floats:
        """How often a series with this past surprises as much, by it and by what most series show."""
        usual = PRIOR_PEAKS_PER_DAY * max(1.0, (USUAL_INTERVAL_SECONDS / step) ** INTERVAL_POWER)
        often = (self.peaks + PRIOR_PEAKS) / (self.days + PRIOR_PEAKS / usual)
        scale = (self.excess + PRIOR_PEAKS * PRIOR_EXCESS) / (self.peaks + PRIOR_PEAKS)
        return np.asarray(often * np.exp((PEAK - sizes) / scale))


@dataclass(frozen=True)
class Scores:
    """One entry a value. A gap surprises by nothing, infinitely often.

    surprise: mean decades of improbability, below 0 where the value is lower than expected.
    alarms_per_day: how often this series surprises as much, by its own past and by what most series show.
    anomaly_score: 0 to 1, and 0 while an incident continues. Scores of 1 / (1 + r) and more come to a series without
    incidents about r times a day, by what most series show.
    """

    surprise: Floats
    alarms_per_day: Floats
    anomaly_score: Floats


def score(times: Ints, values: Floats, *, step: int | None = None, since: int = 0, past: Past | None = None) -> Scores:
    """Judge each value by those before it. No later value changes an earlier score.

    times: seconds since 1970, in order; where a clock was set back it counts as standing still.
    values: any numbers; what is not a finite number is a gap.
    step: seconds between values; the median of the first ones if not given.
    since, past: judge from this position on, by what `learn` found before: all else costs little. Without, the past is
    what came before each value in `values`.
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
    """What `score` needs to know of a series' own peaks, from its history."""
    known = np.isfinite(values)
    if not known.any():
        return Past(0.0, 0.0, 0.0)
    at = np.maximum.accumulate(times[known])
    sizes = np.abs(score(times, values, step=step).surprise[known])
    each = _past_of_each(np.append(at, at[-1]), np.append(sizes, 0.0))
    return Past(*(float(np.asarray(part)[-1]) for part in (each.peaks, each.excess, each.days)))


def _surprise(times: Ints, rooted: Floats, step: int, wanted: Flags) -> Floats:
    """Single values and means of hours, as errors against the last hour and against the days before."""
    hour, day = max(1.0, HOUR_SECONDS / step), max(MIN_DAY, DAY_SECONDS / step)
    sudden, lasting = errors(times, rooted, hour, day)
    views = [sudden, lasting, mean_of_last(lasting, round(LONG_HOURS * hour))]
    if hour > 1:
        views += [mean_of_last(sudden, round(hour)), mean_of_last(lasting, round(hour))]
    each = np.array([decades(np.abs(view), wanted) for view in views])
    return np.asarray(np.where((np.sign(views) * each).sum(axis=0) < 0, -1, 1) * each.mean(axis=0))


def _needed(times: Ints, judged: Flags) -> Flags:
    """What is judged, and the same hours of the weeks before."""
    needed = judged.copy()
    if judged.any():
        first, last = times[judged][0], times[judged][-1]
        for back in WEEK_SECONDS * np.arange(1, WEEKS + 1):
            begin = np.searchsorted(times, first - back - HABIT_SECONDS)
            needed[begin : np.searchsorted(times, last - back + HABIT_SECONDS, "right")] = True
    return needed


def _without_habits(times: Ints, surprises: Floats, judged: Flags) -> Floats:
    """What surprised as much at the same hour in two of the last four weeks surprises no more: jobs of a weekday.

    Positions that are not judged are 0.
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
    """Before each value. An incident counts when it is over, once, with its largest surprise."""
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
    """Each size, or 0 where it exceeds what was let through in the 12 hours before by less than `rise`."""
    result = np.zeros(len(sizes))
    last, until = 0.0, -inf
    for position, (time, size) in enumerate(zip(times.tolist(), sizes.tolist(), strict=True)):
        if size > 0 and (time > until or size > last + rise):
            result[position] = last = size
            until = time + HOLD_SECONDS
    return result


def _anomaly_score(peaks: Floats, step: int) -> Floats:
    """By how often series without incidents have such a peak."""
    usual = USUAL_PEAKS_PER_DAY * (USUAL_INTERVAL_SECONDS / step) ** INTERVAL_POWER
    return np.asarray(np.where(peaks > 0, 1 / (1 + usual * np.exp((PEAK - peaks) / USUAL_EXCESS)), 0.0))
