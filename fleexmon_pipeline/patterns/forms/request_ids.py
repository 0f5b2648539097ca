"""Find the id of the request that a line belongs to.

Here: the names that loggers give such ids, and the forms of the ids. What they are used for: `measures.py`. A request
is what several lines report on: a trace, a call, a job. Users, sessions and devices are none: what happens to one of
them is as far apart as their visits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

MIN_CHARS, MAX_CHARS = 4, 64  # of an id
# Characters of a line that are searched. In 64 kB of the words before an id, the search took 6 s.
MAX_SEARCHED = 1_000
MAX_PREFIX = 24  # characters before an id that tell where it is in other lines
# In records, the first of these that is there; as the functions `trace_of` and `request_of` of the database.
NAMES = ("trace_id", "traceId", "trace.id", "request_id", "requestId", "correlation_id", "correlationId")
NO_IDS = frozenset({"null", "none", "undefined", "unknown", "(null)", "<nil>", "notset"})

FindId = Callable[[str], str | None]

_UNIT = r"(?:trace|request|req|correlation|transaction|txn|operation|invocation|execution|workflow|flow|job|task|run)"
_LONG = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[0-9a-fA-F]{16}"
_ANY = rf"(?=[\w.:/+-]*\d)\w[\w.:/+-]{{{MIN_CHARS - 2},{MAX_CHARS - 2}}}\w"
_ID = re.compile(
    # `TraceID: 4bf9…`, `"request_id":"17-a"`, `correlation-id=17`
    rf"(?<![a-zA-Z0-9]){_UNIT}(?:[ _.-]?u?uid|[ _.-]?id)[\"']?\s?[:=]?\s?[\"'\[(]?(?P<named>{_ANY})"
    # `req-9bc36dd9-…`, `trace=4bf9…`, `[job:4bf9…]`
    rf"|(?<![a-zA-Z0-9]){_UNIT}[\"']?[-:=# ]{{1,2}}[\"'\[(]?(?P<after>{_LONG})(?![\w-])"
    # `[9bc36dd9-…] Started GET`, as Rails tags lines
    rf"|^.{{0,80}}?\[(?P<tag>{_LONG})\]",
    re.ASCII | re.IGNORECASE,
)
_GROUPS = ("named", "after", "tag")


def usable(given: str) -> bool:
    """Whether an id that a record names can be that of one request: not a placeholder, and not zeros."""
    return MIN_CHARS <= len(given) <= MAX_CHARS and given.strip("0-") != "" and given.lower() not in NO_IDS


def request_of(record: str | None) -> str | None:
    """The id that a record (JSON) names."""
    fields: Any = None if record is None else msgspec.json.decode(record)
    if not isinstance(fields, dict):
        return None
    given = next((fields[name] for name in NAMES if fields.get(name) is not None), None)
    return given if given is None or isinstance(given, str) else msgspec.json.encode(given).decode()


def finder(message: str) -> FindId | None:
    """What finds the ids in lines written like this one; None if it has no id of a request.

    An id stands behind the same words in all of them, so that finding it costs a fraction of the search for any.
    """
    if (match := _ID.search(message[:MAX_SEARCHED])) is None:
        return None
    group = next(name for name in _GROUPS if match[name] is not None)
    begin, id_ = match.start(group), match[group]
    prefix = message[max(match.start(), begin - MAX_PREFIX) : begin]
    if group == "tag":
        prefix = "["
    return _behind(prefix, _LONG if re.fullmatch(_LONG, id_) else _ANY)


def no_id(message: str) -> None:
    """Finds none, in lines without ids."""


@lru_cache(maxsize=1_000)
def _behind(prefix: str, form: str) -> FindId:
    search = re.compile(rf"{re.escape(prefix)}({form})(?![\w-])", re.ASCII).search

    def find(message: str) -> str | None:
        match = search(message[:MAX_SEARCHED])
        return match[1] if match is not None and match[1].strip("0-") else None

    return find
