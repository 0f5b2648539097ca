"""Scheduled messages: a backup at 03:17, a report each Sunday, a heartbeat each minute.

Here: learning when a pattern is due (a promise), and at the end of which slots it is overdue. The rule:
`detection/conditions/falls.py`.

A promise is learnt only from the starts of a pattern's bursts, which must be evenly spaced. So nobody has to list the
jobs. The number of lines in a burst does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, SLOTS_AN_HOUR, trailing
from fleexmon_pipeline.numerics import Flags, Ints, is_weekend

# Chosen by judgement: four starts in a row at equal distances are not chance. A job on weekdays looks daily for 5 days.
MIN_TIMES = 4
MIN_TIMES_DAILY = 3  # at the same time of day; less likely by chance than four times at another equal distance
DAILY_JITTER = 1  # slots
MIN_TIMES_OFTEN = 12  # for patterns that come more often than once in 3 hours
MAX_BROKEN = 0.1  # share of uneven gaps: a job that failed once is still due; one gap is always allowed
MIN_SKIPPED = 2  # periods in a gap
MIN_WEEK = 7 * SLOTS_A_DAY  # history that is needed for patterns that come at most once a day
MIN_PERIOD = 6  # slots; a pattern that comes more often than each half hour is steady, or traffic
MIN_MISSING = 10.0  # missing lines before a steady pattern is overdue; by chance, e^-10
MIN_MISSING_SLOTS = 3
# Messages with a longer period are due at times counted from the learnt start, those with a shorter one after the last
# message. A period, the slack and an hour of being overdue fit into the 5 hours that are read before a slot, so results
# do not depend on how hours are cut.
MAX_IN_GRID = 3 * SLOTS_AN_HOUR
SLACK = 2  # slots, plus a twentieth of the period, after which a message is overdue
MAX_SLACK = SLOTS_AN_HOUR
MAX_JITTER = 3  # slots: schedules are this exact; releases about noon every other day are not
MIN_PERIODS = 6  # period in jitters: work of 15 to 40 minutes that starts again when it ends has no schedule
OVERDUE = SLOTS_AN_HOUR  # slots for which an overdue message is reported


@dataclass(frozen=True)
class Promise:
    """When a pattern is due."""

    period: int  # slots from one start to the next
    last: int  # number of the slot of the last known start
    slack: int  # slots
    weekends: bool = True  # whether it has come on a Saturday or Sunday


def learn_promise(row: Ints, known: Flags, first: int) -> Promise | None:
    """From a pattern's lines by slot. None if its starts are not evenly spaced, or too few."""
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
    weekdays_only = not weekends and abs(period - SLOTS_A_DAY) <= MAX_JITTER  # releases every other day are not a job
    jitter = min(MAX_JITTER, period // MIN_PERIODS)
    kept = [
        abs(gap - period) <= jitter
        or _excused(int(start), int(gap), period, slack, known)
        or (weekdays_only and _on_weekends(first, _skipped(int(start), int(gap), period, slack)))
        for start, gap in zip(starts, gaps, strict=False)
    ]
    broken = len(kept) - sum(kept)
    enough &= broken <= max(1, MAX_BROKEN * len(kept)) and (broken == 0 or len(kept) > MIN_TIMES)
    skipped = [
        slot for start, gap in zip(starts, gaps, strict=False) for slot in _skipped(int(start), int(gap), period, slack)
    ]
    enough &= weekdays_only or not _on_weekends(first, skipped)
    return Promise(period, first + int(starts[-1]), slack, weekends) if enough and lives else None


def _excused(start: int, gap: int, period: int, slack: int, known: Flags) -> bool:
    """Whether a gap is several periods long, and the message may have come in slots that are not known."""
    due = _skipped(start, gap, period, slack)
    return bool(due) and all(not known[max(slot - slack, 0) : slot + slack + 1].all() for slot in due)


def _skipped(start: int, gap: int, period: int, slack: int) -> list[int]:
    """When the message was due in a gap that is several periods long; [] for other gaps."""
    times = round(gap / period)
    if times < MIN_SKIPPED or abs(gap - times * period) > slack * times:
        return []
    return [start + count * period for count in range(1, times)]


def _on_weekends(first: int, due: list[int]) -> bool:
    """Whether all these slots were on a Saturday or Sunday; False for none."""
    return bool(due) and bool(is_weekend((first + np.array(due, np.int64)) // SLOTS_A_DAY).all())


def stopped(steady: float, row: Ints, known: Flags) -> Flags:
    """At the end of which slots a steady pattern has stopped; only for the first hour."""
    width = max(MIN_MISSING_SLOTS, int(np.ceil(MIN_MISSING / steady)))
    none = (trailing(row, width) == 0) & (trailing(known.astype(float), width) == width)
    return np.asarray(none & (trailing(row, width + OVERDUE) > 0))


def overdue(promise: Promise, row: Ints, known: Flags, first: int) -> Flags:
    """At the end of which slots the message is overdue, if all slots in which it could have come are known. first:
    number of the grid's first slot."""
    slots, late = len(row), np.zeros(len(row), bool)
    active = np.flatnonzero(row)
    starts = first + active[np.diff(active, prepend=-1) > 1]  # a burst in the first slot may have begun earlier
    if promise.period > MAX_IN_GRID:
        times = range((first - promise.last) // promise.period, (first + slots - promise.last) // promise.period + 1)
        due = [promise.last + count * promise.period for count in times if count > 0]
    else:
        due = [int(start) + promise.period for start in starts]
    for slot in due:
        if not promise.weekends and bool(is_weekend(np.array([slot // SLOTS_A_DAY]))[0]):
            continue  # it may be a job that runs on weekdays only
        begin, end = slot - promise.slack - first, slot + promise.slack + 1 - first
        if begin < 0 or end >= slots or row[begin:end].any() or not known[begin:end].all():
            continue
        until = min(end + OVERDUE, slots)
        came = np.flatnonzero(row[end:until])
        late[end : end + int(came[0]) if len(came) else until] = True
    return late & known
