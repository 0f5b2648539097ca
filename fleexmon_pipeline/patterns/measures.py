"""What lines measure: durations, with their median and 95th percentile, and how many different values each field has.

Here: reading these from lines. A line that states no duration measures a step: how long after the previous line of the
same request it came. Which number of a line is its duration: `forms/durations.py`; which id is that of its request:
`forms/request_ids.py`; where they are stored: `count_lines.py`; what is normal for them: `baselines/values/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import exp, log

from fleexmon_pipeline.patterns.forms.durations import Place, duration_in
from fleexmon_pipeline.patterns.forms.request_ids import usable
from fleexmon_pipeline.patterns.masks import shapes_of

# Measured lines of a slot, node, pattern and level: 32 to 64 if there are more. By judgement: the standard error of the
# median of 32 is a fifth of the spread of single lines, and a window has several slots.
MAX_MEASURED = 64
MAX_MEASURED_CHARS = 1_000  # of a line; durations stand before
MAX_SHAPES = 50_000  # in the cache, about 20 MB
# The newest lines of a slot, node, pattern and level, whose values are compared. By judgement.
MAX_COMPARED = 8
MIN_COMPARED = 3
MAX_FIELDS, BITS_A_FIELD = 15, 4
MAX_WORDS = 40  # of a line that are compared
MIN_VALUE, MAX_VALUE = 1e-9, 1e30  # milliseconds
# Requests are followed through the newest half minute of a slot, and through at least and at most so many of its newest
# lines, of all nodes. By judgement: following a line takes as long as counting it; 100,000 lines may need 40 MB.
FOLLOWED = timedelta(seconds=30)
MIN_FOLLOWED, MAX_FOLLOWED = 1_000, 100_000
MIN_STEP = 50.0  # milliseconds added to each step. Chosen from 10, 20 and 50 on seed 4 of the real services
MAX_LINES_A_REQUEST = 4  # of a pattern on average; with more, the id is not that of a request but of a process, say

_DIGIT = re.compile(r"[0-9]")
_Place = tuple[int, int, float, Place]  # begin, end and factor of the first number; places of numbers added to it


class Durations:
    """The durations of lines, by shape: the expressions run only on new shapes."""

    def __init__(self) -> None:
        self._places: dict[bytes, _Place | None] = {}

    def has_one(self, message: str) -> bool:
        """Whether a line states a duration."""
        (shape,) = shapes_of((message[:MAX_MEASURED_CHARS],))
        return (self._places[shape] if shape in self._places else self._learn(shape)) is not None

    def of(self, messages: Sequence[str]) -> list[float | None]:
        """The duration of each line, in milliseconds if its unit is known. Cheapest for many lines at once."""
        if max(map(len, messages), default=0) > MAX_MEASURED_CHARS:
            messages = [message[:MAX_MEASURED_CHARS] for message in messages]
        known, learn = self._places, self._learn
        places = [
            known[shape] if shape in known else learn(shape) for shape in shapes_of(messages)
        ]  # fmt: skip
        return [
            None if place is None
            else float(message[place[0] : place[1]]) * place[2] + (_sum(message, place[3]) if place[3] else 0.0)
            for message, place in zip(messages, places, strict=True)
        ]  # fmt: skip

    def _learn(self, shape: bytes) -> _Place | None:
        if len(self._places) > MAX_SHAPES:
            self._places.clear()
        return self._places.setdefault(shape, _place(shape))


def _place(shape: bytes) -> _Place | None:
    place = duration_in(shape)
    return None if place is None else (*place[0], place[1:])


def _sum(message: str, others: Place) -> float:
    return sum(float(message[begin:end]) * factor for begin, end, factor in others)


@dataclass(slots=True)
class Steps:
    """Steps to the lines of a slot, node, pattern and level, newest first."""

    milliseconds: list[float] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    every: int = 1
    seen: int = 0
    longest: float = -1.0  # milliseconds
    after: str | None = None  # the node whose line came before the longest step

    def add(self, request: str, milliseconds: float, after: str) -> None:
        """Keep a step. With too many, keep every second one."""
        self.requests.add(request)
        if milliseconds > self.longest:
            self.longest, self.after = milliseconds, after
        if self.seen % self.every == 0:
            self.milliseconds.append(milliseconds)
            if len(self.milliseconds) > MAX_MEASURED:
                del self.milliseconds[1::2]
                self.every *= 2
        self.seen += 1

    def sketch(self) -> tuple[float, float] | None:
        """Average and 95th percentile; None where lines share few ids: what lies between them is no step then.

        The average is that of logarithms. Unlike a median it shows that a third of the steps takes much longer: lines
        of one pattern may come after different work.
        """
        requests = len(self.requests)
        if not requests or self.seen > MAX_LINES_A_REQUEST * requests or (requests == 1 and self.seen > 1):
            return None
        logs = [log(step + MIN_STEP) for step in self.milliseconds]
        average = max(exp(sum(logs) / len(logs)) - MIN_STEP, 0.0)
        return _rounded(average), _rounded(_quantile(sorted(self.milliseconds), 0.95))


class Follower:
    """Follows requests through the lines of a slot, of all nodes, newest first.

    Lines of the same moment are in no order. Each has the step since the request's moment before.
    """

    def __init__(self) -> None:
        self._next: dict[str, tuple[int, list[Steps]]] = {}  # request → its next moment, and steps to the lines then

    def see(self, request: str, micros: int, node: str, steps: Steps) -> None:
        """A line of this request, at this node. `steps`: of the lines like it."""
        following = self._next.get(request)
        if following is not None:
            moment, lines = following
            if moment == micros:
                lines.append(steps)
                return
            for later in lines:
                later.add(request, (moment - micros) / 1_000, node)
        elif not usable(request):
            return
        self._next[request] = micros, [steps]


def sketch(durations: Iterable[float | None]) -> tuple[float, float] | None:
    """Median and 95th percentile, rounded so that a stored figure equals a computed one; None without durations."""
    ordered = sorted([duration for duration in durations if duration is not None])
    if len(ordered) < 2:
        return (_rounded(ordered[0]),) * 2 if ordered else None
    return _rounded(_quantile(ordered, 0.5)), _rounded(_quantile(ordered, 0.95))


def different_values(messages: Sequence[str]) -> int | None:
    """How many different values each field of these lines has: four bits per field, the first field in the lowest bits.

    None for too few lines, or lines without fields. A field is a word with a digit. The caller cuts long messages.
    """
    if len(messages) < MIN_COMPARED:
        return None
    lines = [message.split(None, MAX_WORDS) for message in messages]
    fields = shift = 0
    for words in zip(*lines, strict=False):
        word = words[0]
        if not word.isalpha() and _DIGIT.search(word):
            fields |= len(set(words)) << shift
            shift += BITS_A_FIELD
            if shift == MAX_FIELDS * BITS_A_FIELD:
                break
    return fields or None


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    low = int(position)
    fraction = position - low
    return ordered[low] + fraction * (ordered[low + 1] - ordered[low]) if fraction else ordered[low]


def _rounded(value: float) -> float:
    """Rounded to the digits that a REAL column keeps, and limited to the range that it can hold."""
    if 0 < value < MIN_VALUE or value > MAX_VALUE:
        value = min(max(value, MIN_VALUE), MAX_VALUE)
    return float(f"{value:.4g}")
