"""Find the time at the head of a line of text, after prefixes of programs, stores and devices.

Here: where a time begins and ends. The forms of its value: `collection/times/`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import islice
from time import time as clock

from fleexmon_pipeline.collection.times.epochs import EPOCH, FUTURE, MIN_TIME, RejectedError
from fleexmon_pipeline.collection.times.value import has_zone, read_time

MAX_HEAD = 400  # characters of a line that are searched
MAX_EVENT = 4_000  # of a security event
MAX_TRIED = 4  # candidates; the first may be another kind of number
MAX_COLUMNS = 15  # before a time
MAX_PLAIN_WORDS = 1  # among them, before a date: `http 2026-11-20T10:05:00Z app/lb`
COLUMNS_A_WORD = 2  # before an epoch: `2557 node-9 action start 1084680778 1`, not `order 1084680778 shipped`
MAX_APART = 5  # seconds between the time of a line and the time at which a relay received it
QUARTER = 900

# A colour of a terminal; also as syslog and JSON write its escape character, and without it, as pasted texts are.
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|(?:#033|\\x1b|\\u001b|\\033|\^\[)?\[(?:[0-9]{1,2};){0,4}[0-9]{1,2}m")
SERVICE_NAME = r"[\w.-]{1,60}+ *\| +"  # of Docker Compose
# A date and a time of day, or another form of a time at the head of a line.
_ZONES = r"UTC|GMT|Z|MSK|(?:[A-Z]|AE|AK|AW|NZ|SA)[SD]T|[CEMW]ES?T|BRT|SGT|HKT"
TIME = re.compile(
    r"(?=\D{0,20}\d)(?<![\w.-])"  # fails at once in prose
    r"(?:(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
    r"(?:\d{4}[-/.]\d\d[-/.]\d\d|\d{1,2}[-/ ](?:[A-Z][a-z]{2})[-/ ]\d{4}|\d\d\.\d\d\.\d{4}"
    r"|\d{1,2}[/-]\d{1,2}[/-]\d{4}|\d\d([/.-])\d\d\1\d\d|\d{1,2}/\d{1,2}/\d\d(?=[ ,])"
    r"|\d{1,2}[A-Z][a-z]{2}\d{4}|\d{1,2} [A-Z][a-z]{2}"
    r"|[A-Z][a-z]{2}/\d\d/\d{4}|[A-Z][a-z]{2} {1,2}\d{1,2}(?:,? \d{4})?"
    r"|\d{4} [A-Z][a-z]{2} {1,2}\d{1,2}|\d\d[-.]\d\d|\d{4}(?:年|년 ?)\d{1,2}(?:月|월 ?)\d{1,2}[日일])"
    r"(?:[T :_,\t-]{1,2}| --? | @ |\]\[|\"? time=\"?)"
    r"\d{1,2}(?::\d\d(?::\d\d)?|\.\d\d\.\d\d)(?:[.,:]\d+(?![\d.]))?(?: ?[AaPp][Mm]\b)?"
    r"(?:(?: (?-i:" + _ZONES + r"))? (?:19|20)\d\d(?!\d))?"
    r"(?:Z| ?[+-]\d\d:?\d\d|[+-]\d\d(?=[\s\]])|[+-]\d{3}(?= )| (?-i:" + _ZONES + r")(?=[ :]|$)"
    r"| (?-i:[A-Z][A-Za-z]{1,20}(?:/[A-Z][A-Za-z_-]{1,20}){1,2})(?=[\s\]]))?"  # PHP: 20-Nov-2026 11:05:00 Europe/Berlin
    r"|\d{1,2}:\d\d(?::\d\d)? ?[AP]M(?= )|\d{1,2}:\d\d:\d\d(?:[.,]\d+)?|\d{10,19}(?:\.\d+)?(?=\s|: )"
    r"|\d{4}([-.])\d\d\2\d\d[_-]\d\d-\d\d-\d\d(?:[.,:]\d{1,9})?(?!\w)"
    r"|\d{8}[T ]\d{6}Z?|\d{8}:\d{6}(?:\.\d+)?|\d{8}-\d{1,2}:\d{1,2}:\d{1,2}(?:[.:]\d+)?"
    r"|\d{6} {1,2}\d{1,2}:\d\d:\d\d|[IWEF]?(?:\d{4}|\d{6}|\d{8}) \d\d:\d\d:\d\d\.\d+|@[0-9a-f]{24}(?= ))",
    re.IGNORECASE,
)
# A number that may be an epoch, in a column or a bracket: auditd, Nagios, flow logs.
_EPOCH = re.compile(r"(?<![\w.:-])\d{10}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?(?=[\s\]),|]|:\d+\))")
# What may come before a time: a bracket, a key of logfmt, a level, the client of an access log.
_BEFORE = re.compile(
    r"[\W_]*|(?:\S+=\S* ){0,4}\w+=\"?|[A-Z]{1,9},? +\[?(?:[^\]]{1,60}\] +)?|(?:\S+ ){1,4}\[|\d+:[MSCX] "
    r"|[\w./-]{1,60}(?:\[\d+\])?: |\w{1,20}(?:/\w{1,20}){1,6}:|"
    + SERVICE_NAME
    + r"|\[pid: \d+\|[^\[\]]{1,80}\] [^\[\]]{1,160} \["  # uWSGI
)
_BUILDKITE = re.compile(r"\x1b_bk;t=(\d{13})\x07")
_BETWEEN = re.compile(r"\]\[|(?<=\d{4}):(?=\d\d:)|\"? time=\"?", re.IGNORECASE)  # a date and a time of day
_EVENT_TIME = re.compile(r"[\s|](?:rt|devTime|end|start)=([^=|\t]{8,40}?)(?=\s+[\w.]{1,40}=|[\t|]|$)")
# Configuration Manager, after the message: the time is followed by its offset from UTC in minutes, counted westwards.
# The day is the second part of the date.
_BEHIND_A_MESSAGE = re.compile(
    r"(?:\]LOG\]!><time=\"(?P<time>[\d:.]{8,20})(?P<bias>[+-]\d{1,3})?\" date=\"(?P<date>\d{1,2}-\d{1,2}-\d{4})\""
    r"|\$\$<[^<>]{1,80}><(?P<date2>\d{1,2}-\d{1,2}-\d{4}) (?P<time2>[\d:.]{8,20})(?P<bias2>[+-]\d{1,3})?>)"
)
_ATTRIBUTE = re.compile(
    r"\s(?:timestamp|timeMillis)=\"(\d{10,19})\"|<Instant epochSecond=\"(\d{10})\""
)  # log4j, in XML
_ZONE = re.compile(r"\btz=\"?([+-]\d\d:?\d\d)", re.IGNORECASE)
_CLOCK = re.compile(r"(?<!\w)\d{1,2}:(\d\d):(\d\d)")
_NAME = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_PLAIN_WORD = re.compile(rf"(?!(?:{_NAME})$)[A-Z]?[a-z']{{2,}}[,.;!?]?")
_COLUMN = re.compile(r".*[\d./:=|#@$%<>\[\](){}_-].*|[A-Z]{1,12}|" + _NAME, re.DOTALL)


def without_colours(head: str) -> str:
    return COLOUR.sub("", head) if "\x1b" in head or "[3" in head or ";3" in head or "[9" in head else head


def time_in_text(text: str) -> datetime | None:
    """The time at the head of a line of text; None if there is none, or if it is ambiguous."""
    head = without_colours(text[:MAX_HEAD]).lstrip("\ufeff ")
    if head[:1] == "\x1b" and (match := _BUILDKITE.match(head)):
        return read_time(match[1])
    if head[:1] == "{":
        return None
    if head[:1] == "<" and (moment := _of_element(text, head)):
        return moment
    return _dated(head) or _epoch(head) or (_of_event(text) if "EF:" in head else _behind_a_message(text))


def _of_element(text: str, head: str) -> datetime | None:
    """The time of an XML event, or of a message between marks."""
    if head.startswith("<![LOG["):
        return _behind_a_message(text)
    match = _ATTRIBUTE.search(head)
    return read_time(match[1] or match[2]) if match else None


def _behind_a_message(text: str) -> datetime | None:
    match = _BEHIND_A_MESSAGE.search(text) if "]LOG]!>" in text or "$$<" in text else None
    if match is None:
        return None
    month, day, year = (match["date"] or match["date2"]).split("-")
    try:
        moment = read_time(f"{year}-{month:0>2}-{day:0>2} {match['time'] or match['time2']}")
    except RejectedError:
        return None
    return moment + timedelta(minutes=int(match["bias"] or match["bias2"] or 0))


def _of_event(text: str) -> datetime | None:
    """The time in a field of a security event (CEF, LEEF) without a time before it: `rt=1795169100123`, `devTime=…`."""
    for match in islice(_EVENT_TIME.finditer(text, 0, MAX_EVENT), MAX_TRIED):
        try:
            moment = read_time(match[1].strip())
        except RejectedError:
            continue
        if moment >= MIN_TIME:
            return moment
    return None


def _dated(head: str) -> datetime | None:
    for number, match in enumerate(TIME.finditer(head)):
        before = head[: match.start()]
        is_head = _BEFORE.fullmatch(before) is not None
        if number >= MAX_TRIED or not (is_head or plain_words(before) <= MAX_PLAIN_WORDS):
            return None
        if not is_head and match[0].isdigit():  # an epoch must be at the head, or in a column
            continue
        try:
            moment = read_time(_with_zone(match[0].strip(), head))
        except RejectedError:
            continue
        if moment >= MIN_TIME:
            return moment if is_head or _agrees(moment, before) else None
    return None


def _agrees(moment: datetime, before: str) -> bool:
    """Whether a later date with a time agrees with the time of day at the head of the line, so that it is the line's
    time.

    `Nov 20 10:05:00 gate mysql[7]: 2026-11-20T10:05:00Z` agrees; `… expires 2027-01-01 00:00:00` does not. Differences
    of quarters of an hour may be time zones.
    """
    clocks = _CLOCK.findall(before)
    if not clocks:
        return True
    minute, second = clocks[-1]
    apart = abs((int(minute) * 60 + int(second)) - (moment.minute * 60 + moment.second)) % QUARTER
    return min(apart, QUARTER - apart) <= MAX_APART


def _with_zone(text: str, head: str) -> str:
    """Add the zone from a third field to a date and a time in separate fields: `date=… time=… tz="-0700"`."""
    dated = text[:1] in "IWEF" and text[1:].partition(" ")[0].isdigit()
    apart = _BETWEEN.sub(" ", text[1:] if dated else text)  # glog, with the year
    zone = _ZONE.search(head) if "tz=" in head and not has_zone(apart) else None
    return f"{apart} {zone[1]}" if zone else apart


def _epoch(head: str) -> datetime | None:
    """An epoch after columns. A number in a sentence may be, for example, that of an order."""
    for number, match in enumerate(_EPOCH.finditer(head)):
        before = head[: match.start()]
        columns = len(before.split())
        if number >= MAX_TRIED or plain_words(before) * COLUMNS_A_WORD > columns or _CLOCK.search(before):
            return None
        moment = read_time(match[0])
        if moment >= MIN_TIME and (moment - EPOCH) <= FUTURE + (_now() - EPOCH):
            return moment
    return None


def _now() -> datetime:
    return datetime.fromtimestamp(clock(), EPOCH.tzinfo)


def plain_words(before: str) -> int:
    """How many words of prose come before a time; a very large number if it is not a row of columns."""
    columns = before.split()
    if len(columns) > MAX_COLUMNS:
        return MAX_COLUMNS
    return sum(_PLAIN_WORD.fullmatch(column) is not None or not _COLUMN.fullmatch(column) for column in columns)
