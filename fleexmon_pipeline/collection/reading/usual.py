"""A fast path for records whose first candidates are usable, as in nearly all records.

The first candidates follow from the names of the record's fields. If one of them is not usable, or a field may contain
another record, this gives up, and `fields.py` and `layers.py` search. A test shows that both give the same result.
"""

from __future__ import annotations

from datetime import datetime
from time import time as clock
from typing import Any, NamedTuple

from fleexmon_pipeline.collection.reading.fields import WORD_NAMES, has_arguments, ranked, searches_deeper
from fleexmon_pipeline.collection.reading.layers import BAGS, RECORDS, may_be_record
from fleexmon_pipeline.collection.reading.level_fields import is_small_number
from fleexmon_pipeline.collection.reading.message_fields import is_kind, rendered
from fleexmon_pipeline.collection.reading.names import (
    ERROR_FIELDS,
    LEVEL_FIELDS,
    MESSAGE_FIELDS,
    TEMPLATE_FIELDS,
    TEXT_FIELDS,
    TIME_FIELDS,
)
from fleexmon_pipeline.collection.reading.plans import by_names
from fleexmon_pipeline.collection.reading.time_fields import is_date
from fleexmon_pipeline.collection.times.epochs import EPOCH, FUTURE, MIN_TIME, RejectedError
from fleexmon_pipeline.collection.times.value import read_time
from fleexmon_pipeline.levels import Level, Scale, level_on, scale_of

_FUTURE = FUTURE.total_seconds()


class _First(NamedTuple):
    """The first candidates among some names."""

    time: str
    level: str | None
    scale: Scale | None
    message: str
    closed: tuple[str, ...]  # must not contain a record, nor fields of one
    has_words: bool  # whether a word in another field may be surer than a small number

    @classmethod
    def among(cls, names: tuple[str, ...]) -> _First | None:
        """None if only a search can find them."""
        times, levels = ranked(TIME_FIELDS, names), ranked(LEVEL_FIELDS, names)
        messages = ranked((*MESSAGE_FIELDS, *TEXT_FIELDS), names)
        if not times or not messages or "timeUnixNano" in names or (not levels and searches_deeper(names)):
            return None
        message, is_exact = messages[0]
        if (
            message == "MESSAGE"
            or has_arguments(names, message)
            or not (is_exact or set(names).isdisjoint(ERROR_FIELDS))
        ):
            return None
        closed = tuple(name for name in names if name in RECORDS or name in BAGS)
        return cls(
            times[0][0],
            levels[0][0] if levels else None,
            scale_of(names),
            message,
            closed,
            len(levels) > 1 or not WORD_NAMES.isdisjoint(names),
        )


class Usual(NamedTuple):
    """The values that were found; the record still contains their fields."""

    moment: datetime
    level: Level | None  # None: the record has none
    text: str
    time_name: str
    level_name: str | None
    message_name: str


_first_of = by_names(_First.among)


def usual(record: dict[str, Any]) -> Usual | None:
    """The fast path's result; None for a record that must be searched."""
    first = _first_of(record)
    if first is None or any(may_be_record(record[name]) for name in first.closed):
        return None
    text = record[first.message]
    if not isinstance(text, str) or not text or text.isspace() or is_kind(first.message, text):
        return None
    level = None
    if first.level is not None:
        word = record[first.level]
        level = level_on(first.scale, word) if isinstance(word, (str, int)) else None
        if level is None or (first.has_words and first.scale is None and is_small_number(word)):
            return None
    moment = _moment(record[first.time])
    if moment is None:
        return None
    if "{" in text and first.message in TEMPLATE_FIELDS:
        text = rendered(text, record)
    if first.message == "log":
        text = text.rstrip("\r\n")  # Docker ends each line with one, which belongs to its file
    return Usual(moment, level, text, first.time, first.level, first.message)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, (str, int, float)) or is_date(value):
        return None
    try:
        moment = read_time(value)
    except RejectedError:
        return None
    is_plausible = moment >= MIN_TIME and (moment - EPOCH).total_seconds() <= clock() + _FUTURE
    return moment if is_plausible else None
