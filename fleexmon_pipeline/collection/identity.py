"""The id of a line: the same line asked for again has the same id, two truly identical lines have two.

48 bits of the line's time, so that the primary key grows at its right edge however large the table is, then a hash of
node, time, level, message, metadata and the ordinal among identical lines.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from uuid import UUID

from fleexmon_pipeline.collection.records import Line
from fleexmon_pipeline.identity import uuid8_of_digest


class Identities:
    """Gives out ids for one node and one answer; identical lines share a microsecond, so no window splits them."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._seen: defaultdict[bytes, int] = defaultdict(int)

    def of(self, line: Line) -> UUID:
        # No stored text holds a NUL, so it separates without doubt.
        text = f"{self._node}\0{line.time.isoformat()}\0{line.level}\0{line.message}\0{line.metadata or ''}"
        digest = blake2b(text.encode(), digest_size=10).digest()
        ordinal = self._seen[digest]
        self._seen[digest] += 1
        if ordinal:
            digest = blake2b(digest + str(ordinal).encode(), digest_size=10).digest()
        return uuid8_of_digest(line.time, digest)
