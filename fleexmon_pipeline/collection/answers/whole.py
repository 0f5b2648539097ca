"""An answer that is one object, whose form only its end tells: a record, or an object with a list of records in it.

Here: where in it the records are. Other APIs name their list otherwise than `logs` and put it deeper: what is looked
for is a list that begins with a log record, not a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from fleexmon_pipeline.collection.answers.otlp import is_batch
from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.answers.refused import CLIP_BYTES, NotAnAnswerError, clip
from fleexmon_pipeline.collection.reading.message_fields import is_of_error
from fleexmon_pipeline.collection.reading.text_times import time_in_text
from fleexmon_pipeline.collection.records import RejectedError, explain, read

MAX_LIST_DEPTH = 6  # New Relic's answers have their list at the fifth level
MAX_FIELDS_LOOKED_AT = 200  # of an object
LISTS_OF_RECORDS = tuple(  # lists that may be empty: there is nothing to report
    "entries events records data hits items results messages lines rows value logs result response content docs".split()  # noqa: SIM905
)
RECORD_FIELDS = ("timestamp", "time", "ts", "@timestamp", "message", "msg")
_FAULTS = frozenset("error errors exception fault failed timed_out timedout".split())  # noqa: SIM905
_WORDS = frozenset("message msg reason detail".split())  # noqa: SIM905  beside a list; elsewhere they tell of anything
_SUCCESS = frozenset("ok success".split())  # noqa: SIM905
_STATUS = frozenset("status code statuscode status_code state".split())  # noqa: SIM905
_FAILED = re.compile(
    rb'[45]\d\d|"(?:[45]\d\d\b.*|err(?:or)?|fail\w*|partial\w*|timed?[ _-]?out|unavailable)"', re.IGNORECASE | re.DOTALL
)
_WELL = re.compile(rb'"(?:ok|okay|success|successful|succeeded)[.!]?"', re.IGNORECASE)  # as a word beside a list
_NOTHING = (b"null", b'""', b"[]", b"{}", b"false", b"0")
_SPACE = re.compile(r"[\s,]*")
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = json.JSONDecoder(strict=False).raw_decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def records_of(body: bytes) -> list[Raw]:
    """The records of an object: itself, those of a list in it, or lines of text. Raises NotAnAnswerError.

    EmptyBodyError: it has a list for records, and nothing is in it.
    """
    try:
        record = _record(body)
    except NotAnAnswerError:
        if records := _listed(body) or _in_a_row(body):
            return records
        if _has_an_empty_list(body):
            return []
        raise
    # `{"code": 0, "message": "success", "data": []}`: an answer with a message, and no record for want of a time
    return [] if _has_an_empty_list(body) and not _is_good(body) else [record]


def has_its_fields(record: dict[str, Any], raw: bytes) -> bool:
    """Whether it is a log record: of the node API, perhaps a bad one, or a good one of any logger; or a batch."""
    return any(name in record for name in RECORD_FIELDS) or is_batch(raw) or _is_good(raw)


def _is_good(raw: bytes) -> bool:
    try:
        read(raw)
    except RejectedError:
        return False
    return True


def is_event_with_logs(raw: bytes) -> bool:
    """Whether an object is a record although it has `logs`: Cloudflare's, of a request or an exception.

    An answer of the node API may have a time and a message beside its list, and is none.
    """
    try:
        origin = explain(raw)[1].message
    except RejectedError:
        return False
    return origin == "request" or is_of_error(origin)


def _record(body: bytes) -> Raw:
    """An answer that is one record."""
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        raise NotAnAnswerError(f"not JSON: {clip(body)}") from None
    if not isinstance(record, dict):
        raise NotAnAnswerError(f"not JSON records: {clip(body)}")
    if "logs" in record and not is_event_with_logs(body):
        raise NotAnAnswerError(f'its "logs" is a JSON {type(record["logs"]).__name__}, not an array')
    if not has_its_fields(record, body):
        raise NotAnAnswerError(f'an object without "logs": {clip(body)}')
    return body


def _in_a_row(body: bytes) -> list[Raw]:
    """Objects one after the other, over several lines each or with commas between them: a list without brackets."""
    text = body.decode("latin-1")  # JSON's own characters are ASCII, and positions stay those of the bytes
    raws: list[Raw] = []
    position = 0
    while position < len(text):
        try:
            record, end = _decode(text, position)
        except (ValueError, RecursionError):
            return []
        if not isinstance(record, dict):
            return []
        raws.append(body[position:end])
        if len(raws) == 1 and not _is_log_record(body[:end]):
            return []
        space = _SPACE.match(text, end)
        position = space.end() if space else end
    return raws


def _listed(body: Raw, depth: int = 0) -> list[Raw]:
    """The records of all lists that begin with one, at the outermost level that has such a list.

    Some sort by level: `{"info": […], "error": […]}`. A record that an earlier list has as well is taken once.
    """
    values = list(islice(_fields_or_none(body).values(), MAX_FIELDS_LOOKED_AT))
    found: list[Raw] = []
    seen: set[bytes] = set()
    for records in filter(None, map(_records_in, values)):
        fresh = [record for record in records if bytes(record) not in seen] if seen else records
        found += fresh
        seen.update(map(bytes, fresh))
    if found or (found := next(filter(None, map(_lines_in, values)), [])):
        return found
    if depth < MAX_LIST_DEPTH:
        for value in values:
            if bytes(value)[:1] == b"{" and (records := _listed(value, depth + 1)):
                return records
    return []


def _records_in(value: msgspec.Raw) -> list[Raw]:
    try:
        records: Sequence[Raw] = [_unwrapped(raw) for raw in _raws(value)] if bytes(value)[:1] == b"[" else []
    except _UNREADABLE:
        return []
    if not records:
        return []
    begins = bytes(records[0])
    is_log = _is_log_record(begins) if begins[:1] == b"{" else begins[:1] == b'"' and _is_line(begins)
    return list(records) if is_log else []


def _is_line(raw: bytes) -> bool:
    """Whether a text is a line of a log."""
    return time_in_text(_text_of(raw)) is not None


def _text_of(raw: Raw) -> str:
    """Of a text in JSON that may have been cut inside a character: that one is shown as �."""
    return str(json.loads(bytes(raw).decode("utf-8", "replace"), strict=False))


def _lines_in(value: msgspec.Raw) -> list[Raw]:
    """`"logs": "2026-11-20T10:05:00Z …\\n…"`; a line without a time belongs to the one before it."""
    lines: list[list[str]] = []
    text = _text_of(value) if bytes(value)[:1] == b'"' else ""
    if "\n" not in text or time_in_text(text) is None:
        return []
    for line in text.split("\n"):
        if lines and line and time_in_text(line) is None:
            lines[-1].append(line)
        elif line:
            lines.append([line])
    return [json.dumps("\n".join(line)).encode() for line in lines]


def _has_an_empty_list(body: Raw, depth: int = 0) -> bool:
    """`{"entries": [], "nextPageToken": ""}`, and nothing that tells of a fault."""
    fields = _fields_or_none(body)
    if _tells_of_a_fault(fields) or any(_may_be_a_reason(bytes(fields[name])) for name in _WORDS & fields.keys()):
        return False
    inner = [value for value in islice(fields.values(), MAX_FIELDS_LOOKED_AT) if bytes(value)[:1] == b"{"]
    if any(_tells_of_a_fault(_fields_or_none(value)) for value in inner):  # `"_shards": {"failed": 5}`
        return False
    for name, value in fields.items():
        text = bytes(value)
        if name.lower().endswith(LISTS_OF_RECORDS) and text[:1] == b"[" and not text[1:-1].strip():
            return True
    return depth < MAX_LIST_DEPTH and any(_has_an_empty_list(value, depth + 1) for value in inner)


def _may_be_a_reason(text: bytes) -> bool:
    return text not in _NOTHING and not _WELL.fullmatch(text)


def is_of_a_fault(body: bytes) -> bool:
    """Whether an answer without records says that it could not be given: `{"logs": [], "error": "no connection"}`."""
    return _tells_of_a_fault(_fields_or_none(body))


def _fields_or_none(body: Raw) -> dict[str, msgspec.Raw]:
    try:
        return _fields(body)
    except _UNREADABLE:
        return {}


def _tells_of_a_fault(fields: dict[str, msgspec.Raw]) -> bool:
    for name, value in fields.items():
        text, kind = bytes(value), name.lower()
        if kind in _FAULTS and text not in _NOTHING:
            return True
        if (kind in _SUCCESS and text == b"false") or (kind in _STATUS and _FAILED.fullmatch(text)):
            return True
    return False


def _is_log_record(raw: bytes) -> bool:
    try:
        return _record(raw) is raw
    except NotAnAnswerError:
        return False


def _unwrapped(raw: Raw) -> Raw:
    """A document of Elasticsearch without what surrounds it."""
    if b'"_source"' not in bytes(raw)[:CLIP_BYTES]:
        return raw
    return _fields(raw).get("_source", raw)
