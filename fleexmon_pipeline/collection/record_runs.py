"""Runs of records: those that a node sent together, and read together where they are usual.

The record of the node API is `{"timestamp", "level", "message", "metadata"}`, and nearly all are. A run of such is read
in one call, .4 µs a record where one by one takes .9; any other record goes its own way, and none costs its neighbours.
Here: that they are of this form. What their texts mean: `rows.py`; every other form: `records.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

Raw = bytes | msgspec.Raw

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Usual(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record of the node API."""

    timestamp: str
    level: str
    message: str
    metadata: dict[str, Any] | None = None


KEPT_OF_A_LONG_ONE = 400_004  # bytes: 100,000 characters of 4 bytes, and one that is cut

UNUSUAL = Usual("", "", "")  # stands for a record of any other form: no record has this level

_TOO_LONG = re.compile("a record of [0-9,]+ bytes, more than [0-9,]+")

_one = msgspec.json.Decoder(Usual).decode
_array = msgspec.json.Decoder(list[Usual]).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Run:
    """Some records of an answer, in order. Iterate for the raw ones.

    too_long: those that nobody reads, beside the others: their beginning, and the reason to reject them.
    """

    def __init__(
        self,
        raws: Sequence[Raw] | None,
        array: bytes = b"",
        usual: Sequence[Usual] | None = None,
        too_long: Sequence[tuple[bytes, str]] = (),
    ) -> None:
        self._raws = raws
        self._array = array
        self._usual = usual
        self.too_long = too_long

    @classmethod
    def of_array(cls, array: bytes) -> Run:
        """Raises msgspec's errors where the text is no JSON array."""
        try:
            return cls(None, array, _array(array))
        except _UNREADABLE:
            return cls(_raws(array))

    def within(self, most: int) -> Run:
        """The same records, those of more than `most` bytes among the ones that are too long."""
        raws: list[Raw] = []
        too_long = list(self.too_long)
        for raw in self:
            if (length := len(memoryview(raw))) > most:
                too_long.append((bytes(memoryview(raw)[:KEPT_OF_A_LONG_ONE]), reason_of(length, most)))
            else:
                raws.append(raw)
        return Run(raws, too_long=too_long) if too_long else self

    def usual(self) -> Iterable[Usual]:
        """One for each record."""
        return self._usual if self._usual is not None else map(_read, self)

    def raw(self, n: int) -> bytes:
        if self._raws is None:
            self._raws = _raws(self._array)
        return bytes(self._raws[n])

    def __len__(self) -> int:
        records = self._usual if self._raws is None else self._raws
        return len(records or ()) + len(self.too_long)

    def __iter__(self) -> Iterator[Raw]:
        if self._raws is None:
            self._raws = _raws(self._array)
        return iter(self._raws)


def reason_of(length: int, most: int) -> str:
    """Why a record is too long."""
    return f"a record of {length:,} bytes, more than {most:,}"


def is_too_long(reason: str) -> bool:
    return _TOO_LONG.fullmatch(reason) is not None


def _read(raw: Raw) -> Usual:
    try:
        return _one(raw)
    except _UNREADABLE:
        return UNUSUAL
