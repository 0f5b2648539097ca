"""How improbable it is that a node logs nothing.

Only arithmetic over empty slots. When a rule fires: `detection/`.
"""

from __future__ import annotations

from math import log

import numpy as np

from fleexmon_pipeline.baselines import rates
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, SlotGrid
from fleexmon_pipeline.numerics import Floats

LOG10_E = 0.4343
# Docs/decisions/0018 explains the 3 hours, 0013 the caution. The other numbers were chosen by judgement, not by
# experiment.
STEADY_SLOTS = 36  # 3 hours with lines, which must precede a silence
MIN_KNOWN = 0.8  # share of those slots that must be known
MIN_WITH_LINES = 0.5  # share of the known slots that must have lines
MIN_SHARE_OF_BASELINE = 0.3  # a node already far below its baseline is not expected to log
CAUTION = 0.5  # factor on the expected lines


def quietness(grid: SlotGrid, base: Floats | None, absorbed_before: int = 0, *, lines_an_event: float = 1.0) -> Floats:
    """How improbable the run of empty slots is that ends with each slot: -log10 of the probability of no line in it.

    base: expected lines a slot; lines_an_event: how many of them come together. If `base` is None, or the silence began
    before slot number `absorbed_before`, both are taken from the 3 hours before the silence. 0 if these had no steady
    lines. Cautious: only half of the expected events count.
    """
    quiet = np.zeros(grid.slots)
    of_slots = grid.lines()
    lines = np.concatenate([[0.0], np.cumsum(of_slots)])
    known = np.concatenate([[0.0], np.cumsum(grid.known)])
    with_lines = np.concatenate([[0.0], np.cumsum(grid.known & ~grid.empty)])
    baseline_lines = None if base is None else np.concatenate([[0.0], np.cumsum(base)])
    expected, total, by_base, silent = 0.0, 0.0, False, False
    for slot in range(grid.slots):
        if not grid.known[slot]:
            quiet[slot] = total
            continue
        if not grid.empty[slot]:
            silent, total = False, 0.0
            continue
        if not silent:
            silent, total = True, 0.0
            begin = max(slot - STEADY_SLOTS, 0)
            known_before, lines_before = (float(sums[slot] - sums[begin]) for sums in (known, with_lines))
            steady = known_before >= MIN_KNOWN * STEADY_SLOTS and lines_before >= MIN_WITH_LINES * known_before
            by_base = baseline_lines is not None and grid.first + slot >= absorbed_before
            due = baseline_lines if baseline_lines is not None and by_base else known
            # If lines fell an hour ago, for example because a logger began to sample, expect only the lower rate.
            load, last_hour = (
                float(lines[slot] - lines[since]) / max(float(due[slot] - due[since]), 1e-9)
                for since in (begin, max(slot - SLOTS_AN_HOUR, 0))
            )
            if by_base:
                load = min(load, 1.0)
                steady = steady and load > MIN_SHARE_OF_BASELINE
            expected = 0.0
            if steady:
                before = slice(begin, slot)
                together = lines_an_event if by_base else rates.lines_an_event(of_slots[before], grid.known[before])
                # With many events, slots are rarely empty by chance. That limits how many lines can be one event.
                events_a_slot = -log((known_before - lines_before + 0.5) / (known_before + 1))
                together = min(together, float(lines[slot] - lines[begin]) / known_before / events_a_slot)
                expected = min(load, last_hour) / max(together, 1.0)
        total += CAUTION * LOG10_E * expected * (float(base[slot]) if by_base and base is not None else 1.0)
        quiet[slot] = total
    return quiet
