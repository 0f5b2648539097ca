"""Formats of numbers, times, durations and untrusted text that several packages share.

Escaping for Markdown: `reporting/escape.py`; secrets: `redaction/`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BARS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"  # in a sparkline
_CONTROLS_WITHIN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plural(number: float, noun: str) -> str:
    """`hour` or `hours`."""
    return noun if number == 1 else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """`1 line`, `12,345 lines`."""
    return f"{number:,} {plural(number, noun)}"


def percent(share: float) -> str:
    """`9.1%`"""
    return f"{share:.1%}"


def whole_minutes(length: timedelta) -> int:
    return length // timedelta(minutes=1)


def duration(length: timedelta) -> str:
    """`15 minutes`, `90 minutes`, `1 hour`, `36 hours`, `20 hours 10 minutes`."""
    hours, minutes = divmod(whole_minutes(length), 60)
    if hours and not minutes:
        return counted(hours, "hour")
    if hours >= 2:
        return f"{counted(hours, 'hour')} {counted(minutes, 'minute')}"
    return counted(hours * 60 + minutes, "minute")


def iso_text(moment: datetime, timespec: Literal["auto", "seconds"] = "auto") -> str:
    """`2026-11-20T10:00:00Z`. `moment` is in UTC; "auto" keeps its fraction of a second."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def inert(text: str) -> str:
    """For a terminal: log text must not move the cursor or change colours. Newlines and tabs stay."""
    return _CONTROLS_WITHIN_LINES.sub("\N{REPLACEMENT CHARACTER}", text)


def inert_line(text: str) -> str:
    """As `inert`, without newlines and tabs."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str, *, most: int) -> str:
    """One line without control, invisible and direction-changing characters, of at most `most` characters."""
    kept = []
    for character in text[: most * 4]:
        category = unicodedata.category(character)
        if character.isspace() or category == "Cc":
            kept.append(" ")
        elif category == "Cs":
            kept.append("\ufffd")
        elif category not in ("Cf", "Cn", "Co"):
            kept.append(character)
    line = " ".join("".join(kept).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def cut_at_word(text: str, *, most: int) -> str:
    """`text`, or its beginning of at most `most` characters up to the end of a word, and `…`."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if not text[most - 1].isspace() and (space := kept.rfind(" ")) > most // 3:
        kept = kept[:space]
    return f"{kept.rstrip(' ,;:.(')}…"


def short_duration(length: timedelta) -> str:
    """`35 min`, `2 h`, `2 h 10 min`, `3 d 4 h`."""
    minutes = max(whole_minutes(length), 1)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    hours = minutes // 60
    return f"{hours // 24} d" + (f" {hours % 24} h" if hours % 24 else "")


def sparkline(values: Sequence[int | None]) -> str:
    """One character per value: the lowest bar is zero, a dot is unknown."""
    most = max((value for value in values if value), default=1)
    top = len(_BARS) - 1
    return "".join(UNKNOWN if value is None else _BARS[-(-value * top // most)] for value in values)
