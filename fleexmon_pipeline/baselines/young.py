"""Thresholds on young nodes: compare with the hours just before, while there is no baseline, or one of a few days.

A threshold of 5 % means nothing on a node whose normal share is 6 %, and one error in eleven lines says nothing about a
share. On a second world with a known truth, bare thresholds raised 8 false alarms a day on 6 nodes in the first week,
nearly all of them one or two errors among 11 to 19 lines.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, surprise, trailing
from fleexmon_pipeline.numerics import Flags, Floats, Ints

HOURS_BEFORE = 4 * SLOTS_AN_HOUR  # slots; with a window, they fit into the slots that are read before evaluation
TYPICAL_SPREAD = 0.2  # of errors, as in `rates.py`
HALF_A_LINE = 0.5  # added to past lines, so that an hour without lines does not mean never
MIN_SURPRISE = 3.0  # standard deviations above the hours before
MIN_LINES = 4  # that must match; fewer may be chance
CONFIDENCE = 1.645  # standard deviations, for 95 % confidence


def certainly_above(matching: Floats, total: Floats, share: float) -> Flags:
    """Whether the share of matching lines is certainly above a threshold: Wilson's lower bound, and MIN_LINES."""
    lines = np.maximum(total, 1.0)
    seen, square = matching / lines, CONFIDENCE**2
    middle = seen + square / (2 * lines)
    half = CONFIDENCE * np.sqrt(seen * (1 - seen) / lines + square / (4 * lines**2))
    return np.asarray(((middle - half) / (1 + square / lines) > share) & (matching >= MIN_LINES))


def is_rise(matching: Ints, exposure: Ints, width: int) -> Flags:
    """At the end of which slots there are more lines than expected from the 4 hours before the window.

    matching: lines by slot; exposure: all lines, or known slots, to which they are proportional. True if those hours
    had no matching line.
    """
    seen, now = trailing(matching, width), trailing(exposure, width)
    before, exposed = (_before(values, width) for values in (matching, exposure))
    expected = now * (before + HALF_A_LINE) / np.maximum(exposed, 1.0)
    spread = TYPICAL_SPREAD + 1 / (before + HALF_A_LINE)  # few lines before: the rate is uncertain
    return np.asarray((before == 0) | (surprise(seen, expected, spread) >= MIN_SURPRISE))


def _before(values: Ints, width: int) -> Floats:
    """Sums over the 4 hours before the window that ends with each slot."""
    sums = trailing(values, HOURS_BEFORE)
    return np.concatenate([np.zeros(min(width, len(sums))), sums[:-width]])
