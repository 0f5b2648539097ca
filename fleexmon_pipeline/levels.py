"""Turn a level as loggers write it into debug, info, warn, error or fatal.

Here: words and numbers. Which field of a record is its level, and how the original is kept: `collection/records.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

Level = Literal["debug", "info", "warn", "error", "fatal"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warn", "error", "fatal")  # ascending
ERROR_LEVELS: tuple[Level, ...] = ("error", "fatal")

MAX_WORD_CHARACTERS = 200  # kept of an unknown level's original word: one had 20 kB

_WORDS: dict[Level, str] = {
    "debug": "trace trc verbose vrb silly finest finer fine config debug dbg dbug debg debugging d t v",
    "info": "info inf information informational notice note log http default success audit system hint detail "
            "statement hinweis сообщение инфо 信息 情報 정보 i n",
    "warn": "warn warning wrn deprecation deprecated wdiag warnung avertissement advertencia avviso aviso "
            "предупреждение ostrzeżenie uyarı varning waarschuwing advarsel varoitus varování varovanie figyelmeztetés "
            "avertisment попередження προειδοποίηση upozorenje peringatan تحذير 警告 경고 w",
    "error": "error err errs ediag severe failure fail failed fehler erreur schwerwiegend grave errore erro ошибка "
             "błąd hata fel fout fejl feil virhe chyba hiba eroare помилка σφάλμα greška kesalahan lỗi خطأ "
             "exception fault エラー 错误 錯誤 오류 e",
    "fatal": "fatal ftl critical crit alert emerg emrg emergency panic pnc dpanic assert kritisch critique critico "
             "crítico critica crítica критическая важно паника krytyczny kritiek kritisk kritik crt disaster abort "
             "致命的エラー 致命错误 严重 f c",
}  # fmt: skip
LEVEL_OF_WORD: dict[str, Level] = {word: level for level, words in _WORDS.items() for word in words.split()}
# Loggers cut words, mostly to four letters: ERRO, TRAC, CRIT, VERB.
_OFTEN_CUT = "trace verbose debug information notice warning error severe failure critical fatal panic emergency alert"
_CUT_WORDS: dict[str, Level] = {
    word[:length]: LEVEL_OF_WORD[word] for word in _OFTEN_CUT.split() for length in range(4, len(word))
} | {"trce": "debug", "fatl": "fatal", "eror": "error"}

ALL_WORDS = frozenset((*LEVEL_OF_WORD, *_CUT_WORDS))

# Bunyan and pino count in tens, syslog from 7 down to 0, PHP's Monolog in hundreds, log4js and logback in ten
# thousands.
_NUMBERS: dict[int, Level] = {
    10: "debug", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal",
    7: "debug", 6: "info", 5: "info", 4: "warn", 3: "error", 2: "fatal", 1: "fatal", 0: "fatal",
    100: "debug", 200: "info", 250: "info", 300: "warn", 400: "error", 500: "fatal", 550: "fatal", 600: "fatal",
    700: "debug", 800: "info", 900: "warn", 1_000: "error",  # java.util.logging, where Monolog has none
    5_000: "debug", 10_000: "debug", 20_000: "info", 30_000: "warn", 40_000: "error", 50_000: "fatal",
}  # fmt: skip
_OTEL_LEVELS: tuple[Level, ...] = ("debug", "debug", "info", "warn", "error", "fatal")  # 1-4, 5-8, … 21-24
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|^[\s\[(<|]+|[\s\])>:!|]+$")  # winston's colours, brackets
_PYTHON_SEVERITY = re.compile(r"<?SEVERITYNUMBER\.([A-Z]+[0-9]?)(?:: [0-9]+>)?")
_NAME = re.compile(r"^(?:log[_ ]?level|log|level|lvl|severity)[_:= ]+(?=[a-z])")  # LOG_ERR, level=error
_PHRASE = re.compile(r"[^\W\d_]+")  # Fatal error, 3 (error), E_USER_WARNING, ERROR_LEVEL, 🔴 ERROR
MAX_PHRASE_WORDS = 4
_NOT = frozenset("no not non without".split())  # noqa: SIM905
# Only for fields that give the severity of an alarm or a finding. A job of "high" priority is not an error.
ALARM_LEVELS: dict[str, Level] = {
    "cleared": "info", "low": "info", "minor": "warn", "moderate": "warn", "medium": "warn", "average": "warn",
    "major": "error", "important": "error", "high": "error",
}  # fmt: skip
_NUMBERED = re.compile(r"(?<=[a-z]) ?\([0-9]{1,5}\)?$")  # Error (3); the bracket at the end may be gone
_OF_CLASS = re.compile(r"(?:[^\W\d][\w$]{0,60}\.){1,8}[^\W\d]\w{0,20}")
_STEP = re.compile(r"(?<=[a-z])[+-]?[0-9]+$")  # INFO2 of OpenTelemetry, ERROR+2 of Go's slog

# Scales of numbers that other fields of the record reveal: all names of a group must be present.
Scale = Mapping[int, Level]
_ASCENDING: Scale = dict(enumerate(LEVELS))  # Nextcloud
_PYTHON: Scale = {5: "debug", 10: "debug", 20: "info", 25: "info", 30: "warn", 40: "error", 50: "fatal"}
_JAVA: Scale = {300: "debug", 400: "debug", 500: "debug", 700: "debug", 800: "info", 900: "warn", 1_000: "error"}
_LOG4J: Scale = {100: "fatal", 200: "error", 300: "warn", 400: "info", 500: "debug", 600: "debug"}
_GOOGLE: Scale = {0: "info", 100: "debug", 200: "info", 300: "info", 400: "warn", 500: "error", 600: "fatal",
                   700: "fatal", 800: "fatal"}  # fmt: skip
_MYSQL: Scale = {0: "info", 1: "error", 2: "warn", 3: "info"}
_WINDOWS: Scale = {0: "info", 1: "fatal", 2: "error", 3: "warn", 4: "info", 5: "debug"}
_DOT_NET: Scale = {0: "debug", 1: "debug", 2: "info", 3: "warn", 4: "error", 5: "fatal"}
_GLOG: Scale = {0: "info", 1: "warn", 2: "error", 3: "fatal"}
_OTEL: Scale = {number: _OTEL_LEVELS[(number - 1) // 4] for number in range(1, 25)}
_SQL_SERVER: Scale = {number: "info" if number < 11 else "error" if number < 17 else "fatal" for number in range(26)}
_RUBY: Scale = {0: "debug", 1: "info", 2: "warn", 3: "error", 4: "fatal", 5: "info"}
_ANDROID: Scale = {2: "debug", 3: "debug", 4: "info", 5: "warn", 6: "error", 7: "fatal"}
_SCALES = [(frozenset(names.split()), scale) for names, scale in (
    ("reqId app userAgent version", _ASCENDING), ("reqId app remoteAddr", _ASCENDING),
    ("levelno", _PYTHON), ("levelname", _PYTHON), ("funcName lineno", _PYTHON), ("pathname lineno", _PYTHON),
    ("sourceClassName", _JAVA), ("sourceMethodName", _JAVA), ("loggerClassName loggerName sequence", _JAVA),
    ("intLevel", _LOG4J), ("standardLevel", _LOG4J),
    ("insertId", _GOOGLE), ("logName resource", _GOOGLE), ("jsonPayload", _GOOGLE), ("textPayload", _GOOGLE),
    ("err_code subsystem", _MYSQL),
    ("EventID Channel", _WINDOWS), ("EventID ProviderName", _WINDOWS), ("EventID SourceName", _WINDOWS),
    ("EventId ProviderGuid", _WINDOWS), ("ProviderName Id", _WINDOWS),
    ("MessageTemplate", _DOT_NET), ("severityLevel", _ASCENDING), ("@mt", _DOT_NET), ("EventId Category", _DOT_NET),
    ("LogLevel Category", _DOT_NET),
    ("Severity SeverityText Body", _OTEL), ("error_number severity state", _SQL_SERVER),
    ("hostIdentifier calendarTime", _GLOG), ("name file function line", _PYTHON),
    ("progname", _RUBY), ("tid tag pid", _ANDROID),
)]  # fmt: skip
MAX_ON_A_SCALE = 1_000


def read_level(value: object) -> str:
    """debug, info, warn, error or fatal. Unknown words are info; the caller keeps the word."""
    return known_level(value) or "info"


def known_level(value: object) -> Level | None:
    """None for an unknown word or number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _numbered(int(value)) if value == value and abs(value) < 100_000 else None  # noqa: PLR0124
    text = str(value)
    if level := LEVEL_OF_WORD.get(text) or LEVEL_OF_WORD.get(text.lower()):
        return level
    return _decorated(text[:MAX_WORD_CHARACTERS].strip().strip("[]").lower())


