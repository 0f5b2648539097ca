"""Dates with day and month in doubt, such as `03/04/2027` and `26/11/20`: what else tells how they are read.

Here: the order of a date's parts. The forms of a date: `written.py`; looking at a file for the order of its dates:
`reading/date_order.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fleexmon_pipeline.collection.times.epochs import FUTURE

RECENT = timedelta(days=366)  # a log that somebody reads is more likely of this year than of one long ago
IN_DOUBT = "day and month are in doubt"


@dataclass(slots=True)
class DateOrder:
    """How to decide whether `03/04/2027` is in March or in April.

    day_first: the order of other dates in the same file. short: the order of its dates with three pairs of digits, such
    as "ymd". near: the date must be within this time. now: no date is later, and dates of the last year are likelier.
    """

    day_first: bool | None = None
    short: str | None = None
    near: tuple[datetime, datetime] | None = None
    now: datetime | None = None
    assumed: int = 0  # number of dates that were decided this way

    def is_day_first(self, year: int, one: int, two: int) -> bool | None:
        """Whether the day comes first; None if it remains ambiguous."""
        order = self.day_first
        if self.near is not None:
            first, last = (moment.date() for moment in self.near)
            fitting = [month_last for month_last, day in ((True, (two, one)), (False, (one, two)))
                       if first <= date(year, *day) <= last]  # fmt: skip
            order = fitting[0] if len(fitting) == 1 else order
        if order is None and self.now is not None:
            past = [month_last for month_last, day in ((True, (two, one)), (False, (one, two)))
                    if date(year, *day) <= (self.now + FUTURE).date()]  # fmt: skip
            order = past[0] if len(past) == 1 else None
        self.assumed += order is not None
        return order

    def pick(self, dates: Mapping[str, date]) -> date | None:
        """The date among the readings of three pairs of digits, by order; None if it remains ambiguous."""
        kept = set(dates.values())
        if len(kept) > 1 and self.near is not None:
            kept = {day for day in kept if self.near[0].date() <= day <= self.near[1].date()} or kept
        if len(kept) > 1 and self.short is not None and self.short in dates:
            kept = {dates[self.short]}
        if len(kept) > 1 and self.now is not None:
            past = {day for day in kept if day <= (self.now + FUTURE).date()}
            recent = {day for day in past if day > (self.now - RECENT).date()}
            kept = recent if len(recent) == 1 else past or kept
        self.assumed += len(kept) == 1 < len(set(dates.values()))
        return next(iter(kept)) if len(kept) == 1 else None


_date_order: ContextVar[DateOrder | None] = ContextVar("date_order", default=None)


class reading_dates:  # noqa: N801 - a context manager; as a generator it costs five times as much for each line
    """Inside this context, `read_time` reads dates with ambiguous day and month by `order`."""

    __slots__ = ("_order", "_token")

    def __init__(self, order: DateOrder) -> None:
        self._order = order

    def __enter__(self) -> None:
        self._token = _date_order.set(self._order)

    def __exit__(self, *_: object) -> None:
        _date_order.reset(self._token)


def order_in_use() -> DateOrder | None:
    """The order of the innermost `reading_dates`."""
    return _date_order.get()


def short_dates(one: str, sign: str, two: str, three: str) -> dict[str, date]:
    """The possible dates of `26/11/20`, by the order of its parts."""
    first, second, third = int(one), int(two), int(three)
    orders = {"ymd": (full_year(first), second, third), "dmy": (full_year(third), second, first)}
    if sign != ".":  # nobody writes the month first with dots
        orders["mdy"] = (full_year(third), first, second)
    dates = {}
    for order, parts in orders.items():
        with suppress(ValueError):
            dates[order] = date(*parts)
    return dates


def full_year(year: int) -> int:
    return year + (1900 if year >= 69 else 2000)
