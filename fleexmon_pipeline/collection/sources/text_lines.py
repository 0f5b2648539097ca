"""Turn a line of text from a journal, a log store or a container into a record with the store's time.

Many services write JSON records to their standard output, which the store keeps as text. They are read like records of
a node, except for the time, because the store finds lines by its own. Other services write a level at the line's head.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from fleexmon_pipeline.collection.reading.events import TextLine, joined
from fleexmon_pipeline.collection.reading.layers import is_record, object_in
from fleexmon_pipeline.collection.reading.level_fields import has_level
from fleexmon_pipeline.collection.reading.text_levels import level_in_text
from fleexmon_pipeline.window import Window

LOOK_AROUND = timedelta(seconds=10)  # read before and after a window: a trace may begin before it or end after it


def seconds_to_wait(window: Window, now: datetime) -> float:
    """How long until a window that ended just now can be read: a trace at its end may still be being written.

    Polled too early, its first lines would be stored, and the whole of it again at the next poll.
    """
    left = (window.until + LOOK_AROUND - now).total_seconds()
    return left if 0 < left <= LOOK_AROUND.total_seconds() else 0.0


def records_of(lines: Iterable[TextLine], window: Window, *, own_record_first: bool = True) -> Iterator[bytes]:
    """Raw JSON for `records.read`: an event for each line that begins in the window, with the lines that continue it.

    lines: of the window and of LOOK_AROUND before and after it.
    """
    for line in joined(lines):
        if line.moment in window:
            yield record_of(line, own_record_first=own_record_first)


def record_of(line: TextLine, *, own_record_first: bool = True) -> bytes:
    """Raw JSON for `records.read`, which rejects it if there is no text.

    own_record_first: whether the level of a JSON line overrides that of the store. Not for Loki, whose labels are set
    on purpose.
    """
    text, level, metadata = line.text, line.level, line.metadata
    time = line.moment.isoformat()
    own = object_in(text) if text and text[0] == "{" else None
    if own is None or not is_record(own):
        if text and (level is None or line.level_is_default):
            level = level_in_text(text) or level
        record = {"timestamp": time, "level": level or "info", "message": text, "metadata": metadata}
        try:
            return msgspec.json.encode(record)
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON's escapes can carry
            return json.dumps(record).encode()
    inner = own.pop("metadata", None)
    kept = (
        {**inner, **metadata} if isinstance(inner, dict) else metadata if inner is None else {**metadata, "own": inner}
    )
    if "timestamp" in own:
        kept["lineTimestamp"] = own.pop("timestamp")
    if level and not (own_record_first and has_level(own)):
        if "level" in own:
            kept["lineLevel"] = own.pop("level")
        own["level"] = level
    return json.dumps({**own, "timestamp": time, "metadata": kept}).encode()
