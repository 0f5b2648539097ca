"""The id of a line: the same line asked for again has the same id, two truly identical lines have two.

A hash of node, time, level, message, metadata and the ordinal among identical lines, behind 48 bits of the line's time.
"""

from __future__ import annotations

from hashlib import blake2b

from fleexmon_pipeline.collection.records import Line
from fleexmon_pipeline.database.row_ids import uuid8_hex

DIGEST = 10  # bytes


class Identities:
    """Gives out ids for one node and one answer; identical lines share a microsecond, so no window splits them."""

    def __init__(self, node: str) -> None:
        self._node = node.encode()
        self._seen: set[bytes] = set()  # 80 bytes a line: 1M lines in an answer are 80 MB
        self._repeated: dict[bytes, int] = {}

    def digest(self, iso: bytes, level: bytes, message: bytes, metadata: bytes) -> bytes:
        """The part of an id that is a hash. `iso`: as `Line.iso`; `metadata`: empty where there is none."""
        # No stored text holds a NUL, so it separates without doubt.
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
