"""Windows of event time: days, hours and 5-minute slots, in UTC, without Dagster and without a clock.

Which window a run covers: `partitions.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

SLOT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SETTLED = 3 * HOUR  # after midnight until a day is learnt from: late lines are polled 10 and 70 minutes after an hour
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGO = re.compile(r"([0-9]{1,6}) *(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)(?: +ago)?")
_NEAR = re.compile(r"(today|yesterday)(?: +([0-9]{1,2}):([0-9]{2}))?")
_ZONED = re.compile(r"(.*[0-9]) ([A-Z][A-Za-z0-9+:-]*)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def floor(moment: datetime, step: timedelta) -> datetime:
    """The latest multiple of `step` (since 1970, UTC) that is not after `moment`."""
    return moment - (moment - EPOCH) % step


def ceil(moment: datetime, step: timedelta) -> datetime:
    """The earliest multiple of `step` (since 1970, UTC) that is not before `moment`."""
    return moment + (EPOCH - moment) % step


def history_day(moment: datetime) -> datetime:
    """The day up to whose start history is used for the baseline at this moment. It changes at 03:00."""
    return floor(moment - SETTLED, DAY)


@dataclass(frozen=True, order=True)
class Window:
    """`[since, until)`, both aware and in UTC."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        for moment in (self.since, self.until):
            if moment.utcoffset() != timedelta(0):
                raise ValueError(f"a window is in UTC, not {moment.isoformat()}")

    @classmethod
    def hour_of(cls, moment: datetime) -> Window:
        start = floor(moment, HOUR)
        return cls(start, start + HOUR)

    @classmethod
    def day_of(cls, moment: datetime) -> Window:
        start = floor(moment, DAY)
        return cls(start, start + DAY)

    def _steps(self, step: timedelta) -> Iterator[Window]:
        start = floor(self.since, step) if self else self.until  # an empty window touches nothing
        while start < self.until:
            yield Window(start, start + step)
            start += step

    def hours(self) -> Iterator[Window]:
        """The whole hours that touch this window, ascending."""
        return self._steps(HOUR)

    def slots(self) -> Iterator[Window]:
        """The whole slots that touch this window, ascending."""
        return self._steps(SLOT)

    def days(self) -> Iterator[Window]:
        """The whole UTC days that touch this window, ascending."""
        return self._steps(DAY)

    def ended(self, now: datetime) -> Window:
        """The part of this window whose slots have all ended; may be empty."""
        return Window(self.since, max(self.since, min(self.until, floor(now, SLOT))))

    def overlap(self, other: Window) -> Window:
        since = max(self.since, other.since)
        return Window(since, max(since, min(self.until, other.until)))

    def __bool__(self) -> bool:
        return self.since < self.until

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and self.since <= moment < self.until

    @property
    def length(self) -> timedelta:
        return self.until - self.since

    def __str__(self) -> str:
        """`2026-11-20 10:00-11:00`, with the second date only where it differs."""
        last = "%H:%M" if self.until.date() == self.since.date() else "%Y-%m-%d %H:%M"
        return f"{self.since:%Y-%m-%d %H:%M}-{self.until:{last}}"


def contiguous(slots: list[Window]) -> list[Window]:
    """Join slots that touch: one request to a node instead of twelve."""
    runs: list[Window] = []
    for slot in sorted(slots):
        if runs and runs[-1].until == slot.since:
            runs[-1] = Window(runs[-1].since, slot.until)
        else:
            runs.append(slot)
    return runs


def slot_number(moment: datetime) -> int:
    """The number of the slot that holds `moment`, counted from 1970."""
    return (moment - EPOCH) // SLOT


def slot_start(slot: int) -> datetime:
    """The start of a slot, by its number."""
    return EPOCH + slot * SLOT


def read_time(text: str, *, now: datetime, zone: tzinfo | None = UTC) -> datetime:
    """A time as people write it. Raises ValueError.

    `15m`, `2h ago`, `3 days ago` (before `now`), `now`; `today`, `yesterday`, `yesterday 14:00` (days of `zone`);
    `2026-11-20`, `2026-11-20T10:00` (UTC, unless an offset follows, or the name of `zone`: `2026-11-20 10:00 CET`).
    zone: None for the zone of this machine.
    """
    text = text.strip()
    try:
        if match := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[match[2][0]]: int(match[1])})
        if match := _NEAR.fullmatch(text):
            day = now.astimezone(zone).date() - (timedelta(0) if match[1] == "today" else DAY)
            return _placed(datetime.combine(day, time(int(match[2] or 0), int(match[3] or 0))), zone).astimezone(UTC)
        if match := _ZONED.fullmatch(text):
            return _named(datetime.fromisoformat(match[1]), match[2], zone)
        moment = now if text == "now" else datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _placed(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def _named(moment: datetime, name: str, zone: tzinfo | None) -> datetime:
    """A moment in a zone given by name, which must be UTC or the name of `zone` at that moment."""
    zoned = moment.replace(tzinfo=UTC) if name == "UTC" else _placed(moment, zone)
    if moment.tzinfo is not None or zoned.tzname() != name:
        raise ValueError(f"{name} is not the zone here")
    return zoned.astimezone(UTC)
