"""A body's bytes as they were before compression, never more than a piece of them in memory.

Every decoder here gives what it has in pieces of a bounded size and keeps a bounded window, so a bomb costs time up to
a limit, and no memory: a process that is killed for its memory tells nobody anything.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

import brotli

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.settings import Limits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ACCEPTED", "BOMB_FROM", "PIECE", "EncodingError", "unpacked", "zstd"]

ACCEPTED = "gzip, deflate, br, zstd"
PIECE = 262_144  # bytes unpacked at a time
BOMB_FROM = 50_000_000  # bytes unpacked; less harms nobody, whatever its ratio
WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}  # 8 MB: the most that RFC 9659 allows in HTTP


class EncodingError(FleexmonError, ValueError):
    """The body is not what its Content-Encoding says, or a bomb. Pieces before the fault have been given."""


def unpacked(chunks: Iterable[bytes], encoding: str, most_ratio: int = Limits().ratio) -> Iterator[bytes]:
    """Raises EncodingError, at once for an encoding that is not taken."""
    packed = _Counted(chunks)
    match encoding.strip().lower():
        case "" | "identity":
            return packed
        case "gzip" | "x-gzip":
            pieces = _inflated(packed, zlib.MAX_WBITS | 16)
        case "deflate":
            pieces = _deflated(packed)
        case "br":
            pieces = _from_brotli(packed)
        case "zstd":
            pieces = _from_zstd(packed)
        case other:
            raise EncodingError(f"Content-Encoding: {other[:40]} is not taken, only {ACCEPTED}")
    return _bounded(pieces, packed, most_ratio)


class _Counted:
    """Chunks, and how many bytes of them were taken."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.bytes = 0
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.bytes += len(chunk)
        return chunk


def _bounded(pieces: Iterator[bytes], packed: _Counted, most_ratio: int) -> Iterator[bytes]:
    given = 0
    try:
        for piece in pieces:
            given += len(piece)
            if given > BOMB_FROM and given > most_ratio * packed.bytes:
                raise EncodingError(f"unpacks to more than {most_ratio:,} times its size")
            if piece:
                yield piece
    except (zlib.error, brotli.error, zstd.ZstdError) as error:
        raise EncodingError(f"not what its Content-Encoding says: {error}") from None


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
    begun = False
    decoder = zlib.decompressobj(wbits)
    for chunk in chunks:
        rest, full = chunk, False
        while rest or full:
            begun = True
            if decoder.eof:
                if wbits <= zlib.MAX_WBITS or not rest.strip(b"\0"):  # padding behind the end, as tape archives have it
                    break
                decoder = zlib.decompressobj(wbits)  # a second gzip member: files that were joined
            piece = decoder.decompress(rest, PIECE)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            full = len(piece) == PIECE and not decoder.eof  # zlib may hold more than it had room for
            yield piece
    _check_end(whole=decoder.eof or not begun)


def _from_brotli(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun = False
    decoder = brotli.Decompressor()
    for chunk in chunks:
        rest, full = chunk, False
        while (rest or full) and not decoder.is_finished():
            begun = True
            piece = decoder.process(rest, output_buffer_limit=PIECE)
            rest, full = b"", len(piece) >= PIECE or not decoder.can_accept_more_data()
            yield piece
    _check_end(whole=decoder.is_finished() or not begun)


def _from_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun = False
    decoder = zstd.ZstdDecompressor(options=WINDOW)
    for chunk in chunks:
        rest = chunk
        while rest or not (decoder.eof or decoder.needs_input):
            begun = True
            if decoder.eof:
                decoder = zstd.ZstdDecompressor(options=WINDOW)  # a second frame, or one that only says something
            yield decoder.decompress(rest, PIECE)
            rest = decoder.unused_data if decoder.eof else b""
    _check_end(whole=decoder.eof or not begun)


def _check_end(*, whole: bool) -> None:
    if not whole:
        raise EncodingError("its compressed body breaks off")
