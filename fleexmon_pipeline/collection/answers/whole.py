"""Find the records in an answer that is one object: the object itself, or a list in it.

Other APIs have other names for `logs` and put their list deeper. So the search is for a list that begins with a log
record, not for a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec

from fleexmon_pipeline.collection.answers.otlp import is_batch
from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.answers.refused import CLIP_BYTES, NotAnAnswerError, clip
from fleexmon_pipeline.collection.answers.tables import (
    columns_by_name,
    is_empty_table,
    is_row,
    paired,
    row_without_names,
    streams_in,
    table_of_cells,
    tables_in,
    untyped,
)
from fleexmon_pipeline.collection.answers.timed_maps import by_time
from fleexmon_pipeline.collection.reading.message_fields import is_of_error
from fleexmon_pipeline.collection.reading.text_times import time_in_text
from fleexmon_pipeline.collection.records import RejectedError, explain, read, read_time

MAX_LIST_DEPTH = 6  # New Relic's answers have their list at the fifth level
MAX_MORE_DEPTH = 3  # of statements beside a list, such as Relay's `pageInfo`
MAX_FIELDS_LOOKED_AT = 200  # of an object
LISTS_OF_RECORDS = tuple(  # lists that may be empty: there is nothing to report
    """entries events records data hits items results messages lines rows value logs result response content docs
    frames nodes edges streams""".split()  # noqa: SIM905
)
RECORD_FIELDS = ("timestamp", "time", "ts", "@timestamp", "message", "msg")
_FAULTS = frozenset("error errors exception fault failed timed_out timedout".split())  # noqa: SIM905
_OF_FAULTS = _FAULTS | {"detail", "details"}
_WORDS = frozenset("message msg reason detail".split())  # noqa: SIM905  beside a list; elsewhere they tell of anything
_SUCCESS = frozenset("ok success".split())  # noqa: SIM905
_STATUS = frozenset("status code statuscode status_code state".split())  # noqa: SIM905
_FAILED = re.compile(
    rb'[45]\d\d|"(?:[45]\d\d\b.*|err(?:or)?|fail\w*|partial\w*|timed?[ _-]?out|unavailable)"', re.IGNORECASE | re.DOTALL
)
_WELL = re.compile(rb'"(?:ok|okay|success|successful|succeeded)[.!]?"', re.IGNORECASE)  # as a word beside a list
_NOTHING = (b"null", b'""', b"[]", b"{}", b"false", b"0")
_TYPED = re.compile(rb'\{\s*"[^"]{1,100}"\s*:\s*\{\s*"(?:S|N|BOOL)"\s*:')  # DynamoDB
# Fields beside the records that mean that the answer lacks some.
_MORE = frozenset(
    """truncated istruncated partial ispartial partialresult incomplete incompleteresults timedout hasmore
    hasnextpage hasnext""".split()  # noqa: SIM905
)
_OF_ERRORS = frozenset(
    """message msg error errors errormessage error_message error_description errortype code errorcode status statuscode
    status_code type __type kind apiversion metadata reason detail details path title instance requestid request_id
    documentation_url success ok""".split()  # noqa: SIM905
)
_SPACE = re.compile(r"[\s,]*")
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = json.JSONDecoder(strict=False).raw_decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def records_of(body: bytes) -> list[Raw]:
    """The records of an object: itself, those of a list in it, or lines of text. Raises NotAnAnswerError.

    EmptyBodyError: it has a list for records, which is empty.
    """
    if records := by_time(body):
        return records
    fields = _fields_or_none(body)
    if records := _by_key(fields) or _good(columns_by_name(fields)):
        return records
    try:
        record = _record(body)
    except NotAnAnswerError:
        if records := _listed(body) or _in_a_row(body):
            return records
        if _has_an_empty_list(body):
            return []
        raise
    # `{"code": 0, "message": "success", "data": []}`: an answer with a message, and no record for want of a time
    if _has_an_empty_list(body) and not _is_good(body):
        return []
    if _is_of_an_api(body):
        raise NotAnAnswerError(f"an error of a program, not a record: {clip(body)}")
    return [record]


def has_its_fields(record: dict[str, Any], raw: bytes) -> bool:
    """Whether it is a log record (of the node API, even if invalid, or a valid one of any logger), or a batch."""
    return any(name in record for name in RECORD_FIELDS) or is_batch(raw) or _is_good(raw)


def _is_good(raw: bytes) -> bool:
    try:
        read(raw)
    except RejectedError:
        return False
    return True


def _good(records: list[Raw]) -> list[Raw]:
    """The records if the first one is a valid log record, else none."""
    return records if records and _is_good(bytes(records[0])) else []


def is_event_with_logs(raw: bytes) -> bool:
    """Whether an object is a record although it has `logs`: Cloudflare's, of a request or an exception.

    An answer of the node API may have a time and a message beside its list, but is not a record.
    """
    try:
        origin = explain(raw)[1].message
    except RejectedError:
        return False
    return origin == "request" or is_of_error(origin)


def _record(body: bytes) -> Raw:
    """The answer as one record. Raises NotAnAnswerError."""
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
    """Objects in sequence, each over several lines or separated by commas: a list without brackets."""
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


def _is_of_an_api(body: bytes) -> bool:
    """Whether it is an API's error, `{"message": "Rate exceeded", "__type": …}`: no time, and only fields of errors."""
    return {name.lower() for name in _fields_or_none(body)} <= _OF_ERRORS and not _is_good(body)


