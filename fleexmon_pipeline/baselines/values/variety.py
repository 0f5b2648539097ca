"""Variety of values in lines: how much they normally vary, and how much they vary now.

Variety is a share: 1 if each line has another value, 0 if all have the same. Counting in a slot:
`patterns/measures.py`; the rule for constant values: `detection/conditions/stuck.py`.

Nobody lists the measurements. A value that has varied in each half hour is expected to vary; one that was ever
constant, or repeats at night, is not.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fleexmon_pipeline.baselines.habits import reached
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, Variety, trailing
from fleexmon_pipeline.numerics import Floats

# Chosen by judgement.
MIN_COMPARED = 12  # lines of a window, except the first of each slot
MIN_WINDOWS = 100  # with that many lines, for a baseline
MIN_DAYS = 3
MIN_VARIETY = 0.3  # on the third lowest day


def variety(of_pattern: Variety, field: int, width: int) -> tuple[Floats, Floats]:
    """The share of different values, and the compared lines, in the `width` slots up to each slot's end."""
    compared = trailing(of_pattern.compared, width)
    return trailing(of_pattern.others[field], width) / np.maximum(compared, 1.0), compared


def learn_variety(of_pattern: Variety, first: int, widths: Collection[int]) -> dict[str, float]:
    """ "Field/width" → the lowest normal share of different values: that of the third lowest day. Fields that do not
    always vary are left out."""
    learnt: dict[str, float] = {}
    for field in of_pattern.others:
        for width in sorted(widths):
            share, compared = variety(of_pattern, field, width)
            enough = np.flatnonzero(compared >= MIN_COMPARED)
            if len(enough) < MIN_WINDOWS:
                continue
            lowest = 1.0 - reached((first + enough) // SLOTS_A_DAY, 1.0 - share[enough])
            days = len(np.unique((first + enough) // SLOTS_A_DAY))
            if days >= MIN_DAYS and lowest >= MIN_VARIETY:
                learnt[f"{field}/{width}"] = round(lowest, 3)
    return learnt
