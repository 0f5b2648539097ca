"""Turn a level as loggers write it into debug, info, warn, error or fatal.

word = str(value)[:MAX_WORD_CHARACTERS].strip().strip("[]").lower()
if level := LEVEL_OF_WORD.get(word):
"""

from __future__ import annotations

import re
from typing import Literal

Level = Literal["debug", "info", "warn", "error", "fatal"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warn", "error", "fatal")  # ascending

MAX_WORD_CHARACTERS = 200  # of a level's original word: one of 20 kB has been seen

_WORDS = {
    "debug": "trace verbose silly finest finer fine debug dbg d",
    "info": "info information informational notice log http default i",
    "warn": "warn warning wrn w",
    "error": "error err severe failure fail e",
    "fatal": "fatal critical crit alert emerg emergency panic dpanic f",
}
LEVEL_OF_WORD = {word: level for level, words in _WORDS.items() for word in words.split()}
# Bunyan and pino count in tens, syslog from 7 down to 0, PHP's Monolog in hundreds.
_NUMBERS = {10: "debug", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal",
            7: "debug", 6: "info", 5: "info", 4: "warn", 3: "error", 2: "fatal", 1: "fatal", 0: "fatal",
            100: "debug", 200: "info", 250: "info", 300: "warn", 400: "error", 500: "fatal", 550: "fatal",
            600: "fatal"}  # fmt: skip
_OTEL_LEVELS = ("debug", "debug", "info", "warn", "error", "fatal")  # 1-4, 5-8, … 21-24
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|^[\s\[(<]+|[\s\])>:!]+$")  # winston's colours, brackets
_STEP = re.compile(r"(?<=[a-z])[+-]?[0-9]+$")  # INFO2 of OpenTelemetry, ERROR+2 of Go's slog


def read_level(value: object) -> str:
    """debug, info, warn, error or fatal. Unknown words are info; the caller keeps the word."""
    return known_level(value) or "info"


def known_level(value: object) -> str | None:
    """None for an unknown word or number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _numbered(int(value)) if value == value and abs(value) < 1_000 else None  # noqa: PLR0124
    word = str(value)[:MAX_WORD_CHARACTERS].strip().strip("[]").lower()
    if level := LEVEL_OF_WORD.get(word):
        return level
    word = _DECORATION.sub("", _DECORATION.sub("", word))
    if word.isascii() and word.isdigit():
        return _numbered(int(word[:6]))
    return LEVEL_OF_WORD.get(word) or LEVEL_OF_WORD.get(_STEP.sub("", word))


def _numbered(number: int) -> str | None:
    """35, a custom level between two of pino, counts as the lower one."""
    return _NUMBERS.get(number) or (_NUMBERS.get(number // 10 * 10) if 10 < number < 100 else None)


def otel_level(value: object) -> str | None:
    """The level of OpenTelemetry's severityNumber; None if it is not one."""
    if isinstance(value, str):  # protobuf's name, SEVERITY_NUMBER_ERROR2
        word = value[:MAX_WORD_CHARACTERS].upper().removeprefix("SEVERITY_NUMBER_")
        return otel_level(int(word[:6])) if word.isascii() and word.isdigit() else known_level(word)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 24:
        return None
    return _OTEL_LEVELS[(value - 1) // 4]
