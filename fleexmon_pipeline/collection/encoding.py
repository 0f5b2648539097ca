"""A body's bytes as they were before compression, never more than a piece of them in memory.

gzip and deflate, which zlib unpacks in bounded pieces. br and zstd are not asked for: Python 3.11's own library has no
decoder for them that could be bounded, and no answer is worth a process that is killed for its memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

ACCEPTED = "gzip, deflate"
PIECE = 262_144  # bytes unpacked at a time
BOMB_FROM = 50_000_000  # bytes unpacked; less harms nobody, whatever its ratio
MOST_RATIO = 200  # log lines reach 10 to 30; deflate's own limit is 1,032


class EncodingError(ValueError):
    """The body is not what its Content-Encoding says, or a bomb. Pieces before the fault have been given."""


def unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Raises EncodingError, at once for an encoding that is not taken."""
    match encoding.strip().lower():
        case "" | "identity":
            return iter(chunks)
        case "gzip" | "x-gzip":
            return _inflated(chunks, zlib.MAX_WBITS | 16)
        case "deflate":
            return _deflated(iter(chunks))
        case other:
            raise EncodingError(f"Content-Encoding: {other[:40]} is not taken, only {ACCEPTED}")


def _deflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """With zlib's header, or without, as some servers have always sent it: two bytes tell."""
    head = b""
    while len(head) < 2 and (chunk := next(chunks, b"")):
        head += chunk
    if not head:
        return
    has_header = head[0] & 15 == zlib.DEFLATED and int.from_bytes(head[:2], "big") % 31 == 0
    yield from _inflated(chain([head], chunks), zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _inflated(chunks: Iterable[bytes], wbits: int) -> Iterator[bytes]:
    packed = given = 0
    decoder = zlib.decompressobj(wbits)
    for chunk in chunks:
        packed += len(chunk)
        rest, full = chunk, False
        while rest or full:
            if decoder.eof:
                if wbits <= zlib.MAX_WBITS or not rest.strip(b"\0"):  # padding behind the end, as tape archives have it
                    break
                decoder = zlib.decompressobj(wbits)  # a second gzip member: files that were joined
            try:
                piece = decoder.decompress(rest, PIECE)
            except zlib.error as error:
                raise EncodingError(f"not what its Content-Encoding says: {error}") from None
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            full = len(piece) == PIECE and not decoder.eof  # zlib may hold more than it had room for
            given += len(piece)
            if given > BOMB_FROM and given > MOST_RATIO * packed:
                raise EncodingError(f"unpacks to more than {MOST_RATIO} times its size")
            if piece:
                yield piece
    if packed and not decoder.eof:
        raise EncodingError("its compressed body breaks off")