def _decorated(word: str) -> Level | None:
    """The level of a word that may be cut, coloured, bracketed, numbered or within a class."""
    if level := LEVEL_OF_WORD.get(word):
        return level
    word = _NUMBERED.sub("", _NAME.sub("", _DECORATION.sub("", _DECORATION.sub("", word))))
    if word.isascii() and word.isdigit():
        return _numbered(int(word[:6]))
    word = word.rpartition(".")[2] if _OF_CLASS.fullmatch(word) else word  # LogLevel.Error
    return LEVEL_OF_WORD.get(word) or LEVEL_OF_WORD.get(_STEP.sub("", word)) or _CUT_WORDS.get(word) or _of_phrase(word)


def _of_phrase(phrase: str) -> Level | None:
    """The worst level among a few words, none of which denies it."""
    words = _PHRASE.findall(phrase)
    if not 1 <= len(words) <= MAX_PHRASE_WORDS or not _NOT.isdisjoint(words) or words == [phrase]:
        return None
    levels = [level for word in words if len(word) > 1 and (level := LEVEL_OF_WORD.get(word))]
    return max(levels, key=LEVELS.index, default=None)


def _numbered(number: int) -> Level | None:
    """35, a custom level between two of pino's, counts as the lower one."""
    return _NUMBERS.get(number) or (_NUMBERS.get(number // 10 * 10) if 10 < number < 100 else None)


def scale_of(names: Collection[str]) -> Scale | None:
    """The scale of a record's numbers, if its other fields reveal it."""
    present = frozenset(names)
    return next((scale for fields, scale in _SCALES if fields <= present), None)


def level_on(scale: Scale | None, value: object) -> Level | None:
    """The level of a value, read by this scale if it is a number on it."""
    if scale is not None:
        number = _number(value)
        if number is not None and abs(number) <= MAX_ON_A_SCALE and number in scale:
            return scale[number]
    return known_level(value)


def _number(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if len(value) <= 6 and value.isascii() and value.isdigit() else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124
        return None
    return int(value) if abs(value) < 1_000_000 else None


def otel_level(value: object) -> Level | None:
    """The level of OpenTelemetry's severityNumber; None if it is not one."""
    if isinstance(value, str):  # protobuf's name, SEVERITY_NUMBER_ERROR2
        word = value[:MAX_WORD_CHARACTERS].upper().removeprefix("SEVERITY_NUMBER_")
        if match := _PYTHON_SEVERITY.fullmatch(word):
            word = match[1]
        return otel_level(int(word[:6])) if word.isascii() and word.isdigit() else known_level(word)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 24:
        return None
    return _OTEL_LEVELS[(value - 1) // 4]
