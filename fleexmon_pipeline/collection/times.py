"""A time as loggers write it becomes UTC with microseconds, or a reason why not.

Here: the forms of one value. Which field of a record is its time: `records.py`. Nothing is invented: what has no date,
or a zone that nobody knows, is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from fleexmon_pipeline.errors import FleexmonError

FUTURE = timedelta(days=1)  # a clock that far ahead is broken, not skewed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TIME_CHARACTERS = 64  # characters of a time that is text

# Seconds until the year 5138, then ms, µs, ns: 1e11 s is that year, 1e11 ms is March 1973.
_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
_EPOCH_TEXT = re.compile(r"[+-]?\d{1,20}(\.\d{1,12})?")
_PICOSECONDS = 10**12
_LEAP = re.compile(r"(.*\d\d:\d\d:)60(?!\d)(.*)", re.DOTALL)
_SLASHES = re.compile(r"(\d{4})/(\d\d)/(\d\d)(.*)", re.DOTALL)  # Go's log package, nginx' error log
_SPACED = re.compile(r"(\d\S+[ T]\S+) ([+-]\d\d:?\d\d)( \w+)?( m=\S+)?")  # Ruby; Go's Time.String(), with a zone's name
_APACHE = re.compile(r"\[?(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):([^\]]*)\]?")
_DAYS_AND_MONTHS = frozenset(
    "mon tue wed thu fri sat sun jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
)
# {"seconds": 1, "nanos": 2}: protobuf, Google Cloud; {"epochSecond": 1, "nanoOfSecond": 2}: log4j 2.
_PARTS = (("seconds", "nanos"), ("epochSecond", "nanoOfSecond"))
_WRAPPED = ("$date", "date")  # MongoDB's logs; PHP's DateTime as JSON


class RejectedError(FleexmonError, ValueError):
    """This record cannot become a LogEntry; the text is the reason that RejectedLog keeps."""


def read_time(value: object) -> datetime:
    """UTC with microseconds: ISO 8601 (no zone means UTC), RFC 2822, or an epoch in s, ms, µs, ns, number or text.

    A leap second is the first second after it, as POSIX counts. Raises RejectedError.
    """
    try:
        if isinstance(value, str):
            text = value.strip()
            if text.endswith("Z") or not _EPOCH_TEXT.fullmatch(text):
                return _read_date(text)
            whole, _, fraction = text.partition(".")
            return _from_epoch(text, int(whole), int((fraction + "000000000000")[:12]))
        if isinstance(value, dict):
            return _read_parts(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 10**20:  # noqa: PLR0124
            raise _refused(value)
        if isinstance(value, int):
            return _from_epoch(value, value, 0)
        # A float of today's seconds is .2 µs apart from its neighbours: to the nearest microsecond, not the one below.
        return _from_epoch(value, int(value), round((value - int(value)) * _PICOSECONDS), nearest=True)
    except (ValueError, OverflowError, TypeError):
        raise _refused(value) from None


def _refused(value: object) -> RejectedError:
    try:
        return RejectedError(f"not a time: {str(value)[:60]}")
    except ValueError:  # Python writes no number of more than 4,300 digits
        return RejectedError("not a time: a number of thousands of digits")


def _from_epoch(given: object, whole: int, picoseconds: int, *, nearest: bool = False) -> datetime:
    """`picoseconds`: the fraction of the unit that `whole` is in, times 10**12."""
    microseconds = next((scale for limit, scale in _UNITS if abs(whole) < limit), None)
    if microseconds is None:
        return EPOCH + timedelta(microseconds=whole // 1000)
    if isinstance(given, str) and given.startswith("-"):
        picoseconds = -picoseconds  # -1.5 is half a second before -1
    half = _PICOSECONDS // 2 if nearest else 0
    more = (picoseconds * microseconds + half) // _PICOSECONDS
    return EPOCH + timedelta(microseconds=whole * microseconds + more)


def _read_parts(value: dict[str, Any]) -> datetime:
    for seconds, nanoseconds in _PARTS:
        if seconds in value:
            whole, more = int(value[seconds]), int(value.get(nanoseconds) or 0)
            if abs(more) < 10**9:
                return EPOCH + timedelta(seconds=whole, microseconds=more // 1000)
    for name in _WRAPPED:
        inner = value.get(name)
        if isinstance(inner, dict):
            inner = inner.get("$numberLong")
        if isinstance(inner, (str, int)) and value.get("timezone", "UTC") in ("UTC", "Z", "+00:00"):
            return read_time(inner)
    raise _refused(value)


def _read_date(text: str) -> datetime:
    """Raises ValueError or OverflowError."""
    if len(text) > MAX_TIME_CHARACTERS:
        raise _refused(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        if found := _LEAP.fullmatch(text):
            return _read_date(f"{found[1]}59{found[2]}") + timedelta(seconds=1)
        moment = _read_other(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_other(text: str) -> datetime:
    """What is written for people, or nearly as ISO 8601 has it."""
    if found := _SPACED.fullmatch(text):
        return datetime.fromisoformat(found[1] + found[2])
    if found := _SLASHES.fullmatch(text):
        return datetime.fromisoformat("-".join(found.groups()[:3]) + found[4])
    if found := _APACHE.fullmatch(text):
        text = " ".join(found.groups())
    elif text[:1].isdigit() and (text[-1:] in "zZ" or text.endswith((" UTC", " GMT"))):
        return datetime.fromisoformat(text.upper().removesuffix(" UTC").removesuffix(" GMT").removesuffix("Z") + "Z")
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, IndexError):
        raise _refused(text) from None
    # The library takes 3 PM for 3 and a zone that it does not know for none, and would be hours wrong.
    words = {word.lower() for word in re.findall(r"[^\W\d_]+", text)}
    if moment.tzinfo is None and any(word[:3] not in _DAYS_AND_MONTHS for word in words - {"am", "pm"}):
        raise _refused(text)
    if "pm" in words and moment.hour < 12:
        return moment.replace(hour=moment.hour + 12)
    return moment.replace(hour=0) if "am" in words and moment.hour == 12 else moment
