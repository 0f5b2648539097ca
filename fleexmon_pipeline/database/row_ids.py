"""Ids that sort by time and follow from what they name, so that doing a thing again finds its own rows.

Here: how such an id is built. What goes into the id of a log line or an issue: where those are made.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from fleexmon_pipeline.window import EPOCH

_MILLISECOND = timedelta(milliseconds=1)
_MOST_MILLISECONDS = (1 << 48) - 1
# Where a UUID has its version and variant, and what stands there.
_HASH = ((1 << 80) - 1) & ~(0xF << 76 | 0x3 << 62)
VERSION_8 = 0x8 << 76 | 0x2 << 62


def uuid8(moment: datetime, *parts: bytes) -> uuid.UUID:
    """A UUID version 8 (RFC 9562): 48 bits of `moment` in ms since 1970, then 74 bits of a hash of `parts`.

    Same arguments, same id, in every process. Parts are hashed with their lengths, so (b"ab", b"c") is not
    (b"a", b"bc"); the moment counts with its ms only: what is finer belongs into a part. Moments outside 1970-10889
    are cut to that range. Raises TypeError for a naive moment.
    """
    digest = hashlib.blake2b(digest_size=10)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return uuid.UUID(uuid8_hex(moment, digest.digest()))


def uuid8_hex(moment: datetime, digest: bytes) -> str:
    """As uuid8, 32 hexadecimal digits, of 10 bytes of hash: log lines come by the million, and a UUID object costs as
    much as its digits."""
    milliseconds = min(max((moment - EPOCH) // _MILLISECOND, 0), _MOST_MILLISECONDS)
    return f"{milliseconds << 80 | int.from_bytes(digest, 'big') & _HASH | VERSION_8:032x}"
