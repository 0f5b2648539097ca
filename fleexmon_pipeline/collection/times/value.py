"""The time of one value, whatever its type: a number, a text, an object or a list of parts.

Here: choosing between the forms. Numbers: `epochs.py`; text: `written.py`. Which field of a record is its time:
`reading/time_fields.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from fleexmon_pipeline.collection.times.epochs import (
    EPOCH,
    RejectedError,
    from_epoch,
    from_float,
    from_text,
    read_tai,
    refused,
)
from fleexmon_pipeline.collection.times.written import compact_time, read_date
from fleexmon_pipeline.collection.times.zones import offset_of, region_of

_EPOCH_TEXT = re.compile(r"[+-]?\d{1,20}([.,]\d{1,12})?")
# {"seconds": 1, "nanos": 2}: protobuf, Google Cloud; {"epochSecond": 1, "nanoOfSecond": 2}: log4j 2.
# {"_seconds": 1, "_nanoseconds": 2}: Firestore; {"epochSecond": 1, "nano": 2}: Java's Instant.
_PARTS = (
    ("seconds", "nanos"), ("epochSecond", "nanoOfSecond"), ("sec", "nsec"), ("sec", "nanosec"), ("tv_sec", "tv_nsec"),
    ("_seconds", "_nanoseconds"), ("seconds", "nanoseconds"), ("epochSecond", "nano"),
    ("secs", "nanos"), ("secs_since_epoch", "nanos_since_epoch"), ("unix", "nanos"),  # Rust's, and others'
)  # fmt: skip
# MongoDB's logs; PHP's DateTime as JSON; loguru; BigQuery.
_WRAPPED = ("$date", "date", "timestamp", "repr", "iso", "value", "dateTime", "$numberLong")
# Names of a date's parts in Java, Python and hand-made loggers; the first existing name counts.
_DATE_PARTS = (("year",), ("monthValue", "month"), ("dayOfMonth", "day"), ("hour",), ("minute",), ("second",))
_RUST_PARTS = 9  # of a list: year, day of the year, time of day, nanosecond, offset
MIN_DATE_PARTS = 5  # of a list: year, month, day, hour, minute; then second and nanosecond, as Jackson writes Java's


def read_time(value: object) -> datetime:
    """UTC with microseconds: an epoch in s, ms, µs or ns, number or text; or a date and a time (no zone means UTC).

    A leap second is the first second after it, as POSIX counts. Raises RejectedError.
    """
    try:
        if isinstance(value, str):
            text = value.strip()
            if text.endswith("Z") or not _EPOCH_TEXT.fullmatch(text):
                return read_date(text) if text[:1] != "@" else read_tai(text)
            return compact_time(text) or from_text(text)
        if isinstance(value, (dict, list)):
            return _read_parts(value) if isinstance(value, dict) else _read_list(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 10**20:  # noqa: PLR0124
            raise refused(value)
        if isinstance(value, int):
            return compact_time(str(value)) or from_epoch(value, value, 0)
        return from_float(value)
    except RejectedError:
        raise
    except (ValueError, OverflowError, TypeError):
        raise refused(value) from None


def has_zone(value: object) -> bool:
    """Whether a value that `read_time` accepts contains a zone."""
    if not isinstance(value, str):
        return not isinstance(value, dict) or "date" not in value
    text = value.strip()
    if text[-1:] in "Zz" or _EPOCH_TEXT.fullmatch(text):
        return True
    return re.search(r"[+-]\d\d:?\d\d\b|[A-Za-z]\]?\)?$", text[10:]) is not None


def _read_parts(value: dict[str, Any]) -> datetime:
    for seconds, nanoseconds in sorted(_PARTS, key=lambda parts: parts[1] not in value):
        if seconds in value:
            whole, more = int(value[seconds]), int(value.get(nanoseconds) or 0)
            if abs(more) < 10**9:
                return EPOCH + timedelta(seconds=whole, microseconds=more // 1000)
    if moment := _of_parts(value):
        return moment
    for name in _WRAPPED:
        inner = value.get(name)
        if isinstance(inner, dict):
            inner = inner.get("$numberLong")
        if not isinstance(inner, (str, int, float)) or isinstance(inner, bool):
            continue
        zone = value.get("timezone")
        if zone is None:
            return read_time(inner)
        if not isinstance(zone, str) or not isinstance(inner, str):
            break
        moment = datetime.fromisoformat(inner)
        if moment.tzinfo is not None:
            break
        return moment.replace(tzinfo=offset_of(zone) if zone[:1] in "+-" else region_of(zone)).astimezone(UTC)
    raise refused(value)


def _of_parts(value: dict[str, Any]) -> datetime | None:
    """`{"year": 2026, "monthValue": 11, …}` of Java's LocalDateTime; `{"DateTime": …, "OffsetMinutes": 60}` of .NET."""
    offset = value.get("OffsetMinutes")
    if isinstance(text := value.get("DateTime"), str) and type(offset) is int:
        return datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(minutes=offset))).astimezone(UTC)
    parts = [next((part for name in names if type(part := value.get(name)) is int), None) for names in _DATE_PARTS]
    year, month, day, hour, minute, second = parts
    if None in (year, month, day, hour, minute):
        return None
    nanoseconds = value.get("nano") or value.get("nanosecond") or 0
    return datetime(year, month, day, hour, minute, second or 0, int(nanoseconds) // 1_000, tzinfo=UTC)  # type: ignore[arg-type]


def _read_list(value: list[Any]) -> datetime:
    if len(value) == _RUST_PARTS and all(type(part) is int for part in value):
        year, day, hour, minute, second, nanosecond, *offset = value
        start = datetime(year, 1, 1, hour, minute, second, nanosecond // 1_000, tzinfo=UTC)
        return start + timedelta(days=day - 1) - timedelta(hours=offset[0], minutes=offset[1], seconds=offset[2])
    if not MIN_DATE_PARTS <= len(value) <= 7 or any(type(part) is not int for part in value):
        raise refused(value)
    year, month, day, hour, minute, second, nanosecond = (*value, 0, 0)[:7]
    return datetime(year, month, day, hour, minute, second, nanosecond // 1_000, tzinfo=UTC)
