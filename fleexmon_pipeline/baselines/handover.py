"""Traffic that moves from one node to another: live and idle are switched, a node is drained or added.

Here: how many lines the peers gained while a node lost lines, or the other way round. Conditions that use it as an
explanation: `detection/conditions/`.

Nothing is configured or learnt: a peer is a node that logs the same patterns. So even the first switch to a colour that
never logged a line is recognised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, SlotGrid, group_of, trailing
from fleexmon_pipeline.numerics import Flags, Floats, Ints

HANDOVER = 6  # slots, half an hour
RECENT = 60  # slots, 5 hours: as many as are read before each slot, so that results do not depend on the window's start
MAX_SEASON = 3.0  # maximum rise by time of day within 3 hours
PRIOR_RATE = 0.1  # lines a slot, added to both sides of a ratio: with hardly any lines it means nothing
MIN_TAKEN = 0.5  # share of the silent node's missing lines that peers must have gained
HOURS = 3  # before the window, in which the nodes' earlier lines are measured
MIN_ALIKE = 0.5  # share of a peer's lines of the last hour whose patterns the node has too: a release rewords a few


def moved(
    node: SlotGrid, peers: Sequence[SlotGrid], known: Collection[str], season: Floats, width: int, *, away: bool
) -> Floats:
    """Lines that the peers gained in the window that ends with each slot, or lost, if `away` is False.

    known: patterns of the node's baseline; those of its last 5 hours are added. season: the node's expected lines by
    time of day, on any scale; its peers have the same users. away: the node lost lines, else it gained some.
    """
    recent = {
        pattern: trailing(row, RECENT) > 0
        for pattern, row in node.patterns({level for _, level in node.keys}).items()
        if pattern not in known
    }
    total = np.zeros(node.slots)
    for peer in peers:
        counted = [group_of(level) != "debug" for _, level in peer.keys]
        lines = peer.counts[counted].sum(axis=0)
        alike = peer.counts[
            [pattern in known and counts for (pattern, _), counts in zip(peer.keys, counted, strict=True)]
        ]
        hour, alike_hour = (trailing(values, SLOTS_AN_HOUR) for values in (lines, alike.sum(axis=0)))
        for (pattern, _), counts, row in zip(peer.keys, counted, peer.counts, strict=True):
            if counts and pattern in recent:
                alike_hour += np.where(recent[pattern], trailing(row, SLOTS_AN_HOUR), 0.0)
        if not away:  # a peer had the lines that it lost in the hours before
            hour, alike_hour = _shifted(hour, width), _shifted(alike_hour, width)
        is_peer = (alike_hour > 0) & (alike_hour >= MIN_ALIKE * hour)
        total += np.where(is_peer, np.maximum(_gained(lines, peer.known, season, width, away=away), 0), 0)
    return total


def level_before(lines: Ints, known: Flags, width: int) -> Floats:
    """Lines of a window at the rate of the three hours before it: a rise that has lasted that long is no longer one."""
    seen, slots = (_shifted(trailing(values, HOURS * SLOTS_AN_HOUR), width) for values in (lines, known.astype(float)))
    return np.asarray(width * seen / np.maximum(slots, 1.0))


def taken_over(
    node: Sequence[SlotGrid],
    peers: Iterable[Sequence[SlotGrid]],
    known: Collection[str],
    season: Callable[[int, int], float],
    silent_from: int,
    until: int,
) -> bool:
    """Whether peers took over the lines that a silent node lacks. Compares the first half hour of the silence, or what
    there is of it, with the three hours before.

    node, peers: the grids of each node that cover this time. known: as for `moved`. season: lines a slot by time of
    day, from one slot to another. silent_from: number of the slot in which the silence began. until: number of the
    first slot that is not looked at.
    """
    before = silent_from - HOURS * SLOTS_AN_HOUR
    until = min(until, silent_from + HANDOVER)
    share = (until - silent_from) / (silent_from - before)
    share *= _rise(season(silent_from, until), season(before, silent_from))
    had = _lines_between(node, before, silent_from)
    own = {*known, *had}
    gained = 0.0
    for peer in peers:
        were, are = _lines_between(peer, before, silent_from), _lines_between(peer, silent_from, until)
        total = were.total() + are.total()
        alike = sum(lines for part in (were, are) for pattern, lines in part.items() if pattern in own)
        if total and alike >= MIN_ALIKE * total:
            gained += max(are.total() - share * were.total(), 0.0)
    return gained > 0 and gained >= MIN_TAKEN * share * had.total()


def _lines_between(grids: Iterable[SlotGrid], since: int, until: int) -> Counter[str]:
    """Lines by pattern in these slots (numbers), without debug lines."""
    lines: Counter[str] = Counter()
    for grid in grids:
        places = slice(max(since - grid.first, 0), max(until - grid.first, 0))
        sums = grid.counts[:, places].sum(axis=1).tolist()
        for (pattern, level), count in zip(grid.keys, sums, strict=True):
            if count and group_of(level) != "debug":
                lines[pattern] += count
    return lines


def _rise(now: float | Floats, before: float | Floats) -> Any:
    """The factor by which lines rise from `before` to `now` by time of day, 1 to MAX_SEASON. A fall counts as 1,
    because peers need not follow it: a node may be idle at night while its peer is not."""
    return np.clip((now + PRIOR_RATE) / (before + PRIOR_RATE), 1.0, MAX_SEASON)


def _gained(lines: Ints, known: Flags, season: Floats, width: int, *, away: bool) -> Floats:
    """How many more lines the window has than the quietest of the three hours before (or, if not `away`, how many fewer
    than the busiest), after adjusting for the time of day."""
    levels = []
    due = trailing(season, width) / width
    for hour in range(HOURS):
        seen, slots = (
            _shifted(trailing(values, SLOTS_AN_HOUR), width + hour * SLOTS_AN_HOUR)
            for values in (lines, known.astype(float))
        )
        then = _shifted(trailing(season, SLOTS_AN_HOUR), width + hour * SLOTS_AN_HOUR) / SLOTS_AN_HOUR
        ratio = _rise(due, then) if away else 1 / _rise(then, due)
        levels.append(np.where(slots > 0, ratio * seen / np.maximum(slots, 1), np.nan))
    with np.errstate(all="ignore"):
        before = np.fmin.reduce(levels) if away else np.fmax.reduce(levels)
    change = trailing(lines, width) - trailing(known.astype(float), width) * np.nan_to_num(before)
    return np.asarray(change if away else -change)


def _shifted(values: Floats, by: int) -> Floats:
    return np.concatenate([np.zeros(min(by, len(values))), values[:-by]])
