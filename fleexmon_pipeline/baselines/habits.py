"""Repetition in lines by slot: daily habits, weekly jobs, steady patterns, pauses, and surprises reached before.

Learning with these figures: `learn.py`; scheduled messages: `promises.py`.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.daily_profile import MIN_HABIT_DAYS, MIN_HABIT_LINES, PEAK, by_day
from fleexmon_pipeline.baselines.slot_grid import LOAD_SLOTS, SLOTS_A_DAY
from fleexmon_pipeline.numerics import Flags, Floats, Ints

# Chosen by judgement.
THIRD_DAY = 2  # rank from 0: the third most surprising day or longest silence, which two incidents do not move
SECOND_DAY = 1  # rank: more lines are not a failure, so what came on two days is expected again
MIN_AGAIN = 0.5  # share of the highest surprise from which on another day counts as a repetition
MIN_DAYS_WITH_HABIT = 0.6  # share of the days
HABIT_SLACK = 2  # lines above the threshold of a habit, so that a single line in a silent hour is none
HABIT_MARGIN = 1.2  # times the lines of the median day are expected
WEEKS_BACK = (7 * SLOTS_A_DAY, 14 * SLOTS_A_DAY)
WEEKLY_SLACK = 6  # slots, half an hour, by which a weekly job may come earlier or later
LATE_SLOTS = 36  # 3 hours: a baseline is used until 03:00 of the next day
MIN_DIP_LINES = 8.0  # expected lines of a window; ratios to fewer are unreliable
MIN_FALL = 3.0  # surprise of a fall that is expected again a week later, the lowest limit of all rules
MAX_DIP = 0.7  # share of the expected lines; the median of days without a dip is about 1

# Steady patterns.
MIN_STEADY_HALF_HOURS = 24
MIN_STEADY_LINES = 3  # in half an hour
STEADY_QUANTILE = 0.8  # of the deviations
STEADY_VARIANCE = 0.25  # times that of chance


def steady_lines(row: Ints, known: Flags) -> float:
    """Lines a slot of a pattern that comes at regular times (a health check, a heartbeat); 0 for all others.

    Its counts vary less than random ones.
    """
    whole = len(row) // LOAD_SLOTS * LOAD_SLOTS
    counts = row[:whole].reshape(-1, LOAD_SLOTS).sum(axis=1)[known[:whole].reshape(-1, LOAD_SLOTS).all(axis=1)]
    if len(counts) < MIN_STEADY_HALF_HOURS or np.median(counts) < MIN_STEADY_LINES:
        return 0.0
    typical = float(np.median(counts))
    stray = float(np.quantile(np.abs(counts - typical), STEADY_QUANTILE))  # restarts and incidents are above it
    return typical / LOAD_SLOTS if stray**2 <= STEADY_VARIANCE * typical else 0.0


def reached(days: Ints, surprises: Floats, rank: int = THIRD_DAY) -> float:
    """The highest surprise of the day with this rank, from 0 for the most surprising day. `days` ascend."""
    if not len(days):
        return 0.0
    daily = np.sort(np.maximum.reduceat(surprises, np.flatnonzero(np.diff(days, prepend=days[0] - 1))))[::-1]
    return float(daily[rank]) if len(daily) > rank else 0.0


def reached_again(days: Ints, surprises: Floats, rank: int) -> float:
    """For non-failures: the surprise of the most surprising day, if the day with this rank has at least half of it;
    else that of the ranked day. An event that repeats may be as strong again."""
    highest, again = reached(days, surprises, 0), reached(days, surprises, rank)
    return highest if again >= MIN_AGAIN * highest else again


def habits(sums: Floats, mean: Floats, known: Flags, day: Ints, of_day: Ints) -> dict[str, float]:
    """Times of day with many lines on most days: slot of day → lines of the window that ends with it."""
    table = by_day(sums, known, day, of_day)
    if table.shape[0] < MIN_HABIT_DAYS:
        return {}
    expected, table = np.nan_to_num(by_day(mean, known, day, of_day)), np.nan_to_num(table)
    frequent = np.mean(table > PEAK * expected + HABIT_SLACK, axis=0) >= MIN_DAYS_WITH_HABIT
    if not frequent.any():
        return {}
    typical = np.median(table, axis=0)
    slots = np.flatnonzero(frequent & (typical >= MIN_HABIT_LINES))
    return {str(slot): round(float(typical[slot]) * HABIT_MARGIN, 2) for slot in slots}


def dips(seen: Floats, mean: Floats, known: Flags, day: Ints, of_day: Ints) -> dict[str, float]:
    """Times of day with fewer lines than expected on most days (a pause at noon): slot of day → share of the expected
    lines on the median day. Days with hardly any expected lines do not count."""
    enough = known & (mean >= MIN_DIP_LINES)
    table = by_day(np.where(enough, seen / np.maximum(mean, MIN_DIP_LINES), 1.0), enough, day, of_day)
    days = (~np.isnan(table)).sum(axis=0)
    slots = np.flatnonzero(days >= MIN_HABIT_DAYS)
    if not len(slots):
        return {}
    typical = np.nanmedian(table[:, slots], axis=0)
    dip = typical < MAX_DIP
    return {str(slot): round(float(share), 3) for slot, share in zip(slots[dip], typical[dip], strict=True)}


def weekly_falls(seen: Floats, mean: Floats, surprises: Floats) -> dict[str, float]:
    """Times with improbably few lines 7 days before and 14 days before, half an hour earlier or later (a node that is
    drained every Wednesday): slots since the day began → share of the expected lines, the higher of both weeks.

    One week is not enough: a job that failed a week ago is missed again today.
    """
    weeks: list[dict[int, float]] = []
    of_expected = np.where(surprises >= MIN_FALL, seen / np.maximum(mean, 1e-9), 1.0)
    for back in WEEKS_BACK:
        start = len(seen) - back
        since = max(start - WEEKLY_SLACK, 0)
        fell = of_expected[since : max(start + SLOTS_A_DAY + LATE_SLOTS + WEEKLY_SLACK, 0)] < MAX_DIP
        shares: dict[int, float] = {}
        for place in np.flatnonzero(fell).tolist():
            for near in range(-WEEKLY_SLACK, WEEKLY_SLACK + 1):
                slot = since + place + near - start
                shares[slot] = min(shares.get(slot, 1.0), float(of_expected[since + place]))
        weeks.append(shares)
    both = weeks[0].keys() & weeks[1].keys()
    return {str(slot): round(max(week[slot] for week in weeks), 3) for slot in sorted(both)}


def last_week(sums: Floats, mean: Floats) -> dict[str, float]:
    """Times that had many more lines than expected 7 or 14 days before: slots since the day began → lines.

    A weekly job is on one day of seven, so it is not a habit of most days, and it starts some minutes earlier or later.
    """
    lines_by_slot: dict[str, float] = {}
    for back in WEEKS_BACK:
        start = len(sums) - back
        if start < 0:
            continue
        since = max(start - WEEKLY_SLACK, 0)
        until = min(start + SLOTS_A_DAY + LATE_SLOTS + WEEKLY_SLACK, len(sums))
        then, expected = sums[since:until], mean[since:until]
        many = (then > PEAK * expected + HABIT_SLACK) & (then >= MIN_HABIT_LINES)
        if not many.any():
            continue
        lines, around = np.where(many, then, 0.0), np.zeros(len(then) + 2 * WEEKLY_SLACK)
        for near in range(2 * WEEKLY_SLACK + 1):
            part = around[near : near + len(then)]
            np.maximum(part, lines, out=part)
        for slot in np.flatnonzero(around).tolist():
            key = str(slot + since - start - WEEKLY_SLACK)
            lines_by_slot[key] = max(lines_by_slot.get(key, 0.0), round(float(around[slot]) * HABIT_MARGIN, 2))
    return lines_by_slot
