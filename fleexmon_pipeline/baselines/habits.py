"""What comes again: at a time of day, a week later, by the clock; and what was reached before.

Here: figures of a pattern's, or a node's, lines by slot. What is learnt with them: `learn.py`; messages that are due:
`promises.py`.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.daily_profile import MIN_HABIT_DAYS, MIN_HABIT_LINES, PEAK, by_day
from fleexmon_pipeline.baselines.expectation import LOAD_SLOTS
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY
from fleexmon_pipeline.numerics import Flags, Floats, Ints

# By judgement.
OFTEN_PLACE = 2  # counted from 0: the third most surprising day or longest silence; two incidents do not move it
TWICE = 1  # the second: more lines are no failure, so what came on two days is expected again
AGAIN = 0.5  # of the highest surprise: as much is the same thing again
MIN_DAYS_WITH_HABIT = 0.6  # share of the days
HABIT_SLACK = 2  # lines above what a habit must be, so that one in a silent hour is none
HABIT_MARGIN = 1.2  # times its median day are expected
WEEKLY_SLACK = 6  # slots, half an hour, by which a weekly job may come sooner or later
LATE_SLOTS = 36  # 3 hours: a baseline serves until 03:00 of the next day
MIN_DIP_LINES = 8.0  # expected lines of a window: a ratio to fewer says little
MAX_DIP = 0.7  # share of the expected lines; the median of days without a dip lies around 1

# Patterns that a clock makes.
MIN_STEADY_HALF_HOURS = 24
MIN_STEADY_LINES = 3  # in half an hour
STEADY_QUANTILE = 0.8  # of the deviations
STEADY_VARIANCE = 0.25  # times that of chance


def steady_lines(row: Ints, known: Flags) -> float:
    """Lines a slot of a pattern that comes by the clock (a health check, a heartbeat); 0 for all others.

    Its counts vary less than chance would have them.
    """
    whole = len(row) // LOAD_SLOTS * LOAD_SLOTS
    counts = row[:whole].reshape(-1, LOAD_SLOTS).sum(axis=1)[known[:whole].reshape(-1, LOAD_SLOTS).all(axis=1)]
    if len(counts) < MIN_STEADY_HALF_HOURS or np.median(counts) < MIN_STEADY_LINES:
        return 0.0
    typical = float(np.median(counts))
    stray = float(np.quantile(np.abs(counts - typical), STEADY_QUANTILE))  # restarts and incidents lie above it
    return typical / LOAD_SLOTS if stray**2 <= STEADY_VARIANCE * typical else 0.0


def reached(days: Ints, surprises: Floats, place: int = OFTEN_PLACE) -> float:
    """The surprise of the third most surprising day, or of the one in another place. `days` ascend."""
    if not len(days):
        return 0.0
    daily = np.sort(np.maximum.reduceat(surprises, np.flatnonzero(np.diff(days, prepend=days[0] - 1))))[::-1]
    return float(daily[place]) if len(daily) > place else 0.0


def reached_again(days: Ints, surprises: Floats, place: int) -> float:
    """The surprise of the day in this place, of what is no failure; that of the most surprising day where this one has
    half as much: what comes on several days comes in different strengths, and may come as strong again."""
    highest, again = reached(days, surprises, 0), reached(days, surprises, place)
    return highest if again >= AGAIN * highest else again


def habits(sums: Floats, mean: Floats, known: Flags, day: Ints, of_day: Ints) -> dict[str, float]:
    """Times of day at which most days have many lines: slot of day → lines of the window that ends with it."""
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
    """Times of day at which most days have fewer lines than expected, a pause at noon: slot of day → share of the
    expected lines on the median day. Days on which next to nothing is expected have no say."""
    enough = known & (mean >= MIN_DIP_LINES)
    table = by_day(np.where(enough, seen / np.maximum(mean, MIN_DIP_LINES), 1.0), enough, day, of_day)
    days = (~np.isnan(table)).sum(axis=0)
    slots = np.flatnonzero(days >= MIN_HABIT_DAYS)
    if not len(slots):
        return {}
    typical = np.nanmedian(table[:, slots], axis=0)
    dip = typical < MAX_DIP
    return {str(slot): round(float(share), 3) for slot, share in zip(slots[dip], typical[dip], strict=True)}


def last_week(sums: Floats, mean: Floats) -> dict[str, float]:
    """Where the same time 7 or 14 days before had many more lines than expected: slots since the day began → lines.

    A weekly job is on one day of seven, so no habit of most days; and it starts some minutes sooner or later.
    """
    found: dict[str, float] = {}
    for back in (7 * SLOTS_A_DAY, 14 * SLOTS_A_DAY):
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
            found[key] = max(found.get(key, 0.0), round(float(around[slot]) * HABIT_MARGIN, 2))
    return found
