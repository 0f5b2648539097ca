"""Means of earlier values.

Here: causal averages over arrays. The result at a position depends only on it and earlier positions.
"""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline.numerics import Floats, Ints

_CHUNK = 64  # positions that a row of a matrix product averages
# Rows of each product. The number is fixed: some processors sum a product of another size in another order, so that the
# last bits of an earlier value would change with the length of the series.
_ROWS = 16


def previous(values: Floats, first: float = np.nan) -> Floats:
    """Each value's predecessor; that of the first value is `first`."""
    return np.concatenate([[first], values[:-1]])


def moving_mean(values: Floats, width: float) -> Floats:
    """The exponentially weighted mean up to and including each value; a value's weight falls to 1/e after `width` more.

    NaN is ignored. Early means are over the few values so far, and not biased towards 0.
    """
    known = ~np.isnan(values)
    if known.all():
        weights = np.asarray(np.expm1(-np.arange(1, len(values) + 1) / width) / np.expm1(-1 / width))
    else:
        weights = _decayed_sum(known.astype(float), width)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(_decayed_sum(np.where(known, values, 0.0), width) / weights)


def _decayed_sum(values: Floats, width: float) -> Floats:
    chunks = -(-len(values) // _CHUNK)
    padded = np.zeros((-(-chunks // _ROWS), _ROWS, _CHUNK))
    padded.reshape(-1)[: len(values)] = values
    at = np.arange(_CHUNK)
    sums = (padded @ np.tril(np.exp(-np.abs(at[:, None] - at[None, :]) / width)).T).reshape(-1, _CHUNK)
    fading = np.exp(-(at + 1) / width)
    for position in range(1, chunks):
        sums[position] += sums[position - 1, -1] * fading
    decayed: Floats = sums.reshape(-1)[: len(values)]
    return decayed


def mean_of_last(values: Floats, width: int) -> Floats:
    """The mean of the last `width` values up to each value; of fewer at the start."""
    sums = np.concatenate([np.zeros(width), np.cumsum(values)])
    return np.asarray((sums[width:] - sums[:-width]) / np.minimum(np.arange(len(values)) + 1, width))


def mean_around(times: Ints, values: Floats, back: int, half_width: int) -> Floats:
    """The mean of the values `back` seconds before each time, plus or minus `half_width`."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    begin = np.searchsorted(times, times - back - half_width, "left")
    end = np.searchsorted(times, times - back + half_width, "right")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((sums[end] - sums[begin]) / (end - begin))
