"""Times that are counted: seconds and their parts since 1970, and other units since other years.

Here: numbers, and what is plausible as the time of a log line. Dates as text: `written.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fleexmon_pipeline.errors import FleexmonError

FUTURE = timedelta(days=1)  # a clock further ahead is broken, not skewed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_TIME = datetime(1990, 1, 1, tzinfo=UTC)  # an earlier value is a duration, a counter or a clock that was never set

# Seconds until the year 5138, then ms, µs, ns: 1e11 s is that year, 1e11 ms is March 1973.
_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
# Counted in other units from another year, in numbers that would be 1974, 1990 or the 24th century from 1970: .NET's
# ticks (100 ns since the year 1), Windows' and LDAP's file times (100 ns since 1601), Chrome's (µs since 1601); each
# from its year 2000 to its year 2100.
_OTHER_EPOCHS = (
    (630_822_816_000_000_000, 662_380_416_000_000_000, 10, -62_135_596_800),
    (125_911_584_000_000_000, 157_469_184_000_000_000, 10, -11_644_473_600),
    (12_591_158_400_000_000, 15_746_918_400_000_000, 1, -11_644_473_600),
)
MIN_OTHER = _OTHER_EPOCHS[-1][0]
_PICOSECONDS = 10**12  # of a second
_TAI64N = re.compile(r"@([0-9a-f]{16})([0-9a-f]{8})?")  # daemontools, runit
_DATES_EPOCH = re.compile(r"@\d{9,11}(?:\.\d{1,9})?")  # as date(1) takes it
TAI_EPOCH = 2**62 + 10  # as tai64nlocal counts, which knows no later leap seconds


class RejectedError(FleexmonError, ValueError):
    """This record cannot become a LogEntry; the text is the reason that RejectedLog keeps."""


def refused(value: object) -> RejectedError:
    try:
        return RejectedError(f"not a time: {str(value)[:60]}")
    except ValueError:  # Python writes no number of more than 4,300 digits
        return RejectedError("not a time: a number of thousands of digits")


def from_text(text: str) -> datetime:
    """Digits with a sign or a fraction."""
    whole, _, fraction = text.replace(",", ".").partition(".")
    return from_epoch(text, int(whole), int((fraction + "000000000000")[:12]))


def from_float(value: float) -> datetime:
    """To the nearest microsecond, not the one below: a float of today's seconds is 0.2 µs apart from its neighbours."""
    return from_epoch(value, int(value), round((value - int(value)) * _PICOSECONDS), nearest=True)


def from_epoch(given: object, whole: int, picoseconds: int, *, nearest: bool = False) -> datetime:
    """`picoseconds`: the fraction of the unit that `whole` is in, times 10**12."""
    if whole >= MIN_OTHER:
        for first, last, parts, start in _OTHER_EPOCHS:
            if first <= whole < last:
                return EPOCH + timedelta(seconds=start, microseconds=whole // parts)
    microseconds = next((scale for limit, scale in _UNITS if abs(whole) < limit), None)
    if microseconds is None:
        return EPOCH + timedelta(microseconds=whole // 1000)
    if isinstance(given, str) and given.startswith("-"):
        picoseconds = -picoseconds  # -1.5 is half a second before -1
    half = _PICOSECONDS // 2 if nearest else 0
    more = (picoseconds * microseconds + half) // _PICOSECONDS
    return EPOCH + timedelta(microseconds=whole * microseconds + more)


def read_tai(text: str) -> datetime:
    if _DATES_EPOCH.fullmatch(text):
        return from_text(text[1:])
    match = _TAI64N.fullmatch(text)
    if match is None:
        raise refused(text)
    return EPOCH + timedelta(seconds=int(match[1], 16) - TAI_EPOCH, microseconds=int(match[2] or "0", 16) // 1_000)
