"""Everyday bursts: how often a series has them, how soon another one follows, and a window without them.

A device that loses its link for two minutes, a retry storm: ten errors at once, several times a day. One burst in a
window is left out of every sum (`slot_grid.but_loudest`), but two everyday bursts may come within the same window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.habits import THIRD_DAY, reached_again
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, loudest, surprise
from fleexmon_pipeline.numerics import Flags, Floats, Ints

TYPICAL_SPREAD = 0.2  # over-dispersion of a slot, as for a typical error in `rates.py`
MIN_BURST = 3.0  # surprise of a slot with a burst, the lowest limit of all rules
MAX_BURST_SLOTS = 2  # two minutes may lie across two slots; what lasts longer is no everyday burst


@dataclass(frozen=True)
class Bursts:
    """Everyday bursts of one series. What came on two days alone, such as two incidents, does not count."""

    a_day: float
    lines: float  # above the expected lines, in the largest one; if no two more days had half as much, in theirs
    again: dict[str, float]  # width → probability that another burst starts within so many slots

    def together(self, bursts: int, width: int) -> float:
        """How many times a day so many bursts come in the same window by chance."""
        return self.a_day * self.again[str(width)] ** (bursts - 1)


def learn_bursts(row: Ints, mean: Floats, known: Flags, day: Ints, widths: Iterable[int]) -> Bursts | None:
    """The everyday bursts among the lines of whole days; None if fewer than three days had any.

    mean: expected lines by slot; day: number of each slot's day. The two days with most bursts are left out of the
    rates. Bursts follow each other as often as chance lets them, or more often if they came in clusters.
    """
    loud = (surprise(row.astype(float), mean, TYPICAL_SPREAD) >= MIN_BURST) & known
    edges = np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    short = ends - starts <= MAX_BURST_SLOTS
    starts, ends = starts[short], ends[short]
    if not len(starts):
        return None
    above = np.concatenate([[0.0], np.cumsum(row - mean)])
    lines = reached_again(day[starts], above[ends] - above[starts], THIRD_DAY)
    if lines <= 0:
        return None
    by_day = np.bincount(day[starts] - day[0], minlength=int(day[-1] - day[0]) + 1)
    busiest = np.argsort(by_day, kind="stable")[len(by_day) - THIRD_DAY :]
    counted = ~np.isin(day - day[0], busiest)
    bursts = counted[starts]
    a_day = float(bursts.sum()) / max(float((known & counted).sum()) / SLOTS_A_DAY, 1.0)
    again = {}
    for width in widths:
        followed = float((bursts[1:] & (np.diff(starts) <= width)).sum()) / max(float(bursts.sum()), 1.0)
        again[str(width)] = min(max(followed, a_day * width / SLOTS_A_DAY), 1.0)
    return Bursts(a_day, lines, again)


def without_bursts(window: Ints, mean: float, lines: float) -> Iterator[float]:
    """The lines of a window without its loudest burst, without two, three ... bursts. Of the first, all lines are left
    out, as by `but_loudest`; of each other one, at most `lines` above the expected. Slots with no more lines than
    chance allows are no burst: errors that come evenly stay. Nothing for one slot: its limit is learnt from bursts.

    mean: expected lines of one slot.
    """
    is_burst = surprise(window.astype(float), np.asarray(mean), TYPICAL_SPREAD) >= MIN_BURST
    seen, above = float(window.sum()), np.where(is_burst, window - mean, 0.0)
    out = loudest(len(window))
    if not out:
        return
    sums = np.convolve(window, np.ones(out), "valid")
    begin = int(np.argmax(sums))
    seen -= float(sums[begin])
    above[begin : begin + out] = 0.0
    yield seen
    while above.any():
        sums = np.convolve(above, np.ones(MAX_BURST_SLOTS), "valid")
        begin = int(np.argmax(sums))
        seen -= min(float(sums[begin]), lines)
        above[begin : begin + MAX_BURST_SLOTS] = 0.0
        yield seen
