"""Read lines and counted bytes from the chunks of a body, in bounded memory, however the chunks are cut."""

from __future__ import annotations

from collections.abc import Iterator


class ByteReader:
    """Reads lines and counted data from chunks."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._buffer = b""
        self._position = 0
        self.line_ended = True  # whether the last line had a newline, or the body ended

    def line(self) -> bytes | None:
        """The next line without its end, cut at the limit; None at the end of the body."""
        end = self._buffer.find(b"\n", self._position)
        if end >= 0:
            line = self._buffer[self._position : end]
            self._position = end + 1
            return line
        parts = [self._buffer[self._position :]]
        held = len(parts[0])
        for chunk in self._chunks:
            end = chunk.find(b"\n")
            if held < self._limit:
                parts.append(chunk if end < 0 else chunk[:end])
                held += len(parts[-1])
            if end >= 0:
                self._buffer, self._position = chunk, end + 1
                return b"".join(parts)[: self._limit]
        self._buffer, self._position = b"", 0
        self.line_ended = False
        return b"".join(parts)[: self._limit] if held else None

    def data(self) -> bytes | None:
        """A length, that many bytes, and a newline. None if the body ends early."""
        head = self.take(8, 8)
        if head is None:
            return None
        length = int.from_bytes(head, "little")
        data = self.take(length, self._limit)
        return data if data is not None and self.take(1, 1) == b"\n" else None

    def take(self, length: int, limit: int, *, partly: bool = False) -> bytes | None:
        """Read `length` bytes and return the first `limit` of them.

        If the body ends earlier: the bytes so far with `partly`, else None.
        """
        piece = self._buffer[self._position : self._position + length]
        self._position += len(piece)
        parts, held, left = [piece[:limit]], len(piece), length - len(piece)
        while left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b"".join(parts) if partly else None
            piece = chunk[:left]
            if held < limit:
                parts.append(piece[: limit - held])
            held += len(piece)
            left -= len(piece)
            self._buffer, self._position = chunk, len(piece)
        return b"".join(parts)
