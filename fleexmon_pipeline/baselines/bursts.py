"""Everyday bursts: how often a series has them, how soon another one follows, and a window without them.

A device that loses its link for two minutes, a retry storm: ten errors at once, several times a day. One burst in a
window is left out of every sum (`slot_grid.but_loudest`), but two everyday bursts may come within the same window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.habits import THIRD_DAY, reached
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, loudest
from fleexmon_pipeline.numerics import Flags, Floats, Ints

CAP_DEVIATIONS = 2.5  # standard deviations above the expected lines up to which a slot is no burst
CAP_SPREAD = 0.2  # over-dispersion of a slot, as for a typical error in `rates.py`
MAX_BURST_SLOTS = 2  # two minutes may lie across two slots; what lasts longer is no everyday burst


@dataclass(frozen=True)
class Bursts:
    """Everyday bursts of one series. What came on two days alone, such as two incidents, does not count."""

    a_day: float
    lines: float  # above the expected lines, in the largest burst of the day with the third largest
    again: dict[str, float]  # width → probability that another burst starts within so many slots

    def together(self, bursts: int, width: int) -> float:
        """How many times a day so many bursts come in the same window by chance."""
        return self.a_day * self.again[str(width)] ** (bursts - 1)


def most_by_chance(mean: Floats) -> Floats:
    """The number of lines up to which a slot is no burst."""
    return np.asarray(np.floor(mean + CAP_DEVIATIONS * np.sqrt(mean + CAP_SPREAD * mean**2) + 1))


def learn_bursts(row: Ints, mean: Floats, known: Flags, day: Ints, widths: Iterable[int]) -> Bursts | None:
    """The everyday bursts among the lines of whole days; None if fewer than three days had any.

    mean: expected lines by slot; day: number of each slot's day. The two days with most bursts are left out of the
    rates. Each burst that followed another one counts, so bursts that come in clusters are expected to do so again.
    """
    loud = (row > most_by_chance(mean)) & known
    edges = np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    short = ends - starts <= MAX_BURST_SLOTS
    starts, ends = starts[short], ends[short]
    if not len(starts):
        return None
    above = np.concatenate([[0.0], np.cumsum(row - mean)])
    lines = reached(day[starts], above[ends] - above[starts])
    if lines <= 0:
        return None
    by_day = np.bincount(day[starts] - day[0], minlength=int(day[-1] - day[0]) + 1)
    busiest = np.argsort(by_day, kind="stable")[len(by_day) - THIRD_DAY :]
    counted = ~np.isin(day - day[0], busiest)
    bursts = counted[starts]
    a_day = float(bursts.sum()) / max(float((known & counted).sum()) / SLOTS_A_DAY, 1.0)
    again = {}
    for width in widths:
        followed = float((bursts[1:] & (np.diff(starts) <= width)).sum())
        by_chance = a_day * width / SLOTS_A_DAY
        again[str(width)] = min((followed + by_chance) / (float(bursts.sum()) + 1), 1.0)
    return Bursts(a_day, lines, again)


def without_bursts(window: Ints, mean: float, lines: float) -> Iterator[float]:
    """The lines of a window without its loudest burst, without two, three ... bursts. Of the first, all lines are left
    out, as by `but_loudest`, unless the window is a single slot; of each other one, at most `lines` above the expected.

    mean: expected lines of one slot.
    """
    seen, above = float(window.sum()), np.maximum(window - mean, 0.0)
    if out := loudest(len(window)):
        sums = np.convolve(window, np.ones(out), "valid")
        begin = int(np.argmax(sums))
        seen -= float(sums[begin])
        above[begin : begin + out] = 0.0
        yield seen
    together = min(MAX_BURST_SLOTS, len(window))
    while above.any():
        sums = np.convolve(above, np.ones(together), "valid")
        begin = int(np.argmax(sums))
        seen -= min(float(sums[begin]), lines)
        above[begin : begin + together] = 0.0
        yield seen
