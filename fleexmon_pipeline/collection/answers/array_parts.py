"""Split what has arrived of an array into records, also where a part of it is not JSON.

Here: where a record ends for certain, and how its neighbours are kept if one is broken. When that is tried, and all
other forms of answers: `splitter.py`.
"""

from __future__ import annotations

import json
import re

import msgspec

from fleexmon_pipeline.collection.answers.long_records import find_end
from fleexmon_pipeline.collection.answers.record_runs import Run

MAX_JSON_WORD = len("-Infinity")  # an error this close to the end may be a cut word or escape
TRUNCATED = "Input data was truncated"  # msgspec's message for JSON that is valid but incomplete
MAX_BEHIND = 64_000  # bytes kept before the reading position, because json counts the lines before each error
MAX_WASTED = 16  # times of a broken answer that are read in vain; then it goes on behind the error, losing neighbours
TRIES = 32  # ends of objects that are looked at from behind: records may hold arrays of objects themselves

_SPACE = re.compile(r"[\s,]*")
_COMMA = re.compile(rb"[\s,]*")
_BETWEEN_OBJECTS = re.compile(rb"\}\s*,\s*(?=\{)")
_NEXT_OBJECT = re.compile(rb"\s*,\s*(?=\{)")
_COMMA_AND_OBJECT = re.compile(rb",\s*(?=\{)")  # to search for: with space before it, a MB of spaces takes minutes
_decode = json.JSONDecoder(strict=False).raw_decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


def drop_comma(buffer: bytearray) -> None:
    """Remove the comma and spaces before the next record."""
    comma = _COMMA.match(buffer)
    del buffer[: comma.end() if comma else 0]


def is_unfinished(buffer: bytes) -> bool:
    """Whether `buffer` is valid JSON so far and contains no boundary, so that decoding it would be wasted."""
    if find_end(buffer) >= 0:
        return False
    try:
        _raws(b"[" + buffer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error) == TRUNCATED
    return False


def split_off(buffer: bytearray) -> tuple[Run, int]:
    """The complete records at the beginning of `buffer`, and where the next one begins; none and 0 if none is certain.

    A `}` followed by `, {` ends a record if everything before it is a sequence of JSON values; inside a string or an
    inner array it does not.
    """
    end = len(buffer)
    for _ in range(TRIES):
        end = buffer.rfind(b"}", 0, end)
        if end < 0:
            break
        comma = _NEXT_OBJECT.match(buffer, end + 1)
        if comma is None:
            continue
        try:
            with memoryview(buffer) as view, view[: end + 1] as records:
                return Run.of_array(b"".join((b"[", records, b"]"))), comma.end()  # one copy, of up to 4 MB
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return Run([]), 0


def salvage(buffer: bytes) -> tuple[list[bytes], int, bool]:
    """Split record by record, if a part is not JSON. Returns the records, where the rest begins, and whether the array
    was closed.

    A part that is not JSON, up to the next `}, {`, is a record too: it will be rejected, but not its neighbours. A part
    that only lacks its end, such as a string, is the rest: its end may still arrive.
    """
    text = buffer.decode("latin-1")  # JSON's own characters are ASCII, and positions stay those of the bytes
    raws: list[bytes] = []
    gone = position = 0  # characters removed from `text`, and the position in the rest
    wasted = 0  # characters that were read up to an error
    while True:
        if position > MAX_BEHIND:
            text, gone, position = text[position:], gone + position, 0
        space = _SPACE.match(text, position)
        position = space.end() if space else position
        start = gone + position
        if text[position : position + 1] == "]":
            return raws, start, True
        try:
            _, end = _decode(text, position)
        except (ValueError, RecursionError) as error:
            if isinstance(error, RecursionError):  # not broken, but too deep to be a record: to be rejected as a whole
                end = find_end(buffer[start:])
                if end < 0:
                    return raws, start, False
                raws.append(buffer[start : start + end])
                position += end
                continue
            # A part that does not begin like an object ends where the next object begins, a broken object at a `}`
            # before.
            kept, boundary = (1, _BETWEEN_OBJECTS) if text[position : position + 1] == "{" else (0, _COMMA_AND_OBJECT)
            read_up_to = error.pos if isinstance(error, json.JSONDecodeError) else position
            wasted += read_up_to - position
            behind = gone + read_up_to if wasted > MAX_WASTED * len(buffer) else start
            boundary_at = None if _lacks_its_end(error, len(text)) else boundary.search(buffer, behind)
            if boundary_at is None:
                return raws, start, False
            raws.append(buffer[start : boundary_at.start() + kept].rstrip())
            position = boundary_at.end() - gone
        else:
            raws.append(buffer[start : gone + end])
            position = end


def _lacks_its_end(error: Exception, length: int) -> bool:
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= length - MAX_JSON_WORD
