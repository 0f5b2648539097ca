"""Messages that come by the clock: a backup at 03:17, a report each Sunday, a heartbeat each minute.

Here: what makes a pattern a promise, and at the end of which slots it has not been kept. Which rule reports that:
`detection/conditions/falls.py`.

A promise is learnt from one thing alone: the starts of a pattern's bursts of slots, and that the time between them is
the same. So nobody has to list the jobs. How many lines a burst has does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, SLOTS_AN_HOUR, trailing
from fleexmon_pipeline.numerics import Flags, Ints, is_weekend

# By judgement: four times in a row at one distance are no chance. A job of weekdays alone looks daily for five days.
MIN_TIMES = 4
MIN_TIMES_DAILY = 3  # at the same time of day: less likely by chance than four times at any distance
DAILY_JITTER = 1  # slots
MIN_TIMES_OFTEN = 12  # of what comes more often than once in 3 hours
MAX_BROKEN = 0.1  # of the gaps: a job that failed once is still due; one gap is always allowed
MIN_SKIPPED = 2  # periods in a gap
MIN_WEEK = 7 * SLOTS_A_DAY  # seen for so long, where it comes once a day or less often
MIN_PERIOD = 6  # slots: what comes more often than each half hour is a steady pattern, or traffic
MIN_MISSING = 10.0  # lines of a steady pattern that are missing before it is overdue: chance leaves out e^-10
MIN_MISSING_SLOTS = 3
# A longer period is followed by the clock, a shorter one by what came last. That, the slack and an hour of being
# overdue fit into the 5 hours that are read before a slot, so it does not matter how hours are cut.
MAX_IN_GRID = 3 * SLOTS_AN_HOUR
SLACK = 2  # slots, and a twentieth of the period: how much later than usual is late
MAX_SLACK = SLOTS_AN_HOUR
MAX_JITTER = 3  # slots: a clock is that exact; releases about noon every other day are not
MIN_PERIODS = 6  # times the jitter: what takes 15 to 40 minutes and then begins again keeps no clock
OVERDUE = SLOTS_AN_HOUR  # slots for which a message that did not come is reported


@dataclass(frozen=True)
class Promise:
    """When a pattern is due."""

    period: int  # slots from one start to the next
    last: int  # number of the slot of the last start that was seen
    slack: int  # slots
    weekends: bool = True  # whether it comes on Saturdays and Sundays, too, as far as they have been seen


def learn_promise(row: Ints, known: Flags, first: int) -> Promise | None:
    """From a pattern's lines by slot. None where its starts are not evenly spaced, or too few."""
    active = np.flatnonzero(row)
    starts = active[np.diff(active, prepend=-2) > 1]
    if len(starts) < MIN_TIMES_DAILY:
        return None
    gaps = np.diff(starts)
    period = int(np.median(gaps))
    slack = min(SLACK + period // 20, MAX_SLACK)
    if period < MIN_PERIOD:
        return None
    daily = bool((np.abs(gaps - SLOTS_A_DAY) <= DAILY_JITTER).all())
    enough = len(starts) >= (MIN_TIMES_DAILY if daily else MIN_TIMES if period > MAX_IN_GRID else MIN_TIMES_OFTEN)
    if period >= SLOTS_A_DAY - slack and not daily:
        enough &= active[-1] - active[0] >= MIN_WEEK - SLOTS_A_DAY
    lives = active[-1] + 2 * period + slack >= len(row)
    weekends = bool(is_weekend((first + starts) // SLOTS_A_DAY).any())
    free = not weekends and abs(period - SLOTS_A_DAY) <= MAX_JITTER  # on weekends; releases every other day are no job
    jitter = min(MAX_JITTER, period // MIN_PERIODS)
    kept = [
        abs(gap - period) <= jitter
        or _excused(int(start), int(gap), period, slack, known)
        or (free and _on_weekends(first, _skipped(int(start), int(gap), period, slack)))
        for start, gap in zip(starts, gaps, strict=False)
    ]
    broken = len(kept) - sum(kept)
    enough &= broken <= max(1, MAX_BROKEN * len(kept)) and (broken == 0 or len(kept) > MIN_TIMES)
    skipped = [
        slot for start, gap in zip(starts, gaps, strict=False) for slot in _skipped(int(start), int(gap), period, slack)
    ]
    enough &= free or not _on_weekends(first, skipped)
    return Promise(period, first + int(starts[-1]), slack, weekends) if enough and lives else None


def _excused(start: int, gap: int, period: int, slack: int, known: Flags) -> bool:
    """Whether a gap is several periods long, and the message may have come unseen between."""
    due = _skipped(start, gap, period, slack)
    return bool(due) and all(not known[max(slot - slack, 0) : slot + slack + 1].all() for slot in due)


def _skipped(start: int, gap: int, period: int, slack: int) -> list[int]:
    """When the message was due in a gap that is several periods long; [] in any other."""
    times = round(gap / period)
    if times < MIN_SKIPPED or abs(gap - times * period) > slack * times:
        return []
    return [start + count * period for count in range(1, times)]


def _on_weekends(first: int, due: list[int]) -> bool:
    """Whether each time that a message was due and did not come was on a Saturday or a Sunday."""
    return bool(due) and bool(is_weekend((first + np.array(due, np.int64)) // SLOTS_A_DAY).all())


def stopped(steady: float, row: Ints, known: Flags) -> Flags:
    """At the end of which slots a pattern that comes each minute or so has stopped; for the first hour of that."""
    width = max(MIN_MISSING_SLOTS, int(np.ceil(MIN_MISSING / steady)))
    none = (trailing(row, width) == 0) & (trailing(known.astype(float), width) == width)
    return np.asarray(none & (trailing(row, width + OVERDUE) > 0))


def overdue(promise: Promise, row: Ints, known: Flags, first: int) -> Flags:
    """At the end of which slots of a grid that begins with slot `first` the message is late, all slots being known in
    which it could have come."""
    slots, late = len(row), np.zeros(len(row), bool)
    active = np.flatnonzero(row)
    starts = first + active[np.diff(active, prepend=-1) > 1]  # what the grid's first slot has may have begun before
    if promise.period > MAX_IN_GRID:
        times = range((first - promise.last) // promise.period, (first + slots - promise.last) // promise.period + 1)
        due = [promise.last + count * promise.period for count in times if count > 0]
    else:
        due = [int(start) + promise.period for start in starts]
    for slot in due:
        if not promise.weekends and bool(is_weekend(np.array([slot // SLOTS_A_DAY]))[0]):
            continue  # a job of weekdays looks daily until the first Saturday
        begin, end = slot - promise.slack - first, slot + promise.slack + 1 - first
        if begin < 0 or end >= slots or row[begin:end].any() or not known[begin:end].all():
            continue
        until = min(end + OVERDUE, slots)
        came = np.flatnonzero(row[end:until])
        late[end : end + int(came[0]) if len(came) else until] = True
    return late & known
