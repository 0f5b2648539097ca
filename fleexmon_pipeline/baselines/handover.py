"""Traffic that moves from one node to another: the switch of live and idle, a node drained, a node added.

Here: how many of the lines that a node lost or gained its peers gained or lost at the same time. Which condition takes
that for an explanation: `detection/conditions/`.

Nothing is configured and nothing is learnt: a peer says what the node says. So the first switch to a colour that never
logged a line is recognised like the hundredth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, SlotGrid, group_of, trailing
from fleexmon_pipeline.numerics import Flags, Floats, Ints

HANDOVER = 6  # slots, half an hour
SEEN = 60  # slots, 5 hours: as many as are read before each slot, so that a window may be cut anywhere
MAX_SEASON = 3.0  # times, within 3 hours
LITTLE = 0.1  # lines a slot: where there are next to none, a ratio says nothing
MIN_TAKEN = 0.5  # of the lines that a silent node lacks
HOURS = 3  # before the window: what each node had is measured there
MIN_ALIKE = 0.5  # of a peer's lines of the last hour have patterns that the node has as well: a release rewords a few


def moved(
    node: SlotGrid, peers: Sequence[SlotGrid], known: Collection[str], season: Floats, width: int, *, away: bool
) -> Floats:
    """Lines that the peers have in the window that ends with each slot and did not have before (or the other way round,
    where the node gained lines).

    known: patterns of the node beside those of its last 5 hours, from its baseline. season: lines that the node has by
    time of day, of any scale; its peers have the same users. away: the node lost lines.
    """
    recent = {
        pattern: trailing(row, SEEN) > 0
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
        if not away:  # what a peer lost, it had in the hours before
            hour, alike_hour = _shifted(hour, width), _shifted(alike_hour, width)
        is_peer = (alike_hour > 0) & (alike_hour >= MIN_ALIKE * hour)
        total += np.where(is_peer, np.maximum(_gained(lines, peer.known, season, width, away=away), 0), 0)
    return total


def level_before(lines: Ints, known: Flags, width: int) -> Floats:
    """Lines of a window as the three hours before it had them: what has lasted that long is no rise any more."""
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
    """Whether peers had the lines that a node stopped to have: its first half hour of silence, or what there is of it,
    against the three hours before.

    node, peers: the grids that each has of that time. known: as for `moved`. season: lines a slot by time of day, from
    one slot to another. silent_from, until: numbers of the slots in which the silence
    began and before which to look.
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
    """Lines by pattern in these slots, given by their numbers; debug lines are left out."""
    lines: Counter[str] = Counter()
    for grid in grids:
        places = slice(max(since - grid.first, 0), max(until - grid.first, 0))
        sums = grid.counts[:, places].sum(axis=1).tolist()
        for (pattern, level), count in zip(grid.keys, sums, strict=True):
            if count and group_of(level) != "debug":
                lines[pattern] += count
    return lines


def _rise(now: float | Floats, before: float | Floats) -> Any:
    """How many times the lines of before the season lets expect now, where it rises; no more than 3. Where it falls the
    peer need not follow: a node may sleep at night and its peer not."""
    return np.clip((now + LITTLE) / (before + LITTLE), 1.0, MAX_SEASON)


def _gained(lines: Ints, known: Flags, season: Floats, width: int, *, away: bool) -> Floats:
    """Lines of the window more than in the quietest of the three hours before (or fewer than in the busiest), each as
    many times as the season lets expect."""
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
