"""systemd-journal-gatewayd: a machine's own journal, without any code of ours on it.

Requested in the export format: in JSON, gatewayd 252 sends `"MESSAGE": null` for texts of 4,096 bytes and more. The
start of a window is found with a cursor that contains only a time (`t=`, hexadecimal µs), which the journal looks up in
its index, since 252 ignores `Range: realtime=`. From there on, pages follow each other by cursor.

The cursor is unique per entry and kept in metadata: identical lines stay two, and a repeated entry is recognised.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Hashable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.fetch import Answer, FetchError
from fleexmon_pipeline.collection.reading.events import TextLine
from fleexmon_pipeline.collection.sources.byte_reader import ByteReader
from fleexmon_pipeline.collection.sources.text_lines import LOOK_AROUND, records_of
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, Window

PAGE = 10_000  # entries, about 10 MB; the unread rest of a page is wasted
SLACK = timedelta(minutes=1)  # how far times may run backwards in the journal after a clock was set back
MAX_FIELD_CHARACTERS = 2_000  # of every field but MESSAGE
MAX_FIELDS = 100
EXPORT = "application/vnd.fdo.journal"
MICROSECOND = timedelta(microseconds=1)
# Priorities that do not depend on the message: systemd's for standard output, podman's for standard error, logger's.
DEFAULT_PRIORITIES = ("6", "3", "5")

Fields = dict[str, list[bytes]]


def entries(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Raw, None, None]:
    """The events that the journal received in `[since, until)`, as records."""
    yield from records_of(_lines(answer, client, node, window), window)


def _lines(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[TextLine, None, None]:
    """The entries of the window and of LOOK_AROUND before and after it."""
    since, until = _microseconds(window.since), _microseconds(window.until)
    slack, around = _microseconds(EPOCH + SLACK), _microseconds(EPOCH + LOOK_AROUND)
    cursor = f"t={since - slack:x}"
    done = begins_before = False
    while not done:
        headers = {"Accept": EXPORT, "Range": f"entries={cursor}:0:{PAGE}"}
        count, previous = 0, cursor
        with closing(answer.body(client, node.url, headers=headers, content_type=EXPORT)) as chunks:
            for fields in parse(chunks, node.limits.record_bytes):
                count += 1
                entry, moment = _text(fields, "__CURSOR"), _text(fields, "__REALTIME_TIMESTAMP")
                if not entry or not re.fullmatch("[0-9]{1,16}", moment):
                    raise FetchError("sent an entry without a cursor or a time")
                if entry == previous:  # a page begins with the last entry of the previous page
                    continue
                cursor, at = entry, int(moment)
                begins_before = begins_before or at < since
                if at >= until + slack:
                    done = True
                    break
                if since - around <= at < until + around:
                    yield line_of(fields, EPOCH + at * MICROSECOND)
        done = done or answer.error is not None or count < PAGE or cursor == previous
    if answer.error is None and not begins_before:
        _note_start_of_journal(answer, client, node, window)


def _note_start_of_journal(answer: Answer, client: httpx.Client, node: Node, window: Window) -> None:
    """Set an error if the window is before the journal's start: a vacuumed hour must not count as an empty one."""
    url = node.url.removesuffix("/entries") + "/machine"
    try:
        with closing(answer.body(client, url, headers={"Accept": "application/json"})) as chunks:
            body = b"".join(chunks)
        oldest = EPOCH + int(msgspec.json.decode(body)["cutoff_from_realtime"]) * MICROSECOND
    except (FetchError, msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError, OverflowError):
        return  # a proxy may pass only /entries; then nothing more can be known
    if oldest > window.since:
        answer.error = f"the journal begins at {oldest:%Y-%m-%d %H:%M:%S} UTC; it holds no earlier entries"


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def line_of(fields: Fields, moment: datetime) -> TextLine:
    # Fields that begin with __ locate the entry, for which the cursor is enough. systemd 254 added two of them, and an
    # upgrade must not turn every line into a new one.
    metadata: dict[str, Any] = {"cursor": _text(fields, "__CURSOR")}
    for name, values in list(fields.items())[:MAX_FIELDS]:
        if name != "MESSAGE" and not name.startswith("__"):
            texts = [value.decode("utf-8", "backslashreplace")[:MAX_FIELD_CHARACTERS] for value in values[:MAX_FIELDS]]
            metadata[name] = texts[0] if len(texts) == 1 else texts
    message = fields.get("MESSAGE")
    text = b"\n".join(message).decode("utf-8", "backslashreplace") if message is not None else None
    priority = _text(fields, "PRIORITY")
    level = read_level(priority) if priority else None
    return TextLine(moment, text, _stream(fields), level, priority in DEFAULT_PRIORITIES, metadata)


def _stream(fields: Fields) -> Hashable:
    """The writer of consecutive lines: a container, a standard output, else a process."""
    for name in ("CONTAINER_ID_FULL", "_STREAM_ID"):
        if name in fields:
            return name, fields[name][0], fields.get("PRIORITY", [b""])[0]
    return tuple(fields.get(name, [b""])[0] for name in ("_PID", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "PRIORITY"))


def _text(fields: Fields, name: str) -> str:
    return fields.get(name, [b""])[0].decode("utf-8", "replace")


def parse(chunks: Iterator[bytes], limit: int) -> Iterator[Fields]:
    """Entries in the export format: `NAME=text`, or `NAME`, 8 bytes of length and as many of data; then an empty line.

    Values are cut at `limit` bytes, and fields after twice as many bytes of an entry are dropped, so that nothing
    longer is ever in memory. An entry without its end is not yielded.
    """
    reader = ByteReader(chunks, limit)
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
        if held < 2 * limit:
            fields.setdefault(name.decode("utf-8", "replace"), []).append(value)
        held += len(name) + len(value)
