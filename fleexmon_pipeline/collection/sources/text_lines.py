"""A line of text from a journal or a log store becomes a record: with the store's time, and the line's own fields.

Many services write a JSON record to their standard output, and the store keeps it as text: it is read as if the node
had sent it, but for its time, since the store finds lines by its own.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec

from fleexmon_pipeline.collection.records import has_level, has_message


def record_of(
    moment: datetime, level: str | None, text: str | None, metadata: dict[str, Any], *, own_level_first: bool
) -> bytes:
    """Raw JSON for `records.read`, which rejects it when `text` is None.

    `level` is the store's word; `own_level_first` says that the line's own goes before it: what a service prints has
    PRIORITY 6 in the journal, whatever it says, while a label in Loki was set on purpose.
    """
    time = moment.isoformat()
    own = _object(text) if text and text[0] == "{" else None
    if own is None:
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
    if level and not (own_level_first and has_level(own)):
        if "level" in own:
            kept["lineLevel"] = own.pop("level")
        own["level"] = level
    return json.dumps({**own, "timestamp": time, "metadata": kept}).encode()


def _object(text: str) -> dict[str, Any] | None:
    """The line as a record, if it is one: a JSON object that says something."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not has_message(found):
        return None
    return found
