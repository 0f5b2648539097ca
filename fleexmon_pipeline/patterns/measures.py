"""What a line measured: the duration that it states, and a sketch of many of them.

Here: which number of a line that is, and the median and 95th percentile of a sample. Where they are stored:
`count_lines.py`; what is normal for them: `baselines/durations.py`.

One number of a line: the value of a key such as `took` or `latency_ms`, else the first number with a unit of time, else
the last decimal number that stands alone, as access logs end with. Identifiers, sizes and counts are no durations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fleexmon_pipeline.patterns.masks import MAX_WORD_CHARS, shapes_of

# Lines of a slot, node, pattern and level that are measured: 32 to 64 of many. By judgement: the median of 32 is known
# to a fifth of the spread of single lines, and a window has several slots.
MAX_MEASURED = 64
MAX_MEASURED_CHARS = 1_000  # of a line; durations are not in what follows
MAX_SHAPES = 50_000  # in the cache, about 20 MB
MIN_VALUE, MAX_VALUE = 1e-9, 1e30  # of what a line states

# All in shapes in lower case, where each digit is a 0: lines of one shape have their duration at the same place. An
# alternation of words is searched fast only without flags.
_NUMBER = r"0+(?:\.0+)?"
_SMALL = r"0{1,7}(?:\.0+)?"  # without a unit, a larger one is a moment or an id
_END = r"(?![\w.:/%-])"
_UNIT = r"(?:[mnu]?s|\xc2\xb5s|\xce\xbcs|msecs?|millis(?:econds?)?|secs?|seconds?|min|minutes?)\b"
_KEY = r"""(?:duration|latency|elapsed|took|taken|time(?<!up....)(?<!start....)(?<!start.....)(?<!end.....)|runtime|rtt
    |(?:cost|delay(?:ed)?|wait(?:ed)?|urt|rt|dur|lat)(?<![a-z]cost)(?<![a-z]rt)(?<!stat|.lat)(?<![a-z]dur))"""
_KEYED = re.compile(
    rf"""{_KEY}(?:[_.]?(?:in[_ ])?(?P<suffix>[nu]s|ms|millis|s|sec|secs|seconds))?
    ["']?(?:\s?[=:]\s?|\s(?:was\s|of\s|is\s)?)["']?
    (?:(?P<value>{_NUMBER})\s?(?P<unit>{_UNIT})|(?P<bare>{_SMALL}){_END})""".encode(),
    re.VERBOSE,
)
_WITH_UNIT = re.compile(
    rf"(?<![\w.:,/-])(?<!uptime[ =])(?<!uptime: )(?P<value>{_NUMBER})\s?(?P<unit>{_UNIT})".encode(),
)
_DECIMAL = re.compile(rb"""(?<![\w.:/-])(?P<value>0+\.0{2,6})(?=["']?[)\]]?$)""")
# What each line with a duration has; one search instead of three, for most shapes.
_HINT = re.compile(
    rb"0[ ]?(?:[mnu]?s\b|msec|sec|min|milli|\xc2\xb5|\xce\xbc)|\.00+[\"')\]]{0,2}$"
    rb"|(?:time|took|taken|dur|lat|elapsed|rt|cost|dela|wait)[a-z_.]{0,14}[\"']?[=: ]+(?:(?:was|of|is) )?[\"']?0"
)
_MILLISECONDS = {b"n": 1e-6, b"u": 1e-3, b"\xc2": 1e-3, b"\xce": 1e-3, b"mi": 1.0, b"m": 1.0, b"s": 1e3}
_Place = tuple[int, int, float]  # where a value begins and ends, in characters; what makes it milliseconds


class Durations:
    """The durations of lines, by shape: the expressions run only on new shapes."""

    def __init__(self) -> None:
        self._places: dict[bytes, _Place | None] = {}

    def has_one(self, message: str) -> bool:
        """Whether a line states a duration."""
        (shape,) = shapes_of((message[:MAX_MEASURED_CHARS],))
        return (self._places[shape] if shape in self._places else self._learn(shape)) is not None

    def of(self, messages: Sequence[str]) -> list[float | None]:
        """Of each line, in milliseconds where the unit is known. Cheapest for many lines at once."""
        if max(map(len, messages), default=0) > MAX_MEASURED_CHARS:
            messages = [message[:MAX_MEASURED_CHARS] for message in messages]
        known, learn = self._places, self._learn
        places = [
            known[shape] if shape in known else learn(shape) for shape in shapes_of(messages)
        ]  # fmt: skip
        return [
            None if place is None else float(message[place[0] : place[1]]) * place[2]
            for message, place in zip(messages, places, strict=True)
        ]

    def _learn(self, shape: bytes) -> _Place | None:
        if len(self._places) > MAX_SHAPES:
            self._places.clear()
        return self._places.setdefault(shape, _place(shape))


def _place(shape: bytes) -> _Place | None:
    lower = shape.lower()
    if not _HINT.search(lower):
        return None
    found = _KEYED.search(lower) or _WITH_UNIT.search(lower) or _DECIMAL.search(lower)
    if found is None:
        return None
    groups = found.groupdict()
    begin, end = found.span("value" if groups["value"] else "bare")
    if end - begin > MAX_WORD_CHARS:
        return None
    before = begin if shape.isascii() else len(shape[:begin].decode("utf-8", "replace"))
    return before, before + end - begin, _factor(groups.get("unit") or groups.get("suffix") or b"")


def _factor(unit: bytes) -> float:
    """What makes a value milliseconds; 1 where the unit is unknown: then it compares with its own kind alone."""
    if unit in (b"min", b"minute", b"minutes"):
        return 60e3
    return next((factor for start, factor in _MILLISECONDS.items() if unit.startswith(start)), 1.0)


def sketch(durations: Iterable[float | None]) -> tuple[float, float] | None:
    """Median and 95th percentile, rounded so that a stored figure equals itself; None of nothing."""
    ordered = sorted([duration for duration in durations if duration is not None])
    if len(ordered) < 2:
        return (_rounded(ordered[0]),) * 2 if ordered else None
    return _rounded(_quantile(ordered, 0.5)), _rounded(_quantile(ordered, 0.95))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = int(place)
    part = place - low
    return ordered[low] + part * (ordered[low + 1] - ordered[low]) if part else ordered[low]


def _rounded(value: float) -> float:
    """To as many digits as a REAL surely keeps; what it cannot hold is drawn in."""
    if 0 < value < MIN_VALUE or value > MAX_VALUE:
        value = min(max(value, MIN_VALUE), MAX_VALUE)
    return float(f"{value:.4g}")
