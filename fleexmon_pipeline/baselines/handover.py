"""Traffic that moves from one node to another: the switch of live and idle, a node drained, a node added.

Here: how many of the lines that a node lost or gained its peers gained or lost at the same time. Which condition takes
that for an explanation: `detection/conditions/`.

Nothing is configured and nothing is learnt: a peer says what the node says. So the first switch to a colour that never
logged a line is recognised like the hundredth.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, SlotGrid, group_of, trailing
from fleexmon_pipeline.numerics import Flags, Floats, Ints

HANDOVER = 6  # slots, half an hour
MIN_TAKEN = 0.5  # of the lines that a silent node lacks
HOURS = 3  # before the window: what each node had is measured there
MIN_ALIKE = 0.5  # of a peer's lines of the last hour have patterns that the node has as well: a release rewords a few


def moved(node: SlotGrid, peers: Sequence[SlotGrid], known: Collection[str], width: int, *, away: bool) -> Floats:
    """Lines that the peers have in the window that ends with each slot and did not have before (or the other way round,
    where the node gained lines).

    known: patterns of the node beside those in its grid, from its baseline. away: the node lost lines.
    """
    own = {*known, *(pattern for pattern, _ in node.keys)}
    total = np.zeros(node.slots)
    for peer in peers:
        counted = [group_of(level) != "debug" for _, level in peer.keys]
        alike = [pattern in own and counts for (pattern, _), counts in zip(peer.keys, counted, strict=True)]
        if not any(alike):
            continue
        lines = peer.counts[counted].sum(axis=0)
        hour, alike_hour = (trailing(values, SLOTS_AN_HOUR) for values in (lines, peer.counts[alike].sum(axis=0)))
        if not away:  # what a peer lost, it had in the hours before
            hour, alike_hour = _shifted(hour, width), _shifted(alike_hour, width)
        is_peer = alike_hour >= MIN_ALIKE * np.maximum(hour, 1)
        total += np.where(is_peer, np.maximum(_gained(lines, peer.known, width, away=away), 0), 0)
    return total


def is_peer(node: SlotGrid, peer: SlotGrid, known: Collection[str]) -> bool:
    """Whether half of a node's lines or more are of patterns that the other node has as well."""
    own = {*known, *(pattern for pattern, _ in node.keys)}
    counted = [group_of(level) != "debug" for _, level in peer.keys]
    alike = [pattern in own and counts for (pattern, _), counts in zip(peer.keys, counted, strict=True)]
    return bool(peer.counts[alike].sum() >= MIN_ALIKE * max(peer.counts[counted].sum(), 1))


def level_before(lines: Ints, known: Flags, width: int) -> Floats:
    """Lines of a window as the three hours before it had them: what has lasted that long is no rise any more."""
    seen, slots = (_shifted(trailing(values, HOURS * SLOTS_AN_HOUR), width) for values in (lines, known.astype(float)))
    return np.asarray(width * seen / np.maximum(slots, 1.0))


def taken_over(node: Ints, peers: Sequence[Ints], silent_from: int) -> bool:
    """Whether peers had the lines that a node stopped to have: its first half hour of silence against the three hours
    before. `node`, `peers`: lines by slot; the silence begins at index `silent_from`."""
    before, after = (
        slice(max(silent_from - HOURS * SLOTS_AN_HOUR, 0), silent_from),
        slice(silent_from, silent_from + HANDOVER),
    )
    if not len(node[before]) or not len(node[after]):
        return False
    missing = float(node[before].mean()) * len(node[after])
    gained = sum(max(float(peer[after].sum() - peer[before].mean() * len(peer[after])), 0.0) for peer in peers)
    return gained >= MIN_TAKEN * missing


def _gained(lines: Ints, known: Flags, width: int, *, away: bool) -> Floats:
    """Lines of the window more than in the quietest of the three hours before (or fewer than in the busiest)."""
    levels = []
    for hour in range(HOURS):
        seen, slots = (
            _shifted(trailing(values, SLOTS_AN_HOUR), width + hour * SLOTS_AN_HOUR)
            for values in (lines, known.astype(float))
        )
        levels.append(np.where(slots > 0, seen / np.maximum(slots, 1), np.nan))
    with np.errstate(all="ignore"):
        before = np.fmin.reduce(levels) if away else np.fmax.reduce(levels)
    change = trailing(lines, width) - trailing(known.astype(float), width) * np.nan_to_num(before)
    return np.asarray(change if away else -change)


def _shifted(values: Floats, by: int) -> Floats:
    return np.concatenate([np.zeros(min(by, len(values))), values[:-by]])
