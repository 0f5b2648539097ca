"""Skip a record over the size limit: find its end piece by piece and keep only its beginning.

Here: one such record. Detecting and rejecting it: `splitter.py`.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from itertools import accumulate

from fleexmon_pipeline.collection.answers.record_runs import MAX_KEPT_BYTES

SLICE = 65_536  # bytes scanned at a time
_TOKEN = re.compile(rb'\\.?|["{}\[\]]', re.DOTALL)
_SIGNED = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKET = bytes(set(range(256)) - set(b"{}[]"))


def skip_record(buffer: bytearray, chunks: Iterator[bytes], *, is_line: bool = False) -> tuple[bytes, int] | None:
    """The beginning and the length of the record at the start of `buffer`, which then contains only the bytes after it.

    None if the record does not end, or its end cannot be recognised, as in 40 MB of digits.
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
        head += ours[: MAX_KEPT_BYTES - len(head)]
        if end >= 0:
            buffer += piece[end:]
            return bytes(head), length
        last = ours.rstrip()[-1:] or last
        piece = next(chunks, None)
    # The last line may lack its newline. One that was cut after an inner object counts as whole and is rejected.
    return (bytes(head), length) if is_line and last == b"}" else None


def find_end(piece: bytes) -> int:
    """The index just after the record at the start of `piece`; -1 if it continues."""
    return _Scanner().end_in(piece)


class _Scanner:
    """Finds the end of an object, an array or a string, without validating what is inside."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False  # the previous slice ended in a backslash

    def end_in(self, piece: bytes) -> int:
        """The index just after the record's last byte in its next piece; -1 if it continues."""
        for start in range(0, len(piece), SLICE):
            part = piece[start : start + SLICE]
            if not self._goes_on(part) and (end := self._end_in(part)) >= 0:
                return start + end
        return -1

    def _goes_on(self, part: bytes) -> bool:
        """Whether the record continues past this part. Ten times as fast as token by token."""
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
        for match in _TOKEN.finditer(part, start):
            token = match[0]
            if token[:1] == b"\\":
                self._escaped = len(token) == 1
                continue
            if token == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if token in b"{[" else -1
            if self._depth <= 0 and not self._in_string:
                return match.end()
        return -1
