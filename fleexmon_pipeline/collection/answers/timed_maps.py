"""Objects whose names are times, `{"2026-11-20T10:05:00Z": "…"}`, as records.

Here: what such an object is, and a record for each text or object in it. Finding one in an answer: `whole.py`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.answers.tables import encoded, time_cell
from fleexmon_pipeline.collection.reading.names import TIME_FIELDS

_LIKE_A_TIME = re.compile(rb'\s*\{\s*"(?:\d{4}[-/.]|\d{10})')  # the first name of an object
_TIMES_LOOKED_AT = 3  # names of an object


def by_time(raw: Raw) -> list[Raw]:
    """`{"2026-11-20T10:05:00Z": "…", …}`: a record for each text or object below a time, and for
    each in a list there."""
    body = bytes(raw)
    if not _LIKE_A_TIME.match(body):
        return []
    try:
        pairs = json.loads(body, object_pairs_hook=_Pairs)  # two lines of one second may have the same name
    except (ValueError, RecursionError):
        return []
    if not isinstance(pairs, _Pairs) or not all(":" in name or name.isdigit() for name, _ in pairs[:_TIMES_LOOKED_AT]):
        return []
    if any(time_cell([name]) is None for name, _ in pairs[:_TIMES_LOOKED_AT]):
        return []
    said = [(name, each) for name, value in pairs for each in (value if type(value) is list else [value])]
    if not all(isinstance(each, (str, _Pairs)) for _, each in said):
        return []
    return [encoded(_timed(name, each)) for name, each in said]


class _Pairs(list[tuple[str, Any]]):
    """The fields of an object, in order, with those of the same name."""


def _timed(time: str, said: Any) -> dict[str, Any]:
    if isinstance(said, str):
        return {"timestamp": time, "message": said}
    fields = _plain(said)
    return fields if not fields.keys().isdisjoint(TIME_FIELDS) else {"timestamp": time, **fields}


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
