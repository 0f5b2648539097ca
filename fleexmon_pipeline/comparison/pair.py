"""Two nodes' lines by bucket and pattern: the window that is compared, and the days before it.

Here: arrays, without a database and without a verdict. What fills them: `read.py`; what they say: `judge.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import group_of
from fleexmon_pipeline.numerics import Flags, Floats, Ints

MIN_LINES = 100  # of a node in a window; below, shares of single patterns say nothing
IDLE = 0.05  # of the other node's lines: a node that takes no traffic says other things, rightly
SERIOUS = ("error", "fatal")
USUAL = 0.85  # of the buckets of the past: incidents, of which a week has a few, lie above
FAR, MIN_WIDTH = 4.0, 0.35  # times the logarithm's width from the middle up; 0.35 is that of seven lines
MIN_FAR = 10  # lines: a retry storm of a minute is everyday

Key = tuple[str, str]  # resolved pattern and level


@dataclass(frozen=True)
class Side:
    """One node's lines in a stretch of buckets."""

    lines: Ints  # rows of `Pair.keys` x buckets
    slots: Ints  # in how many of the bucket's slots there were any: a burst of a minute counts once

    @property
    def totals(self) -> Floats:
        found: Floats = self.lines.sum(axis=1).astype(np.float64)
        return found

    @property
    def every(self) -> int:
        return int(self.lines.sum())

    def part(self, first: int, last: int) -> Side:
        return Side(self.lines[:, first:last], self.slots[:, first:last])

    def but(self, buckets: Collection[int]) -> Side:
        kept = [each for each in range(self.lines.shape[1]) if each not in buckets]
        return Side(self.lines[:, kept], self.slots[:, kept])

    def far_above(self, rows: Flags) -> Flags:
        """In which buckets these rows' share of the lines is far above what it usually is. By quantiles, which a tenth
        of bad buckets does not move; where more are, it is the usual."""
        found, every = (self.lines[part].sum(axis=0) for part in (rows, slice(None)))
        if not found.any():
            return np.zeros(len(found), bool)
        share = np.minimum(found, np.quantile(found, USUAL)).sum() / every.sum()
        above = np.log((found + 1) / (share * every + 1))
        middle, upper = np.quantile(above, [0.5, USUAL])
        return np.asarray((above > middle + FAR * max(upper - middle, MIN_WIDTH)) & (found >= MIN_FAR))


@dataclass(frozen=True)
class Pair:
    """Both nodes. The past has whole buckets, numbered from 0; the window follows it."""

    keys: list[Key]
    baseline: Side
    candidate: Side
    past_baseline: Side
    past_candidate: Side

    @property
    def buckets(self) -> int:
        return int(self.candidate.lines.shape[1])

    @property
    def groups(self) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        return np.array([group_of(level) for _, level in self.keys], dtype=np.str_)

    @cached_property
    def disturbed(self) -> frozenset[int]:
        """Buckets of the past in which something was wrong with either node, and those beside them: no measure of what
        is usual."""
        groups = self.groups
        sides = (self.past_baseline, self.past_candidate)
        found = [side.far_above(groups == name) for side in sides for name in ("error", "warn")]
        bad = np.any(found, axis=0)
        bad[1:] |= bad[:-1].copy()
        bad[:-1] |= bad[1:].copy()
        return frozenset(np.flatnonzero(bad).tolist())


def pair_of(
    rows: Iterable[tuple[str, str, str, int, int, int]],
    baseline: str,
    candidate: str,
    *,
    past: int,
    buckets: int,
    gap: int = 0,
) -> Pair:
    """From rows of node, resolved pattern, level, bucket, lines, slots; the window begins with bucket 0.

    `past`: buckets before it that there are; `gap`: of them, how many next to the window are left out.
    """
    index: dict[Key, int] = {}
    taken: list[tuple[int, int, int, int, int]] = []
    for node, pattern, level, bucket, lines, slots in rows:
        if node in (baseline, candidate) and -past <= bucket < buckets:
            row = index.setdefault((pattern, level), len(index))
            taken.append((int(node == candidate), row, bucket + past, lines, slots))
    size = (2, len(index), past + buckets)
    counts, slots_of = np.zeros(size, np.int64), np.zeros(size, np.int64)
    if taken:
        side, row, column, lines_, slots_ = np.array(taken, np.int64).T
        np.add.at(counts, (side, row, column), lines_)
        np.add.at(slots_of, (side, row, column), slots_)
    sides = [Side(counts[each], slots_of[each]) for each in (0, 1)]
    return Pair(
        list(index),
        sides[0].part(past, past + buckets),
        sides[1].part(past, past + buckets),
        sides[0].part(0, past - gap),
        sides[1].part(0, past - gap),
    )


def against_before(pair: Pair) -> Pair:
    """The candidate's window against the baseline's last one before it: after a switch the old colour is idle."""
    past = pair.past_baseline.lines.shape[1]
    first = max(past - pair.buckets, 0)
    return replace(
        pair,
        baseline=pair.past_baseline.part(first, past),
        past_baseline=pair.past_baseline.part(0, first),
        past_candidate=pair.past_candidate.part(0, first),
    )


def idle(side: Side, other: Side) -> bool:
    return side.every < max(MIN_LINES, IDLE * other.every)