def _listed(body: Raw, depth: int = 0) -> list[Raw]:
    """The records of all lists that begin with a record, at the outermost level that has such a list.

    Some APIs sort by level: `{"info": […], "error": […]}`. A record in several lists is taken once.
    """
    fields = dict(islice(_fields_or_none(body).items(), MAX_FIELDS_LOOKED_AT))
    for table in (*tables_in(fields), *map(streams_in, fields.values()), *map(table_of_cells, fields.values())):
        if not table:
            continue
        if _is_log_record(bytes(table[0])):
            return table
    values = [value for name, value in fields.items() if name.lower() not in _OF_FAULTS or _begins_well(value)]
    if found := _gathered(map(_records_in, values)) or _gathered(map(_lines_in, values)):
        return found
    for name, value in fields.items():
        keyed = _by_key(_fields_or_none(value), alone=name.lower().endswith(LISTS_OF_RECORDS))
        if keyed:
            return keyed
    if depth < MAX_LIST_DEPTH:
        inner = (value for value in values if bytes(value)[:1] == b"{")
        if records := _gathered(_listed(value, depth + 1) for value in inner):  # `{"web": {"logs": …}, "db": …}`
            return records
        for value in values:
            if records := [record for element in _objects_in(value) for record in _listed(element, depth + 1)]:
                return records
    return []


def _gathered(parts: Iterable[list[Raw]]) -> list[Raw]:
    """The records of all parts; one that is in several counts once."""
    found: list[Raw] = []
    seen: set[bytes] = set()
    for records in filter(None, parts):
        fresh = [record for record in records if bytes(record) not in seen] if seen else records
        found += fresh
        seen.update(map(bytes, fresh))
    return found


def _begins_well(value: msgspec.Raw) -> bool:
    """Whether a list named `error` contains records sorted by level, and not GraphQL's errors."""
    first = next(iter(_objects_in(value)), None)
    return first is None or _is_good(bytes(first))


def _objects_in(value: msgspec.Raw) -> list[Raw]:
    """The elements of a list of objects: `{"hosts": [{"host": "a", "lines": […]}, …]}`."""
    try:
        elements: list[Raw] = list(_raws(value)) if bytes(value)[:1] == b"[" else []
    except _UNREADABLE:
        return []
    return elements if elements and bytes(elements[0])[:1] == b"{" else []


def _by_key(fields: dict[str, msgspec.Raw], *, alone: bool = False) -> list[Raw]:
    """Records named by their ids: `{"-Nab": {"time": …, "message": …}, "-Nac": {…}}`; `alone`: even a single one."""
    values = list(fields.values())
    if len(values) < 2 - alone or any(bytes(value)[:1] != b"{" for value in values):
        return []
    return list(values) if all(map(_is_good, map(bytes, values[:2]))) else []


def _records_in(value: msgspec.Raw) -> list[Raw]:
    if timed := by_time(value):
        return timed
    try:
        records: Sequence[Raw] = [_unwrapped(raw) for raw in _raws(value)] if bytes(value)[:1] == b"[" else []
    except _UNREADABLE:
        return []
    if not records:
        return []
    begins = bytes(records[0])
    if begins[:1] == b"[" and (record := paired(begins)) and _is_log_record(record):
        return [paired(bytes(raw)) or raw for raw in records]
    if begins[:1] == b"[" and is_row(begins):
        return [row_without_names(raw) for raw in records]
    is_log = _is_log_record(begins) if begins[:1] == b"{" else begins[:1] == b'"' and _is_line(begins)
    return list(records) if is_log else []


def _is_line(raw: bytes) -> bool:
    """Whether a text is a line of a log, and more than a time: those are a column."""
    text = _text_of(raw)
    if time_in_text(text) is None:
        return False
    try:
        read_time(text)
    except RejectedError:
        return True
    return False


