"""Decompress a body in pieces, with only one piece in memory.

Every decoder yields pieces of a bounded size and keeps a bounded window. So a decompression bomb costs limited time and
no memory: a process killed for its memory use leaves no error message.

Also here: the limits of one answer, which `settings/watched_nodes.py` reads and whose defaults apply to files. They are
not in `settings`, because commands that only read a file must not import all settings.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import brotli

from fleexmon_pipeline.errors import FleexmonError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ACCEPTED", "BOMB_FROM", "DEFAULT_LIMITS", "PIECE", "EncodingError", "Limits", "unpacked", "zstd"]

ACCEPTED = "gzip, deflate, br, zstd"
PIECE = 262_144  # bytes decompressed at a time
BOMB_FROM = 50_000_000  # decompressed bytes; less is harmless, whatever its ratio
WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}  # 8 MB, the maximum of RFC 9659 for HTTP


@dataclass(frozen=True)
class Limits:
    """Limits of one answer. Beyond them its slots are partial, and the process does not grow."""

    answer_bytes: int = 4_000_000_000  # decompressed; an hour of 1,000 lines/s is 700 MB
    answer_seconds: int = 600  # a slow drip must not block its run forever
    record_bytes: int = 32_000_000
    ratio: int = 200  # decompressed to sent; log lines reach 10 to 30, bombs 1,000 and more


DEFAULT_LIMITS = Limits()


class EncodingError(FleexmonError, ValueError):
    """The body does not match its Content-Encoding, or is a bomb. Pieces before the fault have been yielded."""


def unpacked(chunks: Iterable[bytes], encoding: str, max_ratio: int = DEFAULT_LIMITS.ratio) -> Iterator[bytes]:
    """Decompressed pieces. Raises EncodingError, immediately for an unsupported encoding."""
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
            raise EncodingError(f"Content-Encoding {other[:40]} is not supported, only {ACCEPTED}")
    return _bounded(pieces, packed, max_ratio)


class _Counted:
    """Counts the bytes of the chunks that have been read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.bytes = 0
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.bytes += len(chunk)
        return chunk


def _bounded(pieces: Iterator[bytes], packed: _Counted, max_ratio: int) -> Iterator[bytes]:
    total = 0
    try:
        for piece in pieces:
            total += len(piece)
            if total > BOMB_FROM and total > max_ratio * packed.bytes:
                raise EncodingError(f"decompresses to more than {max_ratio:,} times its size")
            if piece:
                yield piece
    except (zlib.error, brotli.error, zstd.ZstdError) as error:
        raise EncodingError(f"not what its Content-Encoding says: {error}") from None


def _deflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """With zlib's header, or without it, as some servers send it. The first two bytes show which."""
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
                if wbits <= zlib.MAX_WBITS or not rest.strip(b"\0"):  # padding after the end, as in tape archives
                    break
                decoder = zlib.decompressobj(wbits)  # another gzip member: concatenated files
            piece = decoder.decompress(rest, PIECE)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            full = len(piece) == PIECE and not decoder.eof  # zlib may hold more output
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
                decoder = zstd.ZstdDecompressor(options=WINDOW)  # another frame, or a skippable one
            yield decoder.decompress(rest, PIECE)
            rest = decoder.unused_data if decoder.eof else b""
    _check_end(whole=decoder.eof or not begun)


def _check_end(*, whole: bool) -> None:
    if not whole:
        raise EncodingError("its compressed body breaks off")


_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_PIECE = 262_144  # bytes of a file read at a time


def file_chunks(stream: BinaryIO, max_ratio: int = DEFAULT_LIMITS.ratio) -> Iterator[bytes]:
    """Pieces of a file, decompressed if it begins like gzip or zstd. Raises EncodingError like `unpacked`."""
    pieces = iter(lambda: stream.read(_PIECE), b"")
    first = next(pieces, b"")
    encoding = next((name for magic, name in _MAGIC.items() if first.startswith(magic)), "")
    return unpacked(chain([first], pieces), encoding, max_ratio)
