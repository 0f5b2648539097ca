"""Traffic that moves from one node to another: the switch of live and idle, a node drained, a node added.

Here: how many of the lines that a node lost or gained its peers gained or lost at the same time. Which condition takes
that for an explanation: `detection/conditions/`.

Nothing is configured and nothing is learnt: a peer says what the node says. So the first switch to a colour that never
logged a line is recognised like the hundredth.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, SlotGrid, trailing
from fleexmon_pipeline.numerics import Floats

BEFORE = 3 * SLOTS_AN_HOUR  # slots before the window: what each node had is measured there
MIN_ALIKE = 0.6  # of the lines that a peer gained (or lost) have patterns that the node has as well


def moved(node: SlotGrid, peers: Sequence[SlotGrid], known: Collection[str], width: int, *, away: bool) -> Floats:
    """At each slot's end, the lines that the window's share of the 3 hours before lacks in `node` (or has too many) and
    its peers have too many (or lack): the sum over the peers, each counted by the patterns that both have.

    known: patterns of the node beside those in its grid, from its baseline. away: the node lost lines.
    """
    own = {*known, *(pattern for pattern, _ in node.keys)}
    total = np.zeros(node.slots)
    for peer in peers:
        alike = [pattern in own for pattern, _ in peer.keys]
        if not any(alike):
            continue
        all_gained = change(peer.counts.sum(axis=0), peer.known.astype(float), width)
        gained = change(peer.counts[alike].sum(axis=0), peer.known.astype(float), width)
        if not away:
            gained, all_gained = -gained, -all_gained
        total += np.where(gained >= MIN_ALIKE * np.maximum(all_gained, 0), np.maximum(gained, 0), 0)
    return total


def change(lines: Floats, known: Floats, width: int) -> Floats:
    """Lines of the window that ends with each slot, less those that the 3 hours before it let expect."""
    before, slots = (_shifted(trailing(values, BEFORE), width) for values in (lines, known))
    return np.asarray(trailing(lines, width) - trailing(known, width) * before / np.maximum(slots, 1.0))


def _shifted(values: Floats, by: int) -> Floats:
    return np.concatenate([np.zeros(min(by, len(values))), values[:-by]])
