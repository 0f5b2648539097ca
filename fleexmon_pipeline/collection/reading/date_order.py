"""Infer the order of day, month and year in a file's ambiguous dates from its other dates.

Unambiguous dates tell the order; for dates of three pairs of digits, the order in which they follow each other. Reading
one date: `collection/times/`.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from fleexmon_pipeline.collection.times.epochs import FUTURE
from fleexmon_pipeline.collection.times.orders import DateOrder, short_dates

_DATE = re.compile(rb"(?<![\d./-])([0-3]?\d)([/-])([0-3]?\d)\2(?:19|20)\d\d(?=[ T:,])")
_SHORT = re.compile(rb"(?<![\d./-])(\d\d)([/.-])(\d\d)\2(\d\d)[ T:,]{1,2}\d{1,2}:\d\d")
MAX_DATES = 2_000  # read in a chunk of a file, and kept in total
OVERLAP = 16  # bytes of the previous chunk, in which a date may begin
MAX_MONTH = 12
CLEARLY_SHORTER = 10  # times: days of a log are close together; in the wrong order they are years apart


class DateWatcher:
    """Watches the dates of a file while it is read. `order` is the order so far; empty once dates contradict.

    now: no date of the file is later.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.order = DateOrder(now=now)
        self._seen: set[bool] = set()
        self._short: set[tuple[str, str, str, str]] = set()
        self._rest = b""

    def look(self, chunk: bytes) -> None:
        text, self._rest = self._rest + chunk, chunk[-OVERLAP:]
        if b"/" not in text and b"-" not in text and b"." not in text:
            return
        if len(self._seen) < 2:
            self._look_for_days(text)
        if len(self._short) < MAX_DATES:
            self._look_for_orders(text)

    def _look_for_days(self, text: bytes) -> None:
        for number, match in enumerate(_DATE.finditer(text)):
            one, two = int(match[1]), int(match[3])
            if one > MAX_MONTH >= two or two > MAX_MONTH >= one:
                self._seen.add(one > MAX_MONTH)
            if number >= MAX_DATES:
                break
        self.order.day_first = next(iter(self._seen)) if len(self._seen) == 1 else None

    def _look_for_orders(self, text: bytes) -> None:
        before = len(self._short)
        for number, match in enumerate(_SHORT.finditer(text)):
            one, sign, two, three = (part.decode() for part in match.groups())
            self._short.add((one, sign, two, three))
            if number >= MAX_DATES:
                break
        if len(self._short) > before:
            self.order.short = _order_of([short_dates(*parts) for parts in self._short], self.order.now)


def _order_of(dates: list[dict[str, date]], now: datetime | None) -> str | None:
    """The only order in which all are valid dates and none is in the future, or the one in which they are clearly
    closest together."""
    spans = {}
    for order in ("ymd", "dmy", "mdy"):
        days = [day for each in dates if (day := each.get(order))]
        if len(days) == len(dates) and (now is None or max(days) <= (now + FUTURE).date()):
            spans[order] = (max(days) - min(days)).days + 1
    ranked = sorted(spans, key=spans.__getitem__)
    if len(ranked) > 1 and (len(dates) < 2 or spans[ranked[1]] < CLEARLY_SHORTER * spans[ranked[0]]):
        return None
    return ranked[0] if ranked else None
