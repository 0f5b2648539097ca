"""Gaps and islands: which firings form one episode.

Here: arithmetic on slots, without a database. How episodes become issues: `lifecycle.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

from fleexmon_pipeline.window import DAY, SLOT, Window, ceil

# The same message within a day is the same problem: its issue is opened again, not told as a new one. A node's rate or
# silence is not: two incidents of a day have nothing else in common. On a second world with a known truth, one harmless
# new warning of a release made up to nine issues a day before.
RETURNS_WITHIN = DAY


@dataclass(frozen=True)
class Run:
    """Consecutive slots in which a rule fired: an episode, or a part of one."""

    first: datetime  # start of the first slot
    last: datetime  # start of the last slot
    grace: timedelta  # of the last slot
    occurrences: int  # slots that fired
    returns_within: timedelta = timedelta()  # fires again within it: the same episode, whatever the grace period

    @property
    def end(self) -> datetime:
        return self.last + SLOT


class Covered:
    """The windows whose lines are known. Only their time counts towards the grace period."""

    def __init__(self, windows: Sequence[Window]) -> None:
        """`windows`: ascending and not adjacent."""
        self._since = [window.since for window in windows]
        self._until = [window.until for window in windows]
        self._total = list(accumulate((window.length for window in windows), initial=timedelta()))

    def runs_out(self, after: datetime, grace: timedelta) -> datetime | None:
        """When `grace` of covered time has passed since `after`; None if it has not."""
        if grace <= timedelta():
            return after
        index = bisect_right(self._since, after) - 1  # the last window that starts by then
        elapsed = timedelta()
        if index >= 0:
            elapsed = self._total[index] + min(after, self._until[index]) - self._since[index]
        target = elapsed + grace
        if target > self._total[-1]:
            return None
        index = bisect_left(self._total, target) - 1
        return self._since[index] + target - self._total[index]


def episodes(runs: Iterable[Run], covered: Covered, cuts: Collection[datetime] = ()) -> list[Run]:
    """Join `runs` (ascending) of one fingerprint that are closer together than the grace period of the earlier one, or
    than the time in which it may return.

    Firings on both sides of a cut are never joined; a slot that contains a cut lies before it.
    """
    borders = sorted({ceil(cut, SLOT) for cut in cuts})
    joined: list[Run] = []
    for run in _cut(runs, borders):
        if joined and not _apart(joined[-1], run, covered, borders):
            before = joined.pop()
            occurrences = before.occurrences + run.occurrences
            joined.append(Run(before.first, run.last, run.grace, occurrences, run.returns_within))
        else:
            joined.append(run)
    return joined


def without(runs: Iterable[Run], windows: Iterable[Window]) -> list[Run]:
    """The parts of `runs` outside `windows`, which start and end at slot boundaries."""
    left = list(runs)
    for window in windows:
        outside = [run for run in left if run.end <= window.since or run.first >= window.until]
        for run in left:
            if run.end > window.since and run.first < window.until:
                outside += [part for part in _cut([run], [window.since, window.until]) if part.first not in window]
        left = sorted(outside, key=lambda run: run.first)
    return left


def _cut(runs: Iterable[Run], borders: Iterable[datetime]) -> list[Run]:
    parts = list(runs)
    for border in borders:
        for index, run in enumerate(parts):
            if run.first < border < run.end:
                before = (border - run.first) // SLOT
                parts[index : index + 1] = [
                    replace(run, last=border - SLOT, occurrences=before),
                    replace(run, first=border, occurrences=run.occurrences - before),
                ]
                break
    return parts


def _apart(before: Run, after: Run, covered: Covered, borders: Sequence[datetime]) -> bool:
    if bisect_right(borders, after.first) > bisect_left(borders, before.end):
        return True
    end = covered.runs_out(before.end, max(before.grace, before.returns_within))
    return end is not None and end <= after.first and after.first > before.end
