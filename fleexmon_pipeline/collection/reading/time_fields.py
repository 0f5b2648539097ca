"""Find the time in a record's fields: the first usable candidate. A duration or a time of day does not end the search.

The forms of a time: `collection/times/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from time import time as clock
from typing import Any, NamedTuple

from fleexmon_pipeline.collection.reading.fields import (
    CLOCK_WORDS,
    MAX_ODD_NAMES,
    Fields,
    Found,
    Plan,
    lookup,
    named_like,
    plan_of,
)
from fleexmon_pipeline.collection.reading.names import LIKE_A_TIME, OTHER_TIMES
from fleexmon_pipeline.collection.times.epochs import EPOCH, FUTURE, MIN_TIME, RejectedError
from fleexmon_pipeline.collection.times.value import read_time

LENGTHS_OF_TIME = ("uptime", "runtime", "lifetime", "downtime", "boottime")
_CLOCK = re.compile(r"\d{1,2}:\d\d")
MAX_FUTURE_SECONDS = FUTURE.total_seconds()


class TimeOf(NamedTuple):
    """The time of one layer: a usable one, or a doubtful one for the case that no layer has a better one."""

    usable: Found | None
    doubtful: Found | None  # in the future, or without a time of day
    error: RejectedError | None  # of the first candidate


def time_of(fields: Fields) -> TimeOf:
    plan = plan_of(fields)
    doubtful: Found | None = None
    error: RejectedError | None = None
    for name, value, taken in _times(fields, plan) if plan.deep_times else _named_times(fields, plan):
        try:
            moment = read_time(value)
        except RejectedError as reason:
            error = error or reason
            continue
        if moment < MIN_TIME:
            error = error or RejectedError(f"not a time: {str(value)[:60]}: before {MIN_TIME:%Y}, or a duration")
        elif is_date(value) or (moment - EPOCH).total_seconds() > clock() + MAX_FUTURE_SECONDS:
            doubtful = doubtful or Found(name, moment, taken)
        else:
            return TimeOf(Found(name, moment, taken), None, None)
    return TimeOf(_date_and_time(fields) if plan.has_date_and_time else None, doubtful, error)


def _named_times(fields: Fields, plan: Plan) -> Iterator[tuple[str, Any, bool]]:
    for name, is_exact in plan.times:
        value = fields[name]
        if value is not None and (is_exact or isinstance(value, (str, int, float, dict, list))):
            yield name, value[0] if isinstance(value, list) and len(value) == 1 else value, True


def _times(fields: Fields, plan: Plan) -> Iterator[tuple[str, Any, bool]]:
    yield from _named_times(fields, plan)
    for name in plan.deep_times:
        if isinstance(value := lookup(fields, name), (str, int, float)):
            yield name, value, False


def is_date(value: object) -> bool:
    """Whether a value is a date without a time of day."""
    return isinstance(value, str) and len(value) <= 10 and ":" not in value and not value.isdigit()


def _date_and_time(fields: Fields) -> Found | None:
    """A date and a time of day in separate fields: IIS, CloudFront and other W3C logs."""
    day = next((value for name, value in fields.items() if name.lower() == "date" and isinstance(value, str)), None)
    clocks = [name for name in named_like(fields, CLOCK_WORDS) if is_clock(fields[name])]
    if day is None or not clocks:
        return None
    name = min(clocks, key=lambda name: name.lower() != "time")
    try:
        return Found(f"date, {name}", read_time(f"{day} {fields[name]}"), taken=False)
    except RejectedError:
        return None


def is_clock(value: object) -> bool:
    return isinstance(value, str) and _CLOCK.match(value) is not None


def _ends_like_a_time(name: str) -> bool:
    """`tstamp`, `_messagetime`; not `uptime`."""
    word = name.lower().strip("_")
    return word.endswith(("stamp", "time")) and not word.endswith(LENGTHS_OF_TIME)


def _is_end(name: str, fields: Fields) -> bool:
    """The end of a span, or Kubernetes' time of an event."""
    return name == "lastTimestamp" or (name.startswith("last") and f"first{name[4:]}" in fields)


def _with_nanoseconds(name: str, fields: Fields) -> Any:
    """`timestampSeconds` and `timestampNanos`."""
    stem, seconds, _ = name.rpartition("Seconds")
    nanoseconds = fields.get(f"{stem}Nanos") if seconds else None
    return {"seconds": fields[name], "nanos": nanoseconds} if isinstance(nanoseconds, int) else fields[name]


def like_a_time(fields: Fields) -> Found | None:
    """A time in a field whose name only resembles those that are known."""
    names = named_like(fields, LIKE_A_TIME)
    stamps = (name for name in islice(fields, MAX_ODD_NAMES) if _ends_like_a_time(name) and name not in names)
    for name in (*names, *stamps):
        # `last_login_at` says when something else was; of `firstTimestamp` and `lastTimestamp`, how long it went on.
        if name in named_like((name,), OTHER_TIMES) and not _is_end(name, fields):
            continue
        if name.startswith("first") and f"last{name[5:]}" in fields:
            continue
        try:
            moment = read_time(_with_nanoseconds(name, fields))
        except RejectedError:
            continue
        if (
            moment >= MIN_TIME
            and (moment - EPOCH).total_seconds() <= clock() + MAX_FUTURE_SECONDS
            and not is_date(fields[name])
        ):
            return Found(name, moment)
    return None
