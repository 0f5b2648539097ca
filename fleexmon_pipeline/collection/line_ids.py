"""Line ids: a line collected again gets the same id, two truly identical lines get two.

An id is 48 bits of the line's time, then a hash of node, time, level, message, metadata and the ordinal among identical
lines.
"""

from __future__ import annotations

from hashlib import blake2b

from fleexmon_pipeline.collection.records import Line
from fleexmon_pipeline.database.row_ids import uuid8_hex

DIGEST = 10  # bytes


class Identities:
    """Assigns ids for one node and one answer. Identical lines share a microsecond, so no window separates them."""

    def __init__(self, node: str) -> None:
        self._node = node.encode()
        self._seen: set[bytes] = set()  # 80 bytes a line: 1M lines in an answer are 80 MB
        self._repeated: dict[bytes, int] = {}

    def digest(self, iso: bytes, level: bytes, message: bytes, metadata: bytes) -> bytes:
        """The hash part of an id. `iso`: as `Line.iso`; `metadata`: empty if the line has none."""
        # Stored texts never contain NUL, so it is a safe separator.
        digest = blake2b(b"\0".join((self._node, iso, level, message, metadata)), digest_size=DIGEST).digest()
        seen = self._seen
        before = len(seen)
        seen.add(digest)
        if len(seen) > before:
            return digest
        ordinal = self._repeated[digest] = self._repeated.get(digest, 0) + 1
        return blake2b(digest + str(ordinal).encode(), digest_size=DIGEST).digest()

    def of(self, line: Line) -> str:
        """32 hexadecimal digits."""
        texts = line.iso, line.level, line.message, line.metadata or ""
        return uuid8_hex(line.time, self.digest(*(text.encode() for text in texts)))
