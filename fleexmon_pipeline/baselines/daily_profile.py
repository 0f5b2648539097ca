"""A node's lines by time of day, as most days have them: medians and trimmed means over whole days."""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY
from fleexmon_pipeline.numerics import Flags, Floats, Ints, is_weekend

# Docs/decisions/0018 requires figures that a tenth of bad hours does not move. The numbers were chosen by judgement,
# not by experiment.
SMOOTH = 12  # slots on both sides that are averaged into the profile at a time of day
PEAK = 1.5  # times the smooth profile; a slot above it on most days is a habit, not chance
MIN_DAY_COVERAGE = 0.7  # of a day's slots, for its total to count
MIN_DAYS_OF_KIND = 2  # weekend days, and as many weekdays, needed to compare them
MIN_WEEKEND, MAX_WEEKEND = 0.05, 20.0
MIN_DAYS_WITH_HABIT = 0.7  # share of the days
MIN_HABIT_LINES = 3  # on the median day
MIN_HABIT_DAYS = 4
TRIMMED = 5  # the highest fifth of the days is left out: incidents are on few days
MIN_RATE = 1e-3  # lines a slot


def profile(first: int, lines: Ints, known: Flags) -> tuple[Floats, float]:
    """Lines a slot by time of day, including habits of single slots (a nightly batch), and the factor of weekends."""
    of_day, day = calendar(first, len(lines))
    weekend_slots = is_weekend(np.arange(first, first + len(lines)) // SLOTS_A_DAY)
    table = by_day(lines, known, day, of_day)
    filled = ~np.isnan(table)
    means = np.nansum(table, axis=1) / np.maximum(filled.sum(axis=1), 1)
    weekend_days = np.array([weekend_slots[day == number].any() for number in range(table.shape[0])])
    weekend = _weekend_factor(means, weekend_days, filled.mean(axis=1) > MIN_DAY_COVERAGE)
    level = table / np.where(weekend_days, weekend, 1.0)[:, None]
    covered = filled.any(axis=0)  # for a node younger than a day, nothing is known of some times of day
    middle = np.zeros(SLOTS_A_DAY)
    middle[covered] = np.nanmedian(level[:, covered], axis=0)
    smooth = _smooth(_trimmed(level))
    for _ in range(2):  # twice: without the habits, because they raise the profile around them
        above = np.mean(level > PEAK * smooth[None, :], axis=0)
        frequent = (above >= MIN_DAYS_WITH_HABIT) & (table.shape[0] >= MIN_HABIT_DAYS)
        habit = (middle > PEAK * smooth) & frequent & (middle >= MIN_HABIT_LINES)
        smooth = _smooth(np.where(habit, np.nan, _trimmed(level)))
    return np.where(habit, middle, np.maximum(smooth, MIN_RATE)), weekend


def _weekend_factor(means: Floats, weekend_days: Flags, covered: Flags) -> float:
    """Median of the weekend days divided by that of the weekdays; 1 if there are too few days."""
    on, off = weekend_days & covered, ~weekend_days & covered
    if on.sum() < MIN_DAYS_OF_KIND or off.sum() < MIN_DAYS_OF_KIND:
        return 1.0
    factor = float(np.median(means[on]) / max(np.median(means[off]), 1e-9))
    return min(max(factor, MIN_WEEKEND), MAX_WEEKEND)


def calendar(first: int, slots: int) -> tuple[Ints, Ints]:
    """Slot of the day, and number of the day within the array."""
    numbers = np.arange(first, first + slots)
    day = numbers // SLOTS_A_DAY
    return numbers % SLOTS_A_DAY, day - day[0]


def by_day(values: Ints | Floats, known: Flags, day: Ints, of_day: Ints) -> Floats:
    """A row for each day, a column for each slot of the day; nan for unknown slots."""
    table = np.full((int(day[-1]) + 1, SLOTS_A_DAY), np.nan)
    table[day[known], of_day[known]] = values[known]
    return table


def _trimmed(level: Floats) -> Floats:
    """The mean over days without the highest fifth."""
    ordered = np.sort(level, axis=0)  # nan last
    count = (~np.isnan(level)).sum(axis=0)
    keep = np.maximum(count - count // TRIMMED, 1)
    rank = np.arange(level.shape[0])[:, None]
    kept = np.where(rank < keep[None, :], ordered, np.nan)
    with np.errstate(all="ignore"):
        sums = np.nansum(kept, axis=0)
    means: Floats = np.where(count > 0, sums / np.maximum((~np.isnan(kept)).sum(axis=0), 1), np.nan)
    return means


def _smooth(values: Floats) -> Floats:
    """A running mean around the clock; nan are left out."""
    width = 2 * SMOOTH + 1
    filled = ~np.isnan(values)
    around = np.concatenate([values[-SMOOTH:], values, values[:SMOOTH]])
    filled_around = np.concatenate([filled[-SMOOTH:], filled, filled[:SMOOTH]]).astype(float)
    kernel = np.ones(width)
    sums = np.convolve(np.nan_to_num(around), kernel, "valid")
    counts = np.convolve(filled_around, kernel, "valid")
    overall = float(np.nansum(values) / max(filled.sum(), 1))
    return np.where(counts > 0, sums / np.maximum(counts, 1), overall)
