"""Hashes of short pieces ("grams") of texts: few enough to keep those of a day, and enough to find a text by its own.

A text of n bytes is in a message only if its grams are. Of each `window` neighbouring grams the one with the smallest
hash is kept (a "minimizer"). So a text of at least `shortest` bytes has a gram that is kept of each message that
contains the text, and the text alone determines which one. The case of ASCII letters is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

BLOCK = 16_384  # bytes that are hashed at once: their hashes fit into the processor's cache
_FOLDED = np.arange(256, dtype=np.uint64)
_FOLDED[ord("A") : ord("Z") + 1] += 32
_STEP, _STEP2, _STEP4 = (np.uint64(pow(0x9E3779B97F4A7C15, power, 1 << 64)) for power in (1, 2, 4))
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF, _LESS = np.uint64(32), np.uint64(29)


@dataclass(frozen=True)
class Kind:
    """`gram`: its bytes, 4 or 8; `window`: one of so many neighbours is kept, 3 or 5."""

    gram: int
    window: int

    @property
    def shortest(self) -> int:
        """Bytes a text needs so that one of its grams is certainly kept."""
        return self.gram + self.window - 1


WORDS = Kind(4, 3)  # for words: a day has few. No use for numbers: nearly all of four digits are in each row group
IDS = Kind(8, 5)  # for numbers: a row group has one in a hundred of those of eight digits
KINDS = (WORDS, IDS)
_OVERLAP = IDS.shortest - 1


def kept(data: Bytes, ends: Places) -> list[Hashes]:
    """The kept hashes of each kind, ascending and unique. `data`: texts without gaps, `ends`: where each ends."""
    found: list[list[Hashes]] = [[] for _ in KINDS]
    inside = [_starts(len(data), ends, kind) for kind in KINDS]
    for start in range(0, len(data), BLOCK):
        smallest = _smallest(_FOLDED[data[start : start + BLOCK + _OVERLAP]])
        for hashes, places, lists in zip(smallest, inside, found, strict=True):
            own = hashes[:BLOCK]
            own = own[places[start : start + len(own)]]
            if len(own):
                lists.append(_without_repeats(own))
    # Mixed again: minimizers are small numbers, and have to spread evenly over the filter.
    return [once([_mixed(hashes) for hashes in lists]) for lists in found]


def once(hashes: Sequence[Hashes]) -> Hashes:
    """All of them, ascending and unique. Sorting is fifteen times faster than numpy's `unique`."""
    return _without_repeats(np.sort(np.concatenate(hashes))) if hashes else np.zeros(0, np.uint64)


def kept_of(text: str, kind: Kind) -> Hashes:
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    return kept(data, np.array([len(data)], np.int64))[KINDS.index(kind)]


def _without_repeats(hashes: Hashes) -> Hashes:
    """One of each run of equal hashes."""
    differs = np.empty(len(hashes), np.bool_)
    differs[:1] = True
    np.not_equal(hashes[1:], hashes[:-1], out=differs[1:])
    return hashes[differs]


def _smallest(folded: Hashes) -> Iterator[Hashes]:
    """For each kind: the smallest hash of the grams of each window, by the window's first byte."""
    two = folded[:-1] * _STEP + folded[1:]
    four = two[:-2] * _STEP2 + two[2:]
    hashes = _mixed(four)
    pair = np.minimum(hashes[:-1], hashes[1:])
    yield np.minimum(pair[:-1], hashes[2:])
    hashes = _mixed(four[:-4] * _STEP4 + four[4:])
    pair = np.minimum(hashes[:-1], hashes[1:])
    yield np.minimum(np.minimum(pair[:-2], pair[2:])[:-1], hashes[4:])


def _mixed(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> _HALF)) * _MIX
    return hashes ^ (hashes >> _LESS)


def _starts(length: int, ends: Places, kind: Kind) -> NDArray[np.bool_]:
    """Where a window begins that lies within one text."""
    inside = np.ones(length, np.bool_)
    for before in range(1, kind.shortest):
        places = ends - before
        inside[places[places >= 0]] = False
    return inside
