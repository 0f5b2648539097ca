"""Find the duration in a line: how long something took.

Here: the forms in which programs write durations, and the choice among several numbers of a line. What the values are
used for: `measures.py`.

The input is a shape, in which every digit is a 0: lines of one shape have their duration at the same position. A number
is a duration because of its unit, the name before it, or its position in a line about a request. It is not one if its
name is that of a limit, a plan or a moment. No rule depends on a program: an unknown one is read if it names what it
measures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_Part = tuple[int, int, float]  # begin and end of a number, in characters; the factor that makes it milliseconds
Place = tuple[_Part, ...]  # numbers whose sum is the duration: `1m2.5s`, `1,234 ms`

# -- units ---------------------------------------------------------------------------------------------------------

_SECOND, _MINUTE, _HOUR, _DAY = 1e3, 60e3, 3_600e3, 86_400e3
_FACTORS = {
    unit: factor
    for factor, units in (
        (1e-6, "ns nsec nsecs nanos nanosecond nanoseconds"),
        (1e-3, "us \u00b5s \u03bcs usec usecs micros microsecond microseconds"),
        (1.0, "ms msec msecs millis millisec millisecs millisecond milliseconds millisekunden"),
        (_SECOND, "s sec secs second seconds sekunde sekunden secondes segundos"),
        (_MINUTE, "m min mins minute minutes minuten"),
        (_HOUR, "h hr hrs hour hours stunde stunden"),
        (_DAY, "d day days"),
    )
    for unit in units.split()
}
_IN_NAMES = {unit: factor for unit, factor in _FACTORS.items() if factor <= _SECOND} | {"milli": 1.0, "micro": 1e-3}
_LONG = "|".join(sorted((unit for unit in _FACTORS if len(unit) > 2), key=len, reverse=True))
_UNIT = rf"(?:(?i:{_LONG})|[mnu\u00b5\u03bc]s|hr|[smhd])(?![A-Za-z_])"
# By factor: with more digits a number is a moment or an id. Nanoseconds may have as many as a moment in milliseconds.
_MAX_DIGITS = {1e-6: 15, 1e-3: 12, 1.0: 7, _SECOND: 7}

# -- numbers -------------------------------------------------------------------------------------------------------

_AMOUNT = r"(?:0{1,3}(?:,000){1,4}(?:\.0{1,9})?|0{1,20}(?:[.,]0{1,20})?)"
_ONE = rf"{_AMOUNT}\s?{_UNIT}"
_BEGIN = r"(?<![\w.,/-])(?<!0:)"
_END = r"(?![\w%/])(?![.:-]\w)"
_WITH_UNIT = re.compile(
    rf"(?P<iso>(?<!\w)P(?:0+D)?T(?=0)(?:0+H)?(?:0+M)?(?:0+(?:\.0+)?S)?)(?!\w)"
    rf"|{_BEGIN}(?P<amounts>{_ONE}(?:(?:,?\s|\sand\s)?{_ONE}){{0,5}}){_END}",
    re.ASCII,
)
_WITHOUT = re.compile(
    rf"(?P<clock>0{{1,3}}:00(?::00)?(?:[.,]0+)?)s?{_END}|(?P<bare>0{{1,15}}(?:\.0{{1,15}})?){_END}(?!,000)", re.ASCII
)
_PARTS = re.compile(rf"(?P<amount>{_AMOUNT})\s?(?P<unit>{_UNIT})", re.ASCII)
_NUMBERS = re.compile(r"0+(?:\.0+)?")
_PARTS_OF_ISO = re.compile(r"(0+(?:\.0+)?)([DHMS])")
# Cheap tests, in lower case, that most lines fail. Each starts at a rare character.
_HAS_UNIT = re.compile(
    r"0 ?(?:[mnu\u00b5\u03bc]?s(?![a-z_])|[mun]?sec|min|mill|micro|nano|sek|seg|hour|hrs?\b|stunde|day"
    r"|[dhm](?=[\s,;)\]\"']|$)|[dhm] ?0{1,2}[hms](?![a-z_]))"
)
_ASSIGNED = re.compile(r"""(?<=[a-z_)"' ])[=:\[]{1,2}\s{0,3}["'\[(~]{0,2}(?=0)""")
_OF_TIME = re.compile(
    r"(?:time|took|taken|dur|latenc|elapsed|rtt|rt|ttfb|delay|wait|spent|dauer|[_.-][mnu]?s|ms|milli|micro|nano|sec)"
    r"[a-z_]{0,24}(?: ?\([a-z]{1,12}\))?[\"']?\s{0,3}(?:(?:was|of|is)\s)?\Z"
)
_IN_PROSE = re.compile(
    r" (?=0)(?:(?<=(?:took|aken|time|tion|ency|psed|uert) )|(?<=(?:me|on|cy) (?:was|.of|.is) )"
    r"|(?<=(?:eted|lete|shed|nish|done|eded|rved|ssed|dled) in ))"
)
_MAX_KEY_CHARS = 50

# -- names ---------------------------------------------------------------------------------------------------------

MAX_NAME_CHARS = 80  # that are read before a number
# Matched backwards from the number: its key, and the words before that.
_NAME = re.compile(r"(\)[a-z]{1,12}\([\w./@-]*|[\w./@-]+)((?:[ ][\w./()-]+){0,8})", re.ASCII)
_AFTER_NAME = " \t\"'[(~<>=:|*\\"
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TIME = frozenset(
    """duration durations dur latency latencies elapsed took taken time runtime rtt rt urt ttfb delay delayed wait
    waited waiting spent dauer dauerte""".split()  # noqa: SIM905
)
_TIME_BY_UNIT = _TIME | frozenset("cost lag lat".split())  # noqa: SIM905 - alone: prices, records, latitudes
# Words that make a number a duration even beside the words below: `the timed out call took 5 s`.
_MEASURED = frozenset("took taken elapsed spent held waited rtt measured actual".split())  # noqa: SIM905
_PLANNED = frozenset(
    """timeout timeouts interval intervals every each ttl retry retrying retries expire expires expiry expiration
    expected deadline limit max maximum min minimum threshold period periodic keepalive alive keep keeping kept lease
    backoff backing next schedule scheduled fixed frequency cron window retention age older valid cached budget allowed
    grace sleep sleeping per estimated remaining eta cooldown debounce again reconnect initial past""".split()  # noqa: SIM905
)
_MOMENTS = frozenset(
    """uptime up start starts started end ends begin begins since stamp timestamp ts epoch unix date created modified at
    zone mtime ctime atime last on tv""".split()  # noqa: SIM905
)
_OF_PARTS = frozenset("connect dns tls ssl handshake lock queue parse plan planning stopping user sys sync".split())  # noqa: SIM905
_WHOLE = frozenset("total overall".split())  # noqa: SIM905
_LENGTHS = frozenset("execution processing response running build run query cpu wall load".split())  # noqa: SIM905
_OVER = frozenset("in after within for".split())  # noqa: SIM905 - `done in 12 ms`
_IS = frozenset("was of is".split())  # noqa: SIM905
_ENDED = frozenset("completed complete finished finish done succeeded served processed handled".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class _Name:
    """The name of a number: the words before it."""

    words: tuple[str, ...]
    key: tuple[str, ...]  # the parts of the last word, which may be a key
    assigned: bool  # by = or :

    @property
    def is_measured(self) -> bool:
        if not _MEASURED.isdisjoint(self.words):
            return True
        is_over = not _OVER.isdisjoint(self.words[-1:])  # `started in`
        return _PLANNED.isdisjoint(self.words) and (is_over or _MOMENTS.isdisjoint(self.words))

    @property
    def is_of_time(self) -> bool:
        if not self.assigned and self.words and self.words[-1] in _IS:
            return not _TIME.isdisjoint(self.words[-4:-1])
        if self.words[-1:] == ("in",):
            return not _ENDED.isdisjoint(self.words[-2:-1])
        return not _TIME.isdisjoint(self.words[-3:] if self.assigned else self.key)

    @property
    def factor(self) -> float | None:
        """The factor that makes a value milliseconds, by the unit in its key: `latency_us`, `ms`."""
        *words, unit = self.key or ("",)
        if not self.assigned or (not words and unit != "ms"):
            return None
        return _IN_NAMES.get(unit) if len(unit) > 1 or not _TIME_BY_UNIT.isdisjoint(words) else None

    @property
    def is_of_length(self) -> bool:
        """Whether a clock is a duration; otherwise it is a moment, as in `server time: 10:00:00`."""
        return not (_TIME - {"time"} | _LENGTHS | _WHOLE).isdisjoint(self.words)

    @property
    def rank(self) -> int:
        """Of several durations in a line, the one with the highest rank counts: the whole before its parts."""
        if not _OF_PARTS.isdisjoint(self.words[-3:]):
            return 1
        if not _WHOLE.isdisjoint(self.words):
            return 4
        return 3 if not _TIME_BY_UNIT.isdisjoint(self.words[-3:]) or not _OVER.isdisjoint(self.words[-1:]) else 2


def _name(text: str, begin: int) -> _Name | None:
    """The name of the number that starts at `begin`; None in the query of a URL."""
    before = text[max(0, begin - MAX_NAME_CHARS) : begin]
    bare = before.rstrip(_AFTER_NAME)
    between = before[len(bare) :]
    match = _NAME.match(bare[::-1])
    if match is None:
        return _Name((), (), assigned=False)
    if bare[-match.end(1) - 1 : -match.end(1)] in ("?", "&"):
        return None
    text_of_key, others = match[1][::-1], match[2][::-1]
    if text_of_key[0].isdigit():  # the words before belong to that number
        return _Name((), (), assigned=False)
    if text_of_key[0] == "(" and others:  # `time (ms)`
        text_of_key = f"{others.split()[-1]}_{text_of_key}"
    elif between == ":":  # `runtime.go:79` is a source position; in `http.duration: 5` the key is the last part
        text_of_key = text_of_key.rpartition(".")[2]
    key = _words(text_of_key)
    words = key if "=" in between else (*_words(others), *key)
    return _Name(words, key, assigned=any(mark in between for mark in "=:["))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(text))


# -- in lines about requests: by position, without a name -------------------------------------------------------

_QUOTED = r'"[^"]{0,1000}+"'
_VERB = r"\b(?:GET|POST|PUT|DELETE|HEAD|PATCH|OPTIONS) /"
# Each with a text that its lines contain, which is cheap to test.
_IN_REQUESTS = tuple(
    (needed, re.compile(form, re.ASCII))
    for needed, form in (
        # Status, details, bytes in and out, whole time, time of the server behind: service meshes, object stores.
        ('" 0', rf'" 0{{1,3}} (?:(?:{_QUOTED}|[^\s"]+) ){{0,5}}?0+ 0+ (0+) (?:0+|-)(?=\s|$)'),
        # Timers joined by slashes, the last for the whole; then the status, or the bytes and how it ended.
        (" 000 ", r"(?<![\w/.-])(?:-?0+/){4}\+?(0+) 000 "),
        ("/0", r"/\+?(0+) \+?0+ [A-Z-]{2} 0+/0+/0+/0+/0+ "),
        # Times to, in and from the server behind, then the status.
        (" 000 000 ", r"(?<=\s)(0+\.0+) (0+\.0+) (0+\.0+) 000 "),
        # A moment in seconds, the time, the client.
        ("0000000000.000 ", r"\A0{10}\.000\s+(0+) 0{1,3}\.0{1,3}\.0"),
        # A decimal behind the quoted parts, with or without the length of the request.
        ('" 000 ', rf'" 000 (?:0+|-) {_QUOTED} {_QUOTED}(?: 0+)? (0+\.000)(?=\s)'),
        # A whole number at the end, behind the size and what is quoted.
        ('" 000 ', rf'" 000 (?:0+|-)(?: {_QUOTED}){{0,4}}(?: [\w-]{{20,}})? \**(0{{1,9}})\**\Z'),
        # In brackets at the beginning.
        ("(0", r"\A\((0+\.000)\) [A-Z]"),
    )
)
# At the end of a line about a request: a decimal, the first of several; a whole number behind status and two others.
_AT_END = (
    re.compile(r"""(?<![\w.:/,-])(0+\.0{2,6})(?: 0+\.0{2,6}| -)*["')\]]{0,2}\Z""", re.ASCII),
    re.compile(r" 000 0+ 0+ (?:0+ 0+ )?(0+)\Z", re.ASCII),
)
_REQUEST = re.compile(rf'HTTP/0|" 000 |{_VERB}', re.ASCII)
_MAX_AT_END = 100  # characters

# -- the choice ------------------------------------------------------------------------------------------------------


def duration_in(shape: bytes) -> Place | None:
    """The position of the duration in lines of this shape; None if they state none."""
    text = shape.decode("utf-8", "replace")
    lower = text.lower() if shape.isascii() else shape.lower().decode("utf-8", "replace")  # as long as the text
    candidates = list(_WITH_UNIT.finditer(text)) if _HAS_UNIT.search(lower) or "pt0" in lower else []
    begins = [key.end() for key in _IN_PROSE.finditer(lower)]
    begins += [key.end() for key in _ASSIGNED.finditer(lower) if _is_of_time(lower, key.start())]
    candidates += [candidate for begin in begins if (candidate := _WITHOUT.match(text, begin))]
    best: Place | None = None
    rank = 0
    candidates.sort(key=re.Match.start)
    for candidate in candidates:
        name = _name(text, candidate.start())
        if name is None or not name.is_measured:
            continue
        place = _read(text, candidate, name)
        if place is not None and name.rank > rank:
            best, rank = place, name.rank
    return best or _by_place(text)


def _is_of_time(lower: str, end: int) -> bool:
    return _OF_TIME.search(lower, max(0, end - _MAX_KEY_CHARS), end) is not None


def _by_place(text: str) -> Place | None:
    for needed, form in _IN_REQUESTS:
        if needed in text and (match := form.search(text)):
            return tuple((*match.span(group), 1.0) for group in range(1, len(match.groups()) + 1))
    if text.rstrip("\"')]")[-1:] in ("0", "-") and _REQUEST.search(text):
        for form in _AT_END:
            if match := form.search(text, max(0, len(text) - _MAX_AT_END)):
                return ((*match.span(1), 1.0),)
    return None


def _read(text: str, found: re.Match[str], name: _Name) -> Place | None:
    groups = found.groupdict()
    if groups.get("iso"):
        factors = {"D": _DAY, "H": _HOUR, "M": _MINUTE, "S": _SECOND}
        parts = _PARTS_OF_ISO.finditer(text, found.start(), found.end())
        return tuple((*part.span(1), factors[part[2]]) for part in parts)
    if groups.get("clock"):
        return _of_clock(text, found) if name.is_of_time and name.is_of_length else None
    if groups.get("bare"):
        return _of_bare(text, found, name)
    return _of_amounts(text, found, name)


def _of_clock(text: str, found: re.Match[str]) -> Place:
    begin, end = found.span("clock")
    comma = text.find(",", begin, end)
    numbers = list(_NUMBERS.finditer(text, begin, comma if comma >= 0 else end))
    places = [
        (*number.span(), factor) for number, factor in zip(reversed(numbers), (_SECOND, _MINUTE, _HOUR), strict=False)
    ]
    if comma >= 0:
        places.append((comma + 1, end, _SECOND / 10 ** (end - comma - 1)))
    return tuple(places)


def _of_bare(text: str, found: re.Match[str], name: _Name) -> Place | None:
    begin, end = found.span("bare")
    factor = name.factor
    if factor is not None:
        return ((begin, end, factor),) if _digits(text, begin, end) <= _MAX_DIGITS[factor] else None
    if not name.is_of_time or _digits(text, begin, end) > _MAX_DIGITS[1.0]:
        return None
    follows = text[end : end + 2].strip(" ")
    if not name.assigned and follows and (follows[0].isalnum() or follows[0] in "#$"):
        return None  # `took 3 rows`
    return ((begin, end, 1.0),)


def _digits(text: str, begin: int, end: int) -> int:
    dot = text.find(".", begin, end)
    return (dot if dot >= 0 else end) - begin


def _of_amounts(text: str, found: re.Match[str], name: _Name) -> Place | None:
    if text[: found.start()] == "[":
        return None  # the clock of a log line, which counts from the start of the program
    parts = list(_PARTS.finditer(text, found.start("amounts"), found.end("amounts")))
    factors = [_FACTORS[part["unit"].lower()] for part in parts]
    several = next((i for i in range(1, len(parts)) if factors[i] >= factors[i - 1]), len(parts))
    parts = parts[:several]
    alone = len(parts) == 1
    if alone and (parts[0]["unit"] in ("m", "h", "d") or factors[0] >= _HOUR) and name.rank < 3:
        return None  # metres, or how long something is kept
    return tuple(place for part, factor in zip(parts, factors, strict=False) for place in _of_amount(part, factor))


def _of_amount(part: re.Match[str], factor: float) -> Place:
    begin, end = part.span("amount")
    amount = part["amount"]
    groups = amount.split(",")
    if len(groups) == 1:
        return ((begin, end, factor),)
    is_decimal = len(groups) == 2 and (
        len(groups[1].partition(".")[0]) != 3 or (factor >= _SECOND and "." not in amount)
    )
    if is_decimal:
        comma = begin + len(groups[0])
        return (begin, comma, factor), (comma + 1, end, factor / 10 ** len(groups[1]))
    places: list[_Part] = []
    for i, group in enumerate(groups):
        places.append((begin, begin + len(group), factor * 1_000.0 ** (len(groups) - 1 - i)))
        begin += len(group) + 1
    return tuple(places)
