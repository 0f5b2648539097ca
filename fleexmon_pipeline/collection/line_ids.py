"""Line ids: a line collected again gets the same id, two truly identical lines get two.

An id is 48 bits of the line's time, then a hash of node, time, level, message, metadata and the ordinal among identical
lines.
"""

from __future__ import annotations

from hashlib import blake2b

from fleexmon_pipeline.collection.records import Line
from fleexmon_pipeline.database.row_ids import uuid8_hex

DIGEST = 10  # bytes
SECOND = slice(19)  # of a time as text
MAX_RETURNS = 1_000  # to an earlier second; after that, the answer is not in time order


class Identities:
    """Assigns ids for one node and one answer. Identical lines share a microsecond, so no window separates them.

    Digests of the current second are in a set, 80 bytes each; those of other seconds are packed, 10 bytes each. If an
    answer is not in time order, this would pack and unpack for every line. So after MAX_RETURNS all digests stay in the
    set.
    """

    def __init__(self, node: str) -> None:
        self._node = node.encode()
        self._second: bytes | None = b""  # None: of all seconds
        self._seen: set[bytes] = set()
        self._packed: dict[bytes, bytes] = {}  # by second
        self._returns = 0
        self._repeated: dict[bytes, int] = {}

    def digest(self, iso: bytes, level: bytes, message: bytes, metadata: bytes) -> bytes:
        """The hash part of an id. `iso`: as `Line.iso`; `metadata`: empty if the line has none."""
        # Stored texts never contain NUL, so it is a safe separator.
        digest = blake2b(b"\0".join((self._node, iso, level, message, metadata)), digest_size=DIGEST).digest()
        if self._second is not None and iso[SECOND] != self._second:
            self._turn_to(iso[SECOND])
        seen = self._seen
        before = len(seen)
        seen.add(digest)
        if len(seen) > before:
            return digest
        ordinal = self._repeated[digest] = self._repeated.get(digest, 0) + 1
        return blake2b(digest + str(ordinal).encode(), digest_size=DIGEST).digest()

    def _turn_to(self, second: bytes) -> None:
        packed = self._packed
        if self._second and self._seen:
            packed[self._second] = b"".join(self._seen)
        if second not in packed:
            self._second, self._seen = second, set()
            return
        self._returns += 1
        if self._returns <= MAX_RETURNS:
            self._second, self._seen = second, _unpacked(packed.pop(second))
            return
        self._second, self._seen = None, set().union(*map(_unpacked, packed.values()))
        packed.clear()

    def of(self, line: Line) -> str:
        """32 hexadecimal digits."""
        texts = line.iso, line.level, line.message, line.metadata or ""
        return uuid8_hex(line.time, self.digest(*(text.encode() for text in texts)))


def _unpacked(digests: bytes) -> set[bytes]:
    return {digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)}
