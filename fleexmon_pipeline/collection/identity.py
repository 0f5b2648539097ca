"""The id of a line: the same line asked for again has the same id, two truly identical lines have two.

A hash of node, time, level, message, metadata and the ordinal among identical lines, behind 48 bits of the line's time.
"""

from __future__ import annotations

from hashlib import blake2b

from fleexmon_pipeline.collection.records import Line
from fleexmon_pipeline.identity import uuid8_hex


class Identities:
    """Gives out ids for one node and one answer; identical lines share a microsecond, so no window splits them."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._seen: set[bytes] = set()  # 80 bytes a line: 1M lines in an answer are 80 MB
        self._repeated: dict[bytes, int] = {}

    def of(self, line: Line) -> str:
        """32 hexadecimal digits."""
        # No stored text holds a NUL, so it separates without doubt.
        text = f"{self._node}\0{line.iso}\0{line.level}\0{line.message}\0{line.metadata or ''}"
        digest = blake2b(text.encode(), digest_size=10).digest()
        if digest in self._seen:
            ordinal = self._repeated[digest] = self._repeated.get(digest, 0) + 1
            digest = blake2b(digest + str(ordinal).encode(), digest_size=10).digest()
        else:
            self._seen.add(digest)
        return uuid8_hex(line.time, digest)
