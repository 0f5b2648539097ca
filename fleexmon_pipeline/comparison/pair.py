"""Two nodes' lines by bucket and pattern: the window that is compared, and the days before it.

Here: arrays, without a database and without a verdict. `read.py` fills them; `judge.py` reaches the verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import group_of
from fleexmon_pipeline.numerics import Flags, Floats, Ints

MIN_LINES = 100  # of a node in a window; with fewer, shares of single patterns say nothing
IDLE = 0.05  # of the other node's lines: a node without traffic logs other things, and rightly so
MIN_UNSHARED = 0.5  # of a node's lines
MAX_START_SLOTS = 2  # in which a pattern has lines that only a start logs
MIN_RECENT_BUCKETS = 4  # right before the window: they show what work a node did before it
SERIOUS = ("error", "fatal")
# Docs/decisions/0020 gives the method and the quantile; the other numbers are by judgement, not by experiment.
CALM_QUANTILE = 0.85  # of the buckets of the past; the few incidents of a week are above it
MAX_WIDTHS, MIN_WIDTH = 4.0, 0.35  # width: CALM_QUANTILE minus median, of logarithms; 0.35 is that of seven lines
MIN_DISTURBED_LINES = 10  # a retry storm of a minute is common

Key = tuple[str, str]  # resolved pattern and level


@dataclass(frozen=True)
class Side:
    """One node's lines in consecutive buckets."""

    lines: Ints  # rows of `Pair.keys` x buckets
    slots: Ints  # how many of the bucket's slots had any: a burst of a minute counts once

    @property
    def totals(self) -> Floats:
        totals: Floats = self.lines.sum(axis=1).astype(np.float64)
        return totals

    @property
    def line_count(self) -> int:
        return int(self.lines.sum())

    def part(self, first: int, last: int) -> Side:
        return Side(self.lines[:, first:last], self.slots[:, first:last])

    def without(self, buckets: Collection[int]) -> Side:
        kept = [bucket for bucket in range(self.lines.shape[1]) if bucket not in buckets]
        return Side(self.lines[:, kept], self.slots[:, kept])

    @property
    def only_at_start(self) -> Flags:
        """The rows that have lines in at most two slots, all in the first bucket, of a window of several buckets."""
        first, slots = self.slots[:, :1].sum(axis=1), self.slots.sum(axis=1)
        return np.asarray((slots > 0) & (slots == first) & (slots <= MAX_START_SLOTS) & (self.slots.shape[1] > 1))

    def merged(self, into: Ints) -> Side:
        """Add each row to row `into[row]`; rows that were added to another one are left empty."""
        lines, slots = np.zeros_like(self.lines), np.zeros_like(self.slots)
        np.add.at(lines, into, self.lines)
        np.add.at(slots, into, self.slots)
        return Side(lines, slots)

    def far_above(self, rows: Flags) -> Flags:
        """The buckets in which these rows' share of the lines is far above normal.

        Normal is estimated by quantiles, which a tenth of bad buckets does not move. If more are bad, bad is normal.
        """
        lines, all_lines = self.lines[rows].sum(axis=0), self.lines.sum(axis=0)
        if not lines.any():
            return np.zeros(len(lines), bool)
        share = np.minimum(lines, np.quantile(lines, CALM_QUANTILE)).sum() / all_lines.sum()
        above = np.log((lines + 1) / (share * all_lines + 1))
        middle, upper = np.quantile(above, [0.5, CALM_QUANTILE])
        far = above > middle + MAX_WIDTHS * max(upper - middle, MIN_WIDTH)
        return np.asarray(far & (lines >= MIN_DISTURBED_LINES))


