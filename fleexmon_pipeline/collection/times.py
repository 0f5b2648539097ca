"""Turn a time in any logger's form into UTC with microseconds, or refuse it with a reason.

Here: the forms of one value. Which field of a record is its time: `records.py`. Nothing is invented: a value without a
date or a year, with ambiguous day and month, or with an unknown zone is refused. In `03/04/2027` the month comes first
if AM or PM follows; else one of the two must be more than 12, or other dates must tell (`reading_dates`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from fleexmon_pipeline.errors import FleexmonError

FUTURE = timedelta(days=1)  # a clock further ahead is broken, not skewed
RECENT = timedelta(days=366)  # a log that somebody reads is more likely of this year than of one long ago
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_TIME = datetime(1990, 1, 1, tzinfo=UTC)  # an earlier value is a duration, a counter or a clock that was never set
MAX_TIME_CHARACTERS = 100  # of a time that is text

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
_EPOCH_TEXT = re.compile(r"[+-]?\d{1,20}([.,]\d{1,12})?")
_PICOSECONDS = 10**12
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

_MONTHS = {name.lower(): n for n, name in enumerate(
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
     "December"), 1)}  # fmt: skip
_MONTHS |= {name[:3]: n for name, n in _MONTHS.items()} | {"sept": 9}
# Months as Java, C and date(1) write them in German, French, Spanish, Italian, Dutch and Portuguese.
_LOCAL_MONTHS = """januar jänner janv janvier enero ene gennaio gen januari janeiro
februar févr février fevr fevrier febrero febbraio februari fevereiro fev
märz mär mrz mars marzo maart mrt março marco
avr avril abril abr aprile
mai mayo maggio mag mei maio
juni juin junio giugno giu junho
juli juil juillet julio luglio lug julho
août aout agosto ago augustus
septembre septiembre settembre set setembro
oktober okt octobre octubre ottobre ott outubro out
novembre noviembre novembro
dezember dez décembre déc decembre diciembre dic dicembre dezembro"""
_MONTHS |= {name: n for n, names in enumerate(_LOCAL_MONTHS.split("\n"), 1) for name in names.split()}
_NAME_OF_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_MONTH = rf"(?P<month>{_NAME_OF_MONTH})\b\.?"
_WEEKDAYS = (
    r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?"
    r"|(?:mo|di|mi|do|fr|sa|so)|(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)"
    r"|(?:lun|mar|mer|jeu|ven|sam|dim)\.?|(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche))"
)
_DAY, _YEAR = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th|\.)?", r"(?P<year>(?:19|20)\d\d)"
_DATES = [re.compile(rf"(?<![\d.]){form}(?![\d])", re.IGNORECASE) for form in (
    r"(?P<year>(?:19|20)\d\d)(?P<by>[-/. :])(?P<month>[01]?\d)(?P=by)(?P<day>[0-3]?\d)",
    rf"{_YEAR}[-/. ]{_MONTH}[-/. ]{{1,2}}{_DAY}",
    rf"{_DAY}[-/. ]{{1,2}}{_MONTH}[-/., ]{{1,2}}{_YEAR}",
    rf"{_DAY} de {_MONTH} (?:de )?{_YEAR}",
    r"(?P<year>(?:19|20)\d\d)\. ?(?P<month>[01]?\d)\. ?(?P<day>[0-3]?\d)\.(?= )",  # Korean
    rf"{_DAY}(?P<month>{_NAME_OF_MONTH}){_YEAR}",  # 20Nov2026: Check Point
    rf"{_MONTH}[-/ ]{{1,2}}{_DAY},?[-/ ]{{1,2}}{_YEAR}",
    r"(?P<day>[0-3]?\d)\.(?P<month>[01]?\d)\.(?P<year>(?:19|20)\d\d)",
    rf"{_MONTH} {{1,2}}{_DAY}\b(?!:)(?=.*(?P<year>\b(?:19|20)\d\d\b))",  # asctime: the year comes last
    rf"{_DAY} {_MONTH}(?= .*(?P<year>\b(?:19|20)\d\d\b))",  # date(1): Fr 20. Nov 10:05:00 UTC 2026
    r"(?P<year>(?:19|20)\d\d)年(?P<month>[01]?\d)月(?P<day>[0-3]?\d)日",
    r"(?P<year>(?:19|20)\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)",
)]  # fmt: skip
_SLASHES = re.compile(
    r"(?<![\d./-])(?P<one>[0-3]?\d)(?P<by>[/-])(?P<two>[0-3]?\d)(?P=by)(?P<year>(?:19|20)\d\d)(?![\d/])"
)
_SHORT_SLASHES = re.compile(
    r"(?<![\d./-])(\d\d|\d(?=/))([/.-])(\d\d|\d(?=/))\2(\d\d)(?![\d/.-])"
)  # Spark, WebSphere, Home Assistant
_HALF = re.compile(r"\d ?[ap]\.?m\b", re.IGNORECASE)
_SHORT_YEAR = re.compile(rf"{_DAY}[- ]{_MONTH}[- ](?P<short>\d\d)(?= )", re.IGNORECASE)  # RFC 850, RFC 822
_CLOCK = re.compile(
    r"(?<![\d:.])(?P<hour>\d{1,2})(?P<by>[:.])(?P<minute>\d\d)"
    r"(?:(?P=by)(?P<second>\d\d)(?:[.,:;](?P<fraction>\d{1,12}))?)?"
    r"(?![\d:])(?: ?(?P<half>[ap])\.?m\.?(?![a-z]))?",
    re.IGNORECASE,
)
_COMPACT = re.compile(  # LDAP's generalized time, names of files
    r"((?:19|20)\d\d)([01]\d)([0-3]\d)[T :]?([0-2]\d)([0-5]\d)([0-6]\d)?(?:[.,]?(\d{1,9}))?(Z|[+-]\d\d:?(?:\d\d)?)?"
)
_ORDINAL = re.compile(r"((?:19|20)\d\d)-?([0-3]\d\d)([T ].*)", re.DOTALL)  # day of the year, as ISO 8601 allows
# 2026-9-8 7:6:5
_SHORT_PARTS = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})[T ](\d{1,2}):(\d{1,2}):(\d{1,2})(?=\D|$)(.*)", re.DOTALL)
_HALVES = {"오전": "AM", "上午": "AM", "午前": "AM", "오후": "PM", "下午": "PM", "午後": "PM"}  # stand before the time
_HALF_BEFORE = re.compile(rf"({'|'.join(_HALVES)}) ?(\d{{1,2}}:\d\d(?::\d\d)?)")
_HOUR_SIGNS = re.compile(r"(\d{1,2}) ?[時时시] ?(\d{1,2}) ?[分분](?: ?(\d{1,2}) ?[秒초])?")
_HOUR_LETTERS = re.compile(r"(?<=[\sT])(\d{1,2})h(\d\d)(?:m(\d\d)s?)?(?!\w)")  # 10h05m00s
_SPACES = re.compile("[\u00a0\u2009\u202f]")  # ICU's spaces before AM and PM
_TWICE = re.compile(r" ([+-]\d{4}) \1$")  # Go, where a zone has no name
_ISO_LIKE = re.compile(r"(\d{4})([-.])(\d\d)\2(\d\d)[ _T-](\d\d)([:\-.])(\d\d)\6(\d\d)(?:[.,:](\d+))?(.*)", re.DOTALL)
# 261120 10:05:00, as MySQL up to 5.5 and glog write it: nobody writes a day first without signs
_SIX_DIGITS = re.compile(r"(\d\d)([01]\d)([0-3]\d) {1,2}(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?()")
_CLOCK_IN_DIGITS = re.compile(r"((?:19|20)\d\d-\d\d-\d\d[T ])(\d\d)(\d\d)(\d\d)(?=[., ]|$)")  # comdb2
# 20261120-0:7:20:440
_UNPADDED = re.compile(r"((?:19|20)\d\d)([01]\d)([0-3]\d)-(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.:](\d{1,9}))?()")
_MINUTES = re.compile(r"([+-])(\d{3})")  # an offset, as DB2 writes it
_DOT_NET = re.compile(r"\\?/Date\((-?\d{1,15})(?:[+-]\d{4})?\)\\?/")
_OFFSET = re.compile(r"(?:(?:UTC|GMT|UT) ?)?([+-])(\d\d?)(?::?(\d\d)(?::?(\d\d))?)?(?![\d:])", re.IGNORECASE)
_TAI64N = re.compile(r"@([0-9a-f]{16})([0-9a-f]{8})?")  # daemontools, runit
_DATES_EPOCH = re.compile(r"@\d{9,11}(?:\.\d{1,9})?")  # as date(1) takes it
TAI_EPOCH = 2**62 + 10  # as tai64nlocal counts, which knows no later leap seconds
_SCIENTIFIC = re.compile(r"\d\.\d{1,17}[eE]\+?\d{1,2}")  # as awk and Lua print a large number
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d[T ])24(:00(?::00(?:[.,]0+)?)?)(?=\D|$)")  # the end of a day, in ISO 8601
_MONOTONIC = re.compile(r" m=[+-]\S+$")  # Go's Time.String()
_REGION = re.compile(r"\[?\b([A-Z][A-Za-z_]+/[A-Z][A-Za-z_/+-]+|UTC|GMT|Z)\b\]?$")
_COMMENT = re.compile(r"\([^)]{1,60}\)$")  # JavaScript's name of the zone
_FILLER = re.compile(rf"\b{_WEEKDAYS}\b\.?|\b(?:at|on|T|um|à|alle|às|kl)\b|[\s,;\[\]()<>|_@\"'-]+", re.IGNORECASE)
_ZONE_WORD = re.compile(r"(?<![A-Za-z])([A-Za-z]{1,5})(?![A-Za-z])")
# Zones that mean the same offset everywhere; IST, BST and AST do not.
_HOURS = {
    "utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "west": 1, "cet": 1, "cest": 2, "met": 1, "mest": 2, "eet": 2,
    "eest": 3, "msk": 3, "jst": 9, "kst": 9, "sgt": 8, "hkt": 8, "aest": 10, "aedt": 11, "awst": 8, "nzst": 12, "nzdt":
    13, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8,
    "hst": -10, "brt": -3, "sast": 2,
}  # fmt: skip


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


IN_DOUBT = "day and month are in doubt"


class RejectedError(FleexmonError, ValueError):
    """This record cannot become a LogEntry; the text is the reason that RejectedLog keeps."""


def read_time(value: object) -> datetime:
    """UTC with microseconds: an epoch in s, ms, µs or ns, number or text; or a date and a time (no zone means UTC).

    A leap second is the first second after it, as POSIX counts. Raises RejectedError.
    """
    try:
        if isinstance(value, str):
            text = value.strip()
            if text.endswith("Z") or not _EPOCH_TEXT.fullmatch(text):
                return _read_date(text) if text[:1] != "@" else _read_tai(text)
            if compact := _compact(text):
                return compact
            whole, _, fraction = text.replace(",", ".").partition(".")
            return _from_epoch(text, int(whole), int((fraction + "000000000000")[:12]))
        if isinstance(value, (dict, list)):
            return _read_parts(value) if isinstance(value, dict) else _read_list(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 10**20:  # noqa: PLR0124
            raise _refused(value)
        if isinstance(value, int):
            return _compact(str(value)) or _from_epoch(value, value, 0)
        # A float of today's seconds is 0.2 µs apart from its neighbours: to the nearest microsecond, not the one below.
        return _from_epoch(value, int(value), round((value - int(value)) * _PICOSECONDS), nearest=True)
    except RejectedError:
        raise
    except (ValueError, OverflowError, TypeError):
        raise _refused(value) from None


def has_zone(value: object) -> bool:
    """Whether a value that `read_time` accepts contains a zone."""
    if not isinstance(value, str):
        return not isinstance(value, dict) or "date" not in value
    text = value.strip()
    if text[-1:] in "Zz" or _EPOCH_TEXT.fullmatch(text):
        return True
    return re.search(r"[+-]\d\d:?\d\d\b|[A-Za-z]\]?\)?$", text[10:]) is not None


def _refused(value: object) -> RejectedError:
    try:
        return RejectedError(f"not a time: {str(value)[:60]}")
    except ValueError:  # Python writes no number of more than 4,300 digits
        return RejectedError("not a time: a number of thousands of digits")


def _from_epoch(given: object, whole: int, picoseconds: int, *, nearest: bool = False) -> datetime:
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


def _compact(text: str) -> datetime | None:
    """`20261120100500`: as an epoch it would be in the year 2612, and `202611201005` in 1976."""
    digits = text.partition("." if "." in text else ",")[0]
    if len(digits) not in (12, 14, 17):
        return None
    match = _COMPACT.fullmatch(text)
    try:
        return _of_compact(match) if match else None
    except ValueError:
        return None


def _of_compact(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    whole_year = int(year) if len(year) == 4 else _full_year(int(year))
    moment = datetime(whole_year, int(month), int(day), int(hour), int(minute), tzinfo=_offset(zone))
    return moment.astimezone(UTC) + timedelta(seconds=int(second or 0), microseconds=_micros(fraction))


def _micros(fraction: str | None) -> int:
    return int(((fraction or "") + "000000")[:6])


def _offset(text: str | None) -> tzinfo:
    if not text or text in "Zz":
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign, hours, minutes, seconds = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    if offset > timedelta(hours=14) or int(minutes or 0) > 59:
        raise ValueError(text)
    return timezone(offset if sign == "+" else -offset)


@lru_cache(maxsize=64)
def _region(name: str) -> tzinfo:
    """The zone of this name. Raises ValueError if the database of zones does not contain it."""
    if name.lower() in _HOURS:
        return timezone(timedelta(hours=_HOURS[name.lower()]))
    try:
        return ZoneInfo(name)
    except (LookupError, OSError):
        raise ValueError(name) from None


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
        return moment.replace(tzinfo=_offset(zone) if zone[:1] in "+-" else _region(zone)).astimezone(UTC)
    raise _refused(value)


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
        raise _refused(value)
    year, month, day, hour, minute, second, nanosecond = (*value, 0, 0)[:7]
    return datetime(year, month, day, hour, minute, second, nanosecond // 1_000, tzinfo=UTC)


def _read_tai(text: str) -> datetime:
    if _DATES_EPOCH.fullmatch(text):
        return read_time(text[1:])
    match = _TAI64N.fullmatch(text)
    if match is None:
        raise _refused(text)
    return EPOCH + timedelta(seconds=int(match[1], 16) - TAI_EPOCH, microseconds=int(match[2] or "0", 16) // 1_000)


def _read_date(text: str) -> datetime:
    """Raises ValueError or OverflowError."""
    if len(text) > MAX_TIME_CHARACTERS:
        raise _refused(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _read_other(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_other(text: str) -> datetime:
    """A date and a time in any unambiguous order and spelling, without other text."""
    text = _plain(text)
    if _SCIENTIFIC.fullmatch(text):
        return read_time(float(text))
    if match := _MIDNIGHT.match(text):
        return _read_date(f"{match[1]}00{match[2]}{text[match.end() :]}") + timedelta(days=1)
    if match := _DOT_NET.fullmatch(text):
        return EPOCH + timedelta(milliseconds=int(match[1]))
    if match := _COMPACT.fullmatch(text) or _UNPADDED.fullmatch(text) or _SIX_DIGITS.fullmatch(text):
        return _of_compact(match)
    if (match := _ORDINAL.fullmatch(text)) and 1 <= int(match[2]) <= 366:
        return _read_date(f"{match[1]}-01-01{match[3]}") + timedelta(days=int(match[2]) - 1)
    if match := _ISO_LIKE.fullmatch(text):
        text = _iso(match)
    rest = _MONOTONIC.sub("", re.sub(r"^(\[?\d\d/\w{3}/\d{4}):", r"\1 ", text))  # Apache: a colon before the time
    rest = re.sub(r"(\d)T(\d)", r"\1 \2", rest, flags=re.IGNORECASE)
    date, rest = _take_date(re.sub(r"(?<=\d)T(?=\d)", " ", rest))
    clock = _CLOCK.search(rest)
    if clock is None:
        raise ValueError(text)
    zone, rest = _take_zone(rest[: clock.start()] + " " + rest[clock.end() :])
    if _FILLER.sub("", rest):
        raise ValueError(text)
    hour, second = int(clock["hour"]), int(clock["second"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if clock["half"] in "pP" else 0)
    leap = timedelta(seconds=second == 60)
    moment = datetime(*date, hour, int(clock["minute"]), second - (second == 60), _micros(clock["fraction"]))  # noqa: DTZ001
    return moment.replace(tzinfo=zone).astimezone(UTC) + leap


def _plain(text: str) -> str:
    """The text with two digits for each part, and the zone only once."""
    if not text.isascii():
        text = _spelled(text)
    text = _TWICE.sub(r" \1", text)
    if match := _CLOCK_IN_DIGITS.match(text):
        return f"{match[1]}{match[2]}:{match[3]}:{match[4]}{text[match.end() :]}"
    if "h" in text:
        text = _HOUR_LETTERS.sub(lambda found: ":".join(found.groups("00")), text)
    if match := _SHORT_PARTS.fullmatch(text):
        year, _, month, day, hour, minute, second, rest = match.groups()
        if len(second) == 1 and len(month + day + hour + minute) == 8:  # two digits of each: it may have been cut
            return text
        return f"{year}-{month:0>2}-{day:0>2} {hour:0>2}:{minute:0>2}:{second:0>2}{rest}"
    return text


def _spelled(text: str) -> str:
    """The text with spaces, colons and AM as in English."""
    text = _HOUR_SIGNS.sub(lambda found: ":".join(f"{part:0>2}" for part in found.groups("0")), _SPACES.sub(" ", text))
    return _HALF_BEFORE.sub(lambda found: f"{found[2]} {_HALVES[found[1]]}", text)


def _iso(match: re.Match[str]) -> str:
    """2026-11-20-10.05.00.123, 2026-11-20_10-05-00, 2026.11.20-10.05.00:123, with a zone or minutes behind it."""
    year, _, month, day, hour, _, minute, second, fraction, zone = match.groups()
    if minutes := _MINUTES.fullmatch(zone):
        zone = f"{minutes[1]}{int(minutes[2]) // 60:02}:{int(minutes[2]) % 60:02}"
    return f"{year}-{month}-{day} {hour}:{minute}:{second}{'.' + fraction if fraction else ''}{zone}"


def _take_date(text: str) -> tuple[tuple[int, int, int], str]:
    for form in _DATES:
        if match := form.search(text):
            month = match["month"].lower()
            date = int(match["year"]), _MONTHS.get(month) or int(month), int(match["day"])
            rest = text[: match.start()] + " " + text[match.end() :]
            if match.end("year") > match.end():
                rest = text[: match.start()] + " " + text[match.end() : match.start("year")] + text[match.end("year") :]
            return date, rest
    if match := _SLASHES.search(text):
        one, two = int(match["one"]), int(match["two"])
        is_day_first: bool | None = one > 12
        if one <= 12 >= two and not (one == two or _HALF.search(text)):
            order = _date_order.get()
            is_day_first = order.is_day_first(int(match["year"]), one, two) if order else None
            if is_day_first is None:
                raise RejectedError(f"{IN_DOUBT}: {text[:60]}")
        month, day = (two, one) if is_day_first else (one, two)
        return (int(match["year"]), month, day), text[: match.start()] + " " + text[match.end() :]
    if match := _SHORT_SLASHES.search(text):
        return _date_in_short(match), text[: match.start()] + " " + text[match.end() :]
    if match := _SHORT_YEAR.search(text):
        return (_full_year(int(match["short"])), _MONTHS[match["month"].lower()], int(match["day"])), text[
            : match.start()
        ] + text[match.end() :]
    raise ValueError(text)


def _full_year(year: int) -> int:
    return year + (1900 if year >= 69 else 2000)


def _date_in_short(match: re.Match[str]) -> tuple[int, int, int]:
    """`26/11/20` and `11/20/26`: the only order that gives a date, or a date within the polled time."""
    dates = short_dates(match[1], match[2], match[3], match[4])
    order = _date_order.get() or DateOrder()
    day = order.pick(dates) if dates else None
    if day is None:
        raise RejectedError(f"{IN_DOUBT}: {match.string[:60]}")
    return day.year, day.month, day.day


def short_dates(one: str, sign: str, two: str, three: str) -> dict[str, date]:
    """The possible dates of `26/11/20`, by the order of its parts."""
    first, second, third = int(one), int(two), int(three)
    orders = {"ymd": (_full_year(first), second, third), "dmy": (_full_year(third), second, first)}
    if sign != ".":  # nobody writes the month first with dots
        orders["mdy"] = (_full_year(third), first, second)
    dates = {}
    for order, parts in orders.items():
        with suppress(ValueError):
            dates[order] = date(*parts)
    return dates


def _take_zone(text: str) -> tuple[tzinfo, str]:
    """The zone, by default UTC, and the rest. An offset counts more than the name beside it."""
    text = text.strip()
    comment = _COMMENT.search(text)
    text = text[: comment.start()].strip() if comment else text
    region = _REGION.search(text)
    text = text[: region.start()].strip() if region else text
    if match := _OFFSET.search(text):
        zone = _offset(re.sub(r"(?i)^(utc|gmt|ut) ?", "", match[0]))
        before, after = text[: match.start()], text[match.end() :].strip()
        if re.fullmatch(r"[A-Za-z]{1,5}", after):  # Go: `+0100 CET`
            after = ""
        return zone, before + after
    if region:
        return _region(region[1]), re.sub(r"\b(?:Z|UTC|GMT)$", "", text)
    for match in _ZONE_WORD.finditer(text):
        if (word := match[1].lower()) in _HOURS:
            return _region(word), text[: match.start()] + text[match.end() :]
    return UTC, text
