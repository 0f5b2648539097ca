"""A node's lines by time of day, learnt from whole days: what is the same at that time on most of them.

Here: days as rows of a table, and the medians and trimmed means over them. What else is learnt: `learn.py`.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY
from fleexmon_pipeline.numerics import Flags, Floats, Ints, is_weekend

SMOOTH = 12  # slots on both sides that make up the profile at a time of day
PEAK = 1.5  # times the smooth profile: from here on, a slot that most days share is a habit, not chance


def profile(first: int, lines: Ints, known: Flags) -> tuple[Floats, float]:
    """Lines a slot by time of day, and the factor of weekends; habits of single slots (a nightly batch) included."""
    of_day, day = calendar(first, len(lines))
    off = is_weekend(np.arange(first, first + len(lines)) // SLOTS_A_DAY)
    table = by_day(lines, known, day, of_day)
    there = ~np.isnan(table)
    totals = np.nansum(table, axis=1) / np.maximum(there.sum(axis=1), 1)
    day_off = np.array([off[day == each].any() for each in range(table.shape[0])])
    weekend = 1.0
    enough = there.mean(axis=1) > 0.7
    if (day_off & enough).sum() >= 2 and (~day_off & enough).sum() >= 2:
        weekend = float(np.median(totals[day_off & enough]) / max(np.median(totals[~day_off & enough]), 1e-9))
        weekend = min(max(weekend, 0.05), 20.0)
    level = table / np.where(day_off, weekend, 1.0)[:, None]
    some = there.any(axis=0)  # a node that is younger than a day has times of day that nothing is known of
    middle = np.zeros(SLOTS_A_DAY)
    middle[some] = np.nanmedian(level[:, some], axis=0)
    smooth = _smooth(_trimmed(level))
    for _ in range(2):  # once more without the habits, which would lift their neighbourhood
        above = np.mean(level > PEAK * smooth[None, :], axis=0)
        habit = (middle > PEAK * smooth) & (above >= 0.7) & (middle >= 3) & (table.shape[0] >= 4)
        smooth = _smooth(np.where(habit, np.nan, _trimmed(level)))
    return np.where(habit, middle, np.maximum(smooth, 1e-3)), weekend


def calendar(first: int, slots: int) -> tuple[Ints, Ints]:
    """Slot of the day, and number of the day within the array."""
    numbers = np.arange(first, first + slots)
    day = numbers // SLOTS_A_DAY
    return numbers % SLOTS_A_DAY, day - day[0]


def by_day(values: Ints | Floats, known: Flags, day: Ints, of_day: Ints) -> Floats:
    table = np.full((int(day[-1]) + 1, SLOTS_A_DAY), np.nan)
    table[day[known], of_day[known]] = values[known]
    return table


def _trimmed(level: Floats) -> Floats:
    """The mean over days without the highest fifth: an incident is on the few."""
    ordered = np.sort(level, axis=0)  # nan last
    count = (~np.isnan(level)).sum(axis=0)
    keep = np.maximum(count - count // 5, 1)
    place = np.arange(level.shape[0])[:, None]
    kept = np.where(place < keep[None, :], ordered, np.nan)
    with np.errstate(all="ignore"):
        sums = np.nansum(kept, axis=0)
    found: Floats = np.where(count > 0, sums / np.maximum((~np.isnan(kept)).sum(axis=0), 1), np.nan)
    return found


def _smooth(values: Floats) -> Floats:
    """A running mean around the clock; nan are left out."""
    width = 2 * SMOOTH + 1
    there = ~np.isnan(values)
    around = np.concatenate([values[-SMOOTH:], values, values[:SMOOTH]])
    counted = np.concatenate([there[-SMOOTH:], there, there[:SMOOTH]]).astype(float)
    kernel = np.ones(width)
    sums = np.convolve(np.nan_to_num(around), kernel, "valid")
    counts = np.convolve(counted, kernel, "valid")
    overall = float(np.nansum(values) / max(there.sum(), 1))
    return np.where(counts > 0, sums / np.maximum(counts, 1), overall)