def _text_of(raw: Raw) -> str:
    """A JSON text as str. If it was cut inside a character, that character becomes �."""
    return str(json.loads(bytes(raw).decode("utf-8", "replace"), strict=False))


def _lines_in(value: msgspec.Raw) -> list[Raw]:
    """`"logs": "2026-11-20T10:05:00Z …\\n…"`, or a record a line; one without a time belongs to the one before it."""
    lines: list[list[str]] = []
    text = _text_of(value) if bytes(value)[:1] == b'"' else ""
    if text[:1] == "{":
        raws: list[Raw] = [line.encode("utf-8", "surrogatepass") for line in text.split("\n") if line.strip()]
        return _good(raws) if bytes(raws[0]).rstrip()[-1:] == b"}" else []
    if "\n" not in text or time_in_text(text) is None:
        return []
    for line in text.split("\n"):
        if lines and line and time_in_text(line) is None:
            lines[-1].append(line)
        elif line:
            lines.append([line])
    return [json.dumps("\n".join(line)).encode() for line in lines]


def _has_an_empty_list(body: Raw, depth: int = 0) -> bool:
    """Whether it is an answer without records, `{"entries": [], "nextPageToken": ""}`, and without an error."""
    fields = _fields_or_none(body)
    if _tells_of_a_fault(fields) or any(_may_be_a_reason(bytes(fields[name])) for name in _WORDS & fields.keys()):
        return False
    inner = [value for value in islice(fields.values(), MAX_FIELDS_LOOKED_AT) if bytes(value)[:1] == b"{"]
    if any(_tells_of_a_fault(_fields_or_none(value)) for value in inner):  # `"_shards": {"failed": 5}`
        return False
    if is_empty_table(fields) or any(
        is_empty_table(_fields_or_none(each)) for value in fields.values() for each in _objects_in(value)
    ):
        return True
    for name, value in fields.items():
        text = bytes(value)
        if name.lower().endswith(LISTS_OF_RECORDS) and text[:1] == b"[" and not text[1:-1].strip():
            return True
    if depth >= MAX_LIST_DEPTH:
        return False
    parts = (_objects_in(value)[:MAX_FIELDS_LOOKED_AT] for value in fields.values())  # `{"hosts": [{"lines": []}, …]}`
    return any(_has_an_empty_list(value, depth + 1) for value in inner) or any(
        part and all(_has_an_empty_list(element, depth + 1) for element in part) for part in parts
    )


def _may_be_a_reason(text: bytes) -> bool:
    return text not in _NOTHING and not _WELL.fullmatch(text)


def is_of_a_fault(body: bytes) -> bool:
    """Whether an answer without records reports an error: `{"logs": [], "error": "no connection"}`."""
    return _tells_of_a_fault(_fields_or_none(body))


def more_of(body: Raw, depth: int = 0) -> str | None:
    """The field of an answer with records that says that some are missing: `"truncated": true`, `"error": "shard 3
    timed out"`. None if there is none.

    A `status` beside a list does not count: it may be that of the job that wrote it.
    """
    for name, value in islice(_fields_or_none(body).items(), MAX_FIELDS_LOOKED_AT):
        text, kind = bytes(value), name.lower().rpartition(".")[2].replace("_", "").replace("-", "")
        if kind in _MORE and text == b"true":
            return f'"{name}": true'
        if kind in ("error", "errors", "failures") and text not in _NOTHING and _is_said(value):
            return f'"{name}": {clip(text)}'
        if (kind in _SUCCESS and text == b"false") or (kind == "next" and text[:5] in (b'"http', b'"/api')):
            return f'"{name}": {clip(text)}'
        if kind == "nextlink" and text[:1] == b'"' and text not in _NOTHING:
            return f'"{name}": {clip(text)}'
        is_part = (
            text[:1] == b"{" and depth < MAX_MORE_DEPTH and not _is_good(text)
        )  # fields of a record are not about the answer
        if is_part and (more := more_of(value, depth + 1)):
            return more
    return None


def _is_said(value: msgspec.Raw) -> bool:
    """Whether the value describes an error: a text, an object or a list, but not a number or a list of records."""
    return bytes(value)[:1] in (b'"', b"{") or (
        bytes(value)[:1] == b"[" and not (_objects_in(value) and _begins_well(value))
    )


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
    """A document of Elasticsearch without its envelope."""
    head = bytes(raw)[:CLIP_BYTES]
    if b'"_source"' in head:
        return _fields(raw).get("_source", raw)
    return (_TYPED.search(head) and untyped(bytes(raw))) or raw
