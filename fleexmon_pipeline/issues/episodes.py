"""Join the slots in which a rule fired to episodes.

Here: arithmetic on slots, without a database. How episodes become issues: `lifecycle.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

from fleexmon_pipeline.window import DAY, SLOT, Window, ceil

# The same message within a day is the same problem: its issue is opened again. A node's rate or silence is not: two
# incidents of a day may share it without a common cause. Before this rule, one harmless new warning of a release made
# up to nine issues a day, on a generated world whose true incidents are known.
RETURNS_WITHIN = DAY


@dataclass(frozen=True)
class FiringSpan:
    """Consecutive slots in which a rule fired: an episode, or a part of one."""

    first: datetime  # start of the first slot
    last: datetime  # start of the last slot
    grace: timedelta  # grace period, as of the last slot
    occurrences: int  # slots that fired
    returns_within: timedelta = timedelta()  # firings within it join this episode, even if the grace period is shorter

    @property
    def end(self) -> datetime:
        return self.last + SLOT


class CoveredTime:
    """The windows whose lines are known. Only this time counts towards a grace period."""

    def __init__(self, windows: Sequence[Window]) -> None:
        """`windows`: ascending and not adjacent."""
        self._since = [window.since for window in windows]
        self._until = [window.until for window in windows]
        self._total = list(accumulate((window.length for window in windows), initial=timedelta()))

    def grace_ends(self, after: datetime, grace: timedelta) -> datetime | None:
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


def episodes(spans: Iterable[FiringSpan], covered: CoveredTime, cuts: Collection[datetime] = ()) -> list[FiringSpan]:
    """Join `spans` (ascending) of one fingerprint to episodes.

    Two spans are joined if the later one begins before the earlier one's grace period ends, or the time in which it may
    return. Firings on both sides of a cut are never joined; a slot that contains a cut lies before it.
    """
    borders = sorted({ceil(cut, SLOT) for cut in cuts})
    joined: list[FiringSpan] = []
    for span in _cut(spans, borders):
        if joined and not _are_separate(joined[-1], span, covered, borders):
            before = joined.pop()
            occurrences = before.occurrences + span.occurrences
            joined.append(FiringSpan(before.first, span.last, span.grace, occurrences, span.returns_within))
        else:
            joined.append(span)
    return joined


def without(spans: Iterable[FiringSpan], windows: Iterable[Window]) -> list[FiringSpan]:
    """The parts of `spans` outside `windows`, which start and end at slot boundaries."""
    left = list(spans)
    for window in windows:
        outside = [span for span in left if span.end <= window.since or span.first >= window.until]
        for span in left:
            if span.end > window.since and span.first < window.until:
                outside += [part for part in _cut([span], [window.since, window.until]) if part.first not in window]
        left = sorted(outside, key=lambda span: span.first)
    return left


def _cut(spans: Iterable[FiringSpan], borders: Iterable[datetime]) -> list[FiringSpan]:
    parts = list(spans)
    for border in borders:
        for index, span in enumerate(parts):
            if span.first < border < span.end:
                before = (border - span.first) // SLOT
                parts[index : index + 1] = [
                    replace(span, last=border - SLOT, occurrences=before),
                    replace(span, first=border, occurrences=span.occurrences - before),
                ]
                break
    return parts


def _are_separate(before: FiringSpan, after: FiringSpan, covered: CoveredTime, borders: Sequence[datetime]) -> bool:
    if bisect_right(borders, after.first) > bisect_left(borders, before.end):
        return True
    end = covered.grace_ends(before.end, max(before.grace, before.returns_within))
    return end is not None and end <= after.first and after.first > before.end
