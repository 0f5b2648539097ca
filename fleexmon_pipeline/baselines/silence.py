"""How unlikely it is that a node says nothing.

Here: arithmetic over empty slots. When a rule takes it for a silence: `detection/`.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SlotGrid
from fleexmon_pipeline.numerics import Floats

STEADY_SLOTS = 36  # 3 hours of lines, without which nothing is a silence
LOG10_E = 0.4343
# Chosen on the project's own replays (docs/decisions/0013): what makes the lines before a silence steady, and how
# cautiously they are carried on.
MIN_KNOWN = 0.8  # of those 3 hours
MIN_SPOKEN = 0.5  # of the known slots
MIN_SHARE_OF_BASELINE = 0.3  # a node far below its baseline already is not expected to speak
CAUTION = 0.5  # of the expected lines count


def quietness(grid: SlotGrid, base: Floats | None, unlearnt: int = 0) -> Floats:
    """How unlikely the empty slots are that end with each slot: -log10 of the chance of no line in all of them.

    `base`: lines a slot as expected; None where that is not known, then the 3 hours before the silence stand for it, as
    for a silence that began before the slot of number `unlearnt`. 0 where those had no steady lines. Cautious: expected
    is half of what they let expect.
    """
    found = np.zeros(grid.slots)
    lines = np.concatenate([[0.0], np.cumsum(grid.lines())])
    asked = np.concatenate([[0.0], np.cumsum(grid.known)])
    spoken = np.concatenate([[0.0], np.cumsum(grid.known & ~grid.empty)])
    usual = None if base is None else np.concatenate([[0.0], np.cumsum(base)])
    expected, total, by_base, silent = 0.0, 0.0, False, False
    for slot in range(grid.slots):
        if not grid.known[slot]:
            found[slot] = total
            continue
        if not grid.empty[slot]:
            silent, total = False, 0.0
            continue
        if not silent:
            silent, total = True, 0.0
            begin = max(slot - STEADY_SLOTS, 0)
            before, of = float(lines[slot] - lines[begin]), float(asked[slot] - asked[begin])
            steady = of >= MIN_KNOWN * STEADY_SLOTS and spoken[slot] - spoken[begin] >= MIN_SPOKEN * of
            load, by_base = before / max(of, 1), usual is not None and grid.first + slot >= unlearnt
            if usual is not None and by_base:
                load = min(before / max(float(usual[slot] - usual[begin]), 1e-9), 1.0)
                steady = steady and load > MIN_SHARE_OF_BASELINE
            expected = load if steady else 0.0
        total += CAUTION * LOG10_E * expected * (float(base[slot]) if by_base and base is not None else 1.0)
        found[slot] = total
    return found
