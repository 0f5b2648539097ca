"""What a node that is hardly known has shown so far, and whether a figure is news against it.

Here: judging by the hours just before, for thresholds on a node without a baseline or with one of a few days. What
whole days teach: `learn.py`.

A share of 5 % is promised as news, but not on a node whose ordinary share is 6 %, and one error of eleven lines says
nothing about a share. On a second world with a known truth, bare thresholds made 8 false alarms a day on 6 nodes in the
first week, nearly all of them one or two errors among 11 to 19 lines.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, surprise, trailing
from fleexmon_pipeline.numerics import Flags, Floats, Ints

HOURS_BEFORE = 4 * SLOTS_AN_HOUR  # slots: what was read before the slots to evaluate holds as much and a window
TYPICAL_SPREAD = 0.2  # of errors: as `learn.py` assumes
HALF_A_LINE = 0.5  # added to what was seen, so that none in an hour is not never
MIN_SURPRISE = 3.0  # standard deviations above the hours before
MIN_LINES = 4  # of a share: fewer than that are chance
CONFIDENCE = 1.645  # standard deviations: the share is above its threshold with 95 %


def certainly_above(matching: Floats, total: Floats, share: float) -> Flags:
    """Whether the share of matching lines is above a threshold, chance left out: Wilson's lower bound, and 4 lines."""
    lines = np.maximum(total, 1.0)
    seen, square = matching / lines, CONFIDENCE**2
    middle = seen + square / (2 * lines)
    half = CONFIDENCE * np.sqrt(seen * (1 - seen) / lines + square / (4 * lines**2))
    return np.asarray(((middle - half) / (1 + square / lines) > share) & (matching >= MIN_LINES))


def is_news(matching: Ints, exposure: Ints, width: int) -> Flags:
    """At the end of which slots there is more than the 4 hours before the window let expect.

    `matching`: lines by slot; `exposure`: what they grow with, all lines or known slots. True where those hours had
    none: nothing is known then that speaks against it.
    """
    seen, now = trailing(matching, width), trailing(exposure, width)
    before, exposed = (_before(values, width) for values in (matching, exposure))
    expected = now * (before + HALF_A_LINE) / np.maximum(exposed, 1.0)
    spread = TYPICAL_SPREAD + 1 / (before + HALF_A_LINE)  # little was seen: little is certain
    return np.asarray((before == 0) | (surprise(seen, expected, spread) >= MIN_SURPRISE))


def _before(values: Ints, width: int) -> Floats:
    """Sums over the 4 hours before the window that ends with each slot."""
    sums = trailing(values, HOURS_BEFORE)
    return np.concatenate([np.zeros(min(width, len(sums))), sums[:-width]])
