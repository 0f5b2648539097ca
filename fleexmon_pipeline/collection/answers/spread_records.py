"""Join records that span several lines in a file of one record per line: Elasticsearch's stack traces, indented JSON,
XML events, Configuration Manager's messages.

Memory is bounded. If a record never ends, its lines are returned as they came, and no other record is affected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

MAX_LINES = 2_000  # of one record; Java's own traces end at 1,024 frames
MAX_BYTES = 1_000_000
MAX_TRIES = 200  # possible ends of an object that are tried; each try decodes the record up to there

_ELEMENT = re.compile(rb"<((?:log4j:)?event|record|Event)[\s>]")  # log4j, java.util.logging, Windows
_MESSAGE = b"<![LOG["  # Configuration Manager
_END_OF_MESSAGE = b"]LOG]!><"


class SpreadRecords:
    """`whole(lines)` for each batch of lines as it comes, then `rest()`."""

    def __init__(self, *, of_json_only: bool = True) -> None:
        self._json_only = of_json_only
        self._lines: list[bytes] = []  # of the record at hand
        self._size = 0
        self._end: bytes | None = None  # text in its last line; None for JSON, whose end is found by decoding
        self._tries = 0

    @property
    def has_begun(self) -> bool:
        """Whether a record waits for its end."""
        return bool(self._lines)

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            if self._lines:
                yield from self._more(line)
            elif self._begins(line):
                self._lines, self._size, self._tries = [line], len(line), 0
            else:
                yield line

    def rest(self) -> list[bytes]:
        """The lines of a record that has no end."""
        lines, self._lines = self._lines, []
        return lines

    def _begins(self, line: bytes) -> bool:
        first = line[:1]
        if first == b"{":
            self._end = None
            return not line.rstrip().endswith(b"}") and (len(line.rstrip()) == 1 or line[1:].lstrip()[:1] == b'"')
        if first != b"<" or self._json_only:
            return False
        if line.startswith(_MESSAGE):
            self._end = _END_OF_MESSAGE
        elif element := _ELEMENT.match(line):
            self._end = b"</" + element[1] + b">"
        else:
            return False
        return self._end not in line

    def _more(self, line: bytes) -> Iterator[bytes]:
        begins_another = line[:2] == b'{"' if self._end is None else self._begins_element(line)
        if begins_another or len(self._lines) >= MAX_LINES or self._size + len(line) > MAX_BYTES:
            yield from self.rest()
            yield from self.whole([line])
            return
        self._lines.append(line)
        self._size += len(line) + 1
        if self._is_whole(line):
            yield (b"" if self._end is None else b"\n").join(self.rest())

    def _begins_element(self, line: bytes) -> bool:
        return line[:1] == b"<" and (line.startswith(_MESSAGE) or _ELEMENT.match(line) is not None)

    def _is_whole(self, line: bytes) -> bool:
        if self._end is not None:
            return self._end in line
        if not line.rstrip().endswith(b"}") or self._tries >= MAX_TRIES:
            return False
        self._tries += 1
        try:
            return isinstance(msgspec.json.decode(b"\n".join(self._lines)), dict)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
