"""Values in lines that always vary, and how little they vary now.

Here: learning and what is seen, as shares: 1 where each line has another value, 0 where all have the same. What a slot
says of it: `patterns/measures.py`; which rule reports values that stand still: `detection/conditions/stuck.py`.

Nobody says which values are measurements: a value that has varied in each half hour is expected to, and one that has
ever stood still, or repeats by itself at night, is not.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fleexmon_pipeline.baselines.habits import reached
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, Variety, trailing
from fleexmon_pipeline.numerics import Floats

# By judgement.
MIN_COMPARED = 12  # lines of a window, besides the first of each slot
MIN_WINDOWS = 100  # with so many, for a baseline
MIN_VARIETY = 0.3  # of the third lowest day


def variety(of_pattern: Variety, field: int, width: int) -> tuple[Floats, Floats]:
    """The share of other values, and the lines compared, in the `width` slots up to each slot's end."""
    compared = trailing(of_pattern.compared, width)
    return trailing(of_pattern.others[field], width) / np.maximum(compared, 1.0), compared


def learn_variety(of_pattern: Variety, first: int, widths: Collection[int]) -> dict[str, float]:
    """ "Field/width" → the lowest share of other values that is normal: the third lowest day's. Without fields that
    do not always vary."""
    found: dict[str, float] = {}
    for field in of_pattern.others:
        for width in sorted(widths):
            share, compared = variety(of_pattern, field, width)
            enough = np.flatnonzero(compared >= MIN_COMPARED)
            if len(enough) < MIN_WINDOWS:
                continue
            lowest = 1.0 - reached((first + enough) // SLOTS_A_DAY, 1.0 - share[enough])
            days = len(np.unique((first + enough) // SLOTS_A_DAY))
            if days >= MIN_DAYS and lowest >= MIN_VARIETY:
                found[f"{field}/{width}"] = round(lowest, 3)
    return found


MIN_DAYS = 3
