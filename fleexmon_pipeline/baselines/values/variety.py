"""Variety of values in lines: how much they normally vary, and how much they vary now.

Variety is a share: 1 if each line has another value, 0 if all have the same. Counting in a slot:
`patterns/measures.py`; the rule for constant values: `detection/conditions/stuck.py`.

Nobody lists the measurements. A value that has varied in each half hour is expected to vary; one that was ever
constant, or repeats at night, is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from fleexmon_pipeline.baselines.habits import reached
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, Variety, trailing
from fleexmon_pipeline.numerics import Floats

# Chosen by judgement.
MIN_COMPARED = 12  # lines of a window, except the first of each slot
MIN_WINDOWS = 100  # with that many lines, for a baseline
MIN_DAYS = 3
MIN_VARIETY = 0.3  # on the third lowest day
MAX_VARIETY = 0.98  # values that were never equal may be, once in fifty lines


def variety(of_pattern: Variety, field: int, width: int) -> tuple[Floats, Floats]:
    """The share of different values, and the compared lines, in the `width` slots up to each slot's end."""
    compared = trailing(of_pattern.compared, width)
    return trailing(of_pattern.others[field], width) / np.maximum(compared, 1.0), compared


def stands_still(of_pattern: Variety, learnt: Mapping[str, float], width: int) -> Iterator[tuple[int, Floats]]:
    """Field → how far its values vary less than they always have, in standard deviations: the root of the binomial
    deviance."""
    for field in of_pattern.others:
        if (lowest := learnt.get(f"{field}/{width}")) is None:
            continue
        share, compared = variety(of_pattern, field, width)
        same, most = 1.0 - share, min(lowest, MAX_VARIETY)
        with np.errstate(divide="ignore", invalid="ignore"):
            of_others = np.where(share > 0, share * np.log(share / most), 0.0)
            of_same = np.where(same > 0, same * np.log(same / (1.0 - most)), 0.0)
        deviance = 2 * compared * np.maximum(of_others + of_same, 0.0)
        yield field, np.where(share < most, np.sqrt(deviance), 0.0)


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
