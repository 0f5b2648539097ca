"""systemd-journal-gatewayd: a machine's own journal, without code of ours on it.

Asked in the export format: as JSON, gatewayd 252 answers `"MESSAGE": null` for 4,096 bytes and more. A window's start
is found by a cursor that says nothing but a time (`t=`, hexadecimal µs), which the journal looks up in its index, since
252 ignores `Range: realtime=`. From there on pages follow each other by cursor.

The cursor is unique for each entry and stands in metadata: identical lines stay two, and a repeated entry is known.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from fleexmon_pipeline.collection.fetch import Answer, FetchError
from fleexmon_pipeline.collection.record_runs import Raw
from fleexmon_pipeline.collection.sources.text_lines import record_of
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, Window

PAGE = 10_000  # entries; 10 MB or so, and a page that is not read to its end was sent for nothing
SLACK = timedelta(minutes=1)  # how far a clock that was set back lets times run backwards in the journal
MOST_OF_A_FIELD = 2_000  # characters, but of MESSAGE
MOST_FIELDS = 100
EXPORT = "application/vnd.fdo.journal"
MICROSECOND = timedelta(microseconds=1)

Fields = dict[str, list[bytes]]


def entries(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Raw, None, None]:
    """The entries of `[since, until)` by the time at which the journal received them, as records."""
    since, until = _microseconds(window.since), _microseconds(window.until)
    slack = _microseconds(EPOCH + SLACK)
    cursor = f"t={since - slack:x}"
    done = begins_before = False
    while not done:
        headers = {"Accept": EXPORT, "Range": f"entries={cursor}:0:{PAGE}"}
        count, previous = 0, cursor
        with closing(answer.body(client, node.url, headers=headers, content_type=EXPORT)) as chunks:
            for fields in parse(chunks, node.limits.record_bytes):
                count += 1
                found, moment = _text(fields, "__CURSOR"), _text(fields, "__REALTIME_TIMESTAMP")
                if not found or not re.fullmatch("[0-9]{1,16}", moment):
                    raise FetchError("answered an entry without cursor or time")
                if found == previous:  # a page begins with the last entry of the page before
                    continue
                cursor, at = found, int(moment)
                begins_before = begins_before or at < since
                if at >= until + slack:
                    done = True
                    break
                if since <= at < until:
                    yield _record(fields, EPOCH + at * MICROSECOND)
        done = done or answer.error is not None or count < PAGE or cursor == previous
    if answer.error is None and not begins_before:
        _tell_what_is_gone(answer, client, node, window)


def _tell_what_is_gone(answer: Answer, client: httpx.Client, node: Node, window: Window) -> None:
    """An hour that was vacuumed away has no entries either, and must not pass for a quiet one."""
    url = node.url.removesuffix("/entries") + "/machine"
    try:
        with closing(answer.body(client, url, headers={"Accept": "application/json"})) as chunks:
            body = b"".join(chunks)
        oldest = EPOCH + int(msgspec.json.decode(body)["cutoff_from_realtime"]) * MICROSECOND
    except (FetchError, msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError, OverflowError):
        return  # a proxy that lets /entries alone through: what is known of the window was read
    if oldest > window.since:
        answer.error = f"the journal begins at {oldest:%Y-%m-%d %H:%M:%S} UTC; what was before is gone, or never was"


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def _record(fields: Fields, moment: datetime) -> bytes:
    # All that begin with __ say where the entry lies, and the cursor says it alone; systemd 254 has two of them more,
    # and an upgrade must not make every line a new one.
    metadata: dict[str, Any] = {"cursor": _text(fields, "__CURSOR")}
    for name, values in list(fields.items())[:MOST_FIELDS]:
        if name != "MESSAGE" and not name.startswith("__"):
            texts = [value.decode("utf-8", "backslashreplace")[:MOST_OF_A_FIELD] for value in values[:MOST_FIELDS]]
            metadata[name] = texts[0] if len(texts) == 1 else texts
    message = fields.get("MESSAGE")
    text = b"\n".join(message).decode("utf-8", "backslashreplace") if message is not None else None
    level = read_level(_text(fields, "PRIORITY")) if "PRIORITY" in fields else None
    return record_of(moment, level, text, metadata, own_level_first=True)


def _text(fields: Fields, name: str) -> str:
    return fields.get(name, [b""])[0].decode("utf-8", "replace")


def parse(chunks: Iterator[bytes], most: int) -> Iterator[Fields]:
    """Entries of the export format: `NAME=text`, or `NAME`, 8 bytes of length and as many of data; then an empty line.

    Values are cut at `most` bytes and the rest is let through; so are all fields behind twice as many bytes of an
    entry, so that nothing longer is ever in memory. An entry that lacks its end is not given.
    """
    reader = _Reader(chunks, most)
    fields: Fields = {}
    held = 0
    while (line := reader.line()) is not None:
        name, equals, value = line.partition(b"=")
        if not line:
            if fields:
                yield fields
            fields, held = {}, 0
            continue
        if not equals:
            data = reader.data()
            if data is None:
                return
            value = data
        if held < 2 * most:
            fields.setdefault(name.decode("utf-8", "replace"), []).append(value)
        held += len(name) + len(value)


class _Reader:
    """Lines and counted data out of chunks."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        self._chunks = chunks
        self._most = most
        self._buffer = b""
        self._position = 0

    def line(self) -> bytes | None:
        """Without its end, and cut; None when the body ends before it."""
        end = self._buffer.find(b"\n", self._position)
        if end >= 0:
            found = self._buffer[self._position : end]
            self._position = end + 1
            return found
        parts = [self._buffer[self._position :]]
        held = len(parts[0])
        for chunk in self._chunks:
            end = chunk.find(b"\n")
            if held < self._most:
                parts.append(chunk if end < 0 else chunk[:end])
                held += len(parts[-1])
            if end >= 0:
                self._buffer, self._position = chunk, end + 1
                return b"".join(parts)[: self._most]
        self._buffer, self._position = b"", 0
        return None

    def data(self) -> bytes | None:
        """A length, so many bytes, a line's end. None when the body ends before it."""
        head = self._take(8, 8)
        if head is None:
            return None
        length = int.from_bytes(head, "little")
        found = self._take(length, self._most)
        return found if found is not None and self._take(1, 1) == b"\n" else None

    def _take(self, length: int, most: int) -> bytes | None:
        """`length` bytes are read, the first `most` of them given."""
        piece = self._buffer[self._position : self._position + length]
        self._position += len(piece)
        parts, held, left = [piece[:most]], len(piece), length - len(piece)
        while left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return None
            piece = chunk[:left]
            if held < most:
                parts.append(piece[: most - held])
            held += len(piece)
            left -= len(piece)
            self._buffer, self._position = chunk, len(piece)
        return b"".join(parts)
