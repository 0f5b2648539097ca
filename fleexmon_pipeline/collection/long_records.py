"""A record over the limit is let by: its end is found piece by piece, and nothing of it is kept but its beginning.

Here: one such record. Which one that is, and what becomes of it: `answers.py`.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from itertools import accumulate

from fleexmon_pipeline.collection.record_runs import KEPT_OF_A_LONG_ONE

SLICE = 65_536  # bytes that are looked at together
_TOKEN = re.compile(rb'\\.?|["{}\[\]]', re.DOTALL)
_SIGNED = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKET = bytes(set(range(256)) - set(b"{}[]"))


def let_by(buffer: bytearray, chunks: Iterator[bytes], *, is_line: bool = False) -> tuple[bytes, int] | None:
    """The beginning and the length of the record that `buffer` begins with; `buffer` is then what follows it.

    None when it has no end, or is nothing that has one for sure: 40 MB of digits.
    """
    if not is_line and bytes(buffer[:1]) not in (b"{", b"[", b'"'):
        return None
    scanner = _Scanner()
    head = bytearray()
    length = 0
    last = b""
    piece: bytes | None = bytes(buffer)
    buffer.clear()
    while piece is not None:
        end = piece.find(b"\n") if is_line else scanner.end_in(piece)
        ours = piece if end < 0 else piece[:end]
        length += len(ours)
        head += ours[: KEPT_OF_A_LONG_ONE - len(head)]
        if end >= 0:
            buffer += piece[end:]
            return bytes(head), length
        last = ours.rstrip()[-1:] or last
        piece = next(chunks, None)
    # The last line may lack its newline. One that was cut behind an inner object is taken for whole, and rejected.
    return (bytes(head), length) if is_line and last == b"}" else None


def find_end(piece: bytes) -> int:
    """The place behind the record that `piece` begins with; -1 when it goes on."""
    return _Scanner().end_in(piece)


class _Scanner:
    """Finds the end of an object, an array or a string; whether it is sound JSON inside is not asked."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False  # the slice before ended in a backslash

    def end_in(self, piece: bytes) -> int:
        """The place behind its last byte in the next piece of it; -1 when it goes on."""
        for start in range(0, len(piece), SLICE):
            part = piece[start : start + SLICE]
            if not self._goes_on(part) and (end := self._end_in(part)) >= 0:
                return start + end
        return -1

    def _goes_on(self, part: bytes) -> bool:
        """Whether all its brackets are inner ones. Then it is passed, ten times as fast as token by token."""
        text = part[self._escaped :].replace(b"\\\\", b"")
        escaped = text.endswith(b"\\")
        texts = text.replace(b'\\"', b"").split(b'"')
        outside = b"".join(texts[self._in_string :: 2])
        depths = list(accumulate(array("b", outside.translate(_SIGNED, _NO_BRACKET)), initial=self._depth))
        if min(depths) <= 0:
            return False
        self._depth = depths[-1]
        self._in_string ^= len(texts) % 2 == 0
        self._escaped = escaped
        return True

    def _end_in(self, part: bytes) -> int:
        start, self._escaped = int(self._escaped), False
        for found in _TOKEN.finditer(part, start):
            token = found[0]
            if token[:1] == b"\\":
                self._escaped = len(token) == 1
                continue
            if token == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if token in b"{[" else -1
            if self._depth <= 0 and not self._in_string:
                return found.end()
        return -1
