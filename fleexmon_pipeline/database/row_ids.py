"""Ids that sort by time and are computed from the contents of a row, so that a rerun finds its own rows.

Here: how an id is built. The parts of the id of a line or an issue: where those are created.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from fleexmon_pipeline.window import EPOCH

_MILLISECOND = timedelta(milliseconds=1)
_MAX_MILLISECONDS = (1 << 48) - 1
# The bits of the hash, and the version and variant of the UUID.
_HASH = ((1 << 80) - 1) & ~(0xF << 76 | 0x3 << 62)
VERSION_8 = 0x8 << 76 | 0x2 << 62


def uuid8(moment: datetime, *parts: bytes) -> uuid.UUID:
    """A UUID version 8 (RFC 9562): 48 bits of `moment` in ms since 1970, then 74 bits of a hash of `parts`.

    Same arguments, same id, in every process. Parts are hashed with their lengths, so (b"ab", b"c") is not
    (b"a", b"bc"). Only whole ms of the moment count: put anything finer into a part. Moments outside 1970-10889 are
    clamped to that range. Raises TypeError for a naive moment.
    """
    digest = hashlib.blake2b(digest_size=10)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return uuid.UUID(uuid8_hex(moment, digest.digest()))


def uuid8_hex(moment: datetime, digest: bytes) -> str:
    """uuid8 as 32 hex digits, from 10 bytes of hash: UUID objects would double the cost of millions of lines."""
    milliseconds = min(max((moment - EPOCH) // _MILLISECOND, 0), _MAX_MILLISECONDS)
    return f"{milliseconds << 80 | int.from_bytes(digest, 'big') & _HASH | VERSION_8:032x}"
