"""Dates and times as text: a date, a time of day and a zone in any order and spelling that leaves no doubt.

Here: the forms of text. Nothing is invented: a text without a date or a year, with ambiguous day and month, or with an
unknown zone is refused. In `03/04/2027` the month comes first if AM or PM follows; else one of the two must be more
than 12, or other dates must tell (`orders.py`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fleexmon_pipeline.collection.times.epochs import EPOCH, RejectedError, from_float, refused
from fleexmon_pipeline.collection.times.orders import IN_DOUBT, DateOrder, full_year, order_in_use, short_dates
from fleexmon_pipeline.collection.times.zones import offset_of, take_zone

MAX_TIME_CHARACTERS = 100  # of a time that is text

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
    r"(?P<year>(?:19|20)\d\d)(?:年|년 ?)(?P<month>[01]?\d)(?:月|월 ?)(?P<day>[0-3]?\d)[日일]",
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
_SCIENTIFIC = re.compile(r"\d\.\d{1,17}[eE]\+?\d{1,2}")  # as awk and Lua print a large number
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d[T ])24(:00(?::00(?:[.,]0+)?)?)(?=\D|$)")  # the end of a day, in ISO 8601
_MONOTONIC = re.compile(r" m=[+-]\S+$")  # Go's Time.String()
_FILLER = re.compile(rf"\b{_WEEKDAYS}\b\.?|\b(?:at|on|T|um|à|alle|às|kl)\b|[\s,;\[\]()<>|_@\"'-]+", re.IGNORECASE)


def read_date(text: str) -> datetime:
    """Raises ValueError or OverflowError."""
    if len(text) > MAX_TIME_CHARACTERS:
        raise refused(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _read_other(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def compact_time(text: str) -> datetime | None:
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
    whole_year = int(year) if len(year) == 4 else full_year(int(year))
    moment = datetime(whole_year, int(month), int(day), int(hour), int(minute), tzinfo=offset_of(zone))
    return moment.astimezone(UTC) + timedelta(seconds=int(second or 0), microseconds=microseconds_in(fraction))


def microseconds_in(fraction: str | None) -> int:
    return int(((fraction or "") + "000000")[:6])


def _read_other(text: str) -> datetime:
    """A date and a time in any unambiguous order and spelling, without other text."""
    text = _plain(text)
    if _SCIENTIFIC.fullmatch(text):
        return from_float(float(text))
    if match := _MIDNIGHT.match(text):
        return read_date(f"{match[1]}00{match[2]}{text[match.end() :]}") + timedelta(days=1)
    if match := _DOT_NET.fullmatch(text):
        return EPOCH + timedelta(milliseconds=int(match[1]))
    if match := _COMPACT.fullmatch(text) or _UNPADDED.fullmatch(text) or _SIX_DIGITS.fullmatch(text):
        return _of_compact(match)
    if (match := _ORDINAL.fullmatch(text)) and 1 <= int(match[2]) <= 366:
        return read_date(f"{match[1]}-01-01{match[3]}") + timedelta(days=int(match[2]) - 1)
    if match := _ISO_LIKE.fullmatch(text):
        text = _iso(match)
    rest = _MONOTONIC.sub("", re.sub(r"^(\[?\d\d/\w{3}/\d{4}):", r"\1 ", text))  # Apache: a colon before the time
    rest = re.sub(r"(\d)T(\d)", r"\1 \2", rest, flags=re.IGNORECASE)
    date, rest = _take_date(re.sub(r"(?<=\d)T(?=\d)", " ", rest))
    clock = _CLOCK.search(rest)
    if clock is None:
        raise ValueError(text)
    zone, rest = take_zone(rest[: clock.start()] + " " + rest[clock.end() :])
    if _FILLER.sub("", rest):
        raise ValueError(text)
    hour, second = int(clock["hour"]), int(clock["second"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if clock["half"] in "pP" else 0)
    leap = timedelta(seconds=second == 60)
    moment = datetime(*date, hour, int(clock["minute"]), second - (second == 60), microseconds_in(clock["fraction"]))  # noqa: DTZ001
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
            order = order_in_use()
            is_day_first = order.is_day_first(int(match["year"]), one, two) if order else None
            if is_day_first is None:
                raise RejectedError(f"{IN_DOUBT}: {text[:60]}")
        month, day = (two, one) if is_day_first else (one, two)
        return (int(match["year"]), month, day), text[: match.start()] + " " + text[match.end() :]
    if match := _SHORT_SLASHES.search(text):
        return _date_in_short(match), text[: match.start()] + " " + text[match.end() :]
    if match := _SHORT_YEAR.search(text):
        return (full_year(int(match["short"])), _MONTHS[match["month"].lower()], int(match["day"])), text[
            : match.start()
        ] + text[match.end() :]
    raise ValueError(text)


def _date_in_short(match: re.Match[str]) -> tuple[int, int, int]:
    """`26/11/20` and `11/20/26`: the only order that gives a date, or a date within the polled time."""
    dates = short_dates(match[1], match[2], match[3], match[4])
    order = order_in_use() or DateOrder()
    day = order.pick(dates) if dates else None
    if day is None:
        raise RejectedError(f"{IN_DOUBT}: {match.string[:60]}")
    return day.year, day.month, day.day
