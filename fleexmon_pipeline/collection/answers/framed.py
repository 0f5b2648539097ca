"""Answers that are sent as a stream of frames: JSON text sequences (RFC 7464), server-sent events.

Here: removing the frames while a body arrives. Splitting it into records: `splitter.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

MAX_UNRECOGNISED_BYTES = 32_000_000  # of an object whose form cannot be told from its beginning
RECORD_SEPARATOR = b"\x1e"
_EVENT_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


def unframed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Remove the frames of streams: JSON text sequences (RFC 7464), server-sent events (`data: {…}`)."""
    first = next(chunks, b"")
    while not first.strip() and (more := next(chunks, b"")):
        first = more
    begins = first.lstrip()
    if begins.startswith(RECORD_SEPARATOR):
        for chunk in chain([first], chunks):
            yield chunk.replace(RECORD_SEPARATOR, b"")
    elif begins.startswith(_EVENT_FIELDS):
        rest = bytearray()
        for chunk in chain([first], chunks):
            rest += chunk
            if b"\n" in chunk or len(rest) > MAX_UNRECOGNISED_BYTES:  # far over the limit of a record, which says so
                end = rest.rfind(b"\n") + 1 or len(rest)
                yield b"".join(map(_data_of, bytes(rest[:end]).split(b"\n")))
                del rest[:end]
        yield _data_of(bytes(rest))
    else:
        yield first
        yield from chunks


def _data_of(line: bytes) -> bytes:
    return line.removeprefix(b"data:").strip() + b"\n" if line.startswith(b"data:") else b""
