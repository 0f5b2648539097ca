"""The reader's clock: the time zone in which a person sees times. A pipe and JSON get UTC.

A time with another offset than now, because of summer time, names its zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person
from fleexmon_pipeline.window import Window

_MILLISECONDS = 3  # digits


@dataclass(frozen=True)
class Clock:
    """zone: None for the zone of this machine or of TZ, with its changes over the year."""

    zone: tzinfo | None
    now: datetime

    @property
    def name(self) -> str:
        """`UTC`, `CET`, or `UTC+05:30` for a zone without a name."""
        return _name(self._at(self.now))

    @property
    def note(self) -> str:
        """` (times in CET)`, after a list without headings; empty for a pipe, which always gets UTC."""
        return "" if self.zone is UTC else f" (times in {self.name})"

    def minute(self, moment: datetime, *, named: bool = False) -> str:
        """`11-30 09:05`; for a person, with the year if it is not the current one. named: with the zone."""
        there = self._at(moment)
        other_year = self.zone is None and there.year != self._at(self.now).year
        return self._named(_day(there) if other_year else f"{there:%m-%d %H:%M}", there, named=named)

    def full_minute(self, moment: datetime, *, named: bool = False) -> str:
        """`2026-11-30 09:05`"""
        there = self._at(moment)
        return self._named(_day(there), there, named=named)

    def window(self, window: Window) -> str:
        """`2026-11-30 09:00-11:00 CET`, with the second date only if it differs."""
        since, until = self._at(window.since), self._at(window.until)
        last = f"{until:%H:%M}" if until.date() == since.date() else _day(until)
        return f"{_day(since)}-{last} {_name(until)}"

    def time_of_day(self, moment: datetime) -> str:
        return f"{self._at(moment):%H:%M}"

    def second_of_day(self, moment: datetime) -> str:
        return f"{self._at(moment):%H:%M:%S}"

    def second(self, moment: datetime) -> str:
        """`2026-11-30 09:05:07`"""
        there = self._at(moment)
        return self._named(f"{there:%Y-%m-%d %H:%M:%S}", there)

    def exact(self, moment: datetime) -> str:
        """`2026-11-30 09:05:07.123456`"""
        there = self._at(moment)
        return self._named(f"{there:%Y-%m-%d %H:%M:%S.%f}", there)

    def milliseconds(self, moment: datetime) -> str:
        """`2026-11-30 09:05:07.123`"""
        return self.exact(moment)[: len("2026-11-30 09:05:07.") + _MILLISECONDS]

    def _at(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def _named(self, text: str, there: datetime, *, named: bool = False) -> str:
        as_now = there.utcoffset() == self._at(self.now).utcoffset()
        return text if as_now and not named else f"{text} {_name(there)}"


def readers_clock(now: datetime) -> Clock:
    """For one sentence: `readers_clock(now).full_minute(moment, named=True)`."""
    return Clock(None if is_read_by_a_person() else UTC, now)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _name(moment: datetime) -> str:
    name = moment.tzname() or "UTC"
    offset = moment.utcoffset() or timedelta(0)
    if name[0].isalpha():
        return name
    sign, minutes = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, rest = divmod(minutes // timedelta(minutes=1), 60)
    return f"UTC{sign}{hours:02}:{rest:02}"