@dataclass(frozen=True)
class Pair:
    """Both nodes. The past has whole buckets, numbered from 0; the window follows it."""

    keys: list[Key]
    baseline: Side
    candidate: Side
    past_baseline: Side
    past_candidate: Side
    recent_baseline: Side  # as many buckets as the window has, right before it, even those that the past leaves out
    recent_candidate: Side

    @property
    def buckets(self) -> int:
        return int(self.candidate.lines.shape[1])

    @property
    def groups(self) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        return np.array([group_of(level) for _, level in self.keys], dtype=np.str_)

    def merged(self, into: Mapping[int, int]) -> Pair:
        """Count rows as others. `into`: row → the row that it is added to, which keeps its name."""
        rows = np.array([into.get(row, row) for row in range(len(self.keys))], np.int64)
        return Pair(
            self.keys,
            *(
                side.merged(rows)
                for side in (
                    self.baseline, self.candidate, self.past_baseline, self.past_candidate, self.recent_baseline,
                    self.recent_candidate,
                )
            ),
        )  # fmt: skip

    @cached_property
    def disturbed(self) -> frozenset[int]:
        """Buckets of the past in which something was wrong with either node, and their neighbours."""
        groups = self.groups
        sides = (self.past_baseline, self.past_candidate)
        bad = np.any([side.far_above(groups == name) for side in sides for name in ("error", "warn")], axis=0)
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
    """Build a pair from rows of node, resolved pattern, level, bucket, lines, slots. The window begins with bucket 0.

    `past`: number of buckets before the window; `gap`: how many of them, next to the window, are left out.
    """
    index: dict[Key, int] = {}
    cells: list[tuple[int, int, int, int, int]] = []
    for node, pattern, level, bucket, lines, slots in rows:
        if node in (baseline, candidate) and -past <= bucket < buckets:
            row = index.setdefault((pattern, level), len(index))
            cells.append((int(node == candidate), row, bucket + past, lines, slots))
    size = (2, len(index), past + buckets)
    line_counts, slot_counts = np.zeros(size, np.int64), np.zeros(size, np.int64)
    if cells:
        side, row, column, cell_lines, cell_slots = np.array(cells, np.int64).T
        np.add.at(line_counts, (side, row, column), cell_lines)
        np.add.at(slot_counts, (side, row, column), cell_slots)
    sides = [Side(line_counts[node], slot_counts[node]) for node in (0, 1)]
    recent = max(past - max(buckets, MIN_RECENT_BUCKETS), 0)
    return Pair(
        list(index),
        *(side.part(past, past + buckets) for side in sides),
        *(side.part(0, past - gap) for side in sides),
        *(side.part(recent, past) for side in sides),
    )


def against_before(pair: Pair) -> Pair:
    """The candidate's window against the baseline's lines right before it: after a switch the old colour is idle."""
    past = pair.past_baseline.lines.shape[1]
    first = max(past - pair.buckets, 0)
    return replace(
        pair,
        baseline=pair.past_baseline.part(first, past),
        past_baseline=pair.past_baseline.part(0, first),
        past_candidate=pair.past_candidate.part(0, first),
    )


def against_itself(pair: Pair) -> Pair:
    """The candidate's window against its own buckets right before it: no other node does the same work."""
    first = max(pair.past_candidate.lines.shape[1] - pair.recent_candidate.lines.shape[1], 0)
    past = pair.past_candidate.part(0, first)
    nothing = Side(np.zeros_like(past.lines), np.zeros_like(past.slots))
    return replace(pair, baseline=pair.recent_candidate, past_baseline=nothing, past_candidate=past)


def idle(side: Side, other: Side) -> bool:
    """Whether a node has too few lines to compare, alone or beside the other node."""
    return side.line_count < max(MIN_LINES, IDLE * other.line_count)


def has_no_work(side: Side, other: Side) -> bool:
    """Whether a node is idle, or logs little besides what both nodes log: health checks, mostly."""
    has_fewer = side.line_count < MIN_UNSHARED * other.line_count
    return idle(side, other) or (has_fewer and unshared(other, side) >= MIN_UNSHARED > unshared(side, other))


def unshared(side: Side, other: Side) -> float:
    """The share of a node's lines whose patterns the other one lacks."""
    return float(side.totals[other.totals == 0].sum() / max(side.line_count, 1))
