"""Levels in forms that a line's first characters reveal: klog, Redis, Ruby, Cisco, crashes, …

A level's word after times, hosts and brackets: `text_levels.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.levels import Level, known_level

# With the year or without: Kubernetes, Google's glog, CockroachDB.
_KLOG = re.compile(r"([IWEF])(?:\d{4}|\d{6}|\d{8}) \d\d:\d\d:\d\d\.\d+ +\d+ [^ \]]+:\d+(?:\]| )")
_SYSLOG_PRIORITY = re.compile(r"<(\d{1,3})>(?:\d{1,2}(?= ))? ?")  # with a version, or without
_REDIS = re.compile(r"\d+:[MSCX] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+ ([.*#-]) ")
_REDIS_LEVELS: dict[str, Level] = {".": "debug", "-": "info", "*": "info", "#": "warn"}
_RUBY = re.compile(r"[DIWEFA], \[[^\]]+\] +([A-Z]+) -- ")
_LOGCAT = re.compile(r"(?:[\d-]+ [\d:.]+ +\d+ +\d+ )?([VDIWEF])(?:/[\w. ]+\( *\d+\): |/[A-Z]\w{2,40}: | [\w.$-]+ *: )")
_ESPRESSIF = re.compile(r"([VDIWE]) \(\d{1,12}\) [\w.-]{1,40}: ")
_APT = re.compile(r"([EWNI]): (?=\S)")  # apt, PulseAudio
_CUPS = re.compile(r"([XACEWNIDd]) \[\d{1,2}/[A-Z][a-z]{2}/\d{4}:")
_CUPS_LEVELS: dict[str, Level] = {"X": "fatal", "A": "fatal", "C": "fatal", "N": "info", "d": "debug"}
_ERLANG = re.compile(r"=(ERROR|WARNING|INFO|CRITICAL|NOTICE|DEBUG) REPORT==== ")
_NPM = re.compile(r"(?:npm|yarn|pnpm|lerna) (ERR!|WARN|error|warn|notice|info)(?= )")
_PHP = re.compile(r"PHP (Fatal error|Parse error|Recoverable fatal error|Warning|Notice|Deprecated|Core error): ")
_PHP_LEVELS: dict[str, Level] = {"Warning": "warn", "Notice": "info", "Deprecated": "warn"}
_COMPILER = re.compile(r"(error|warning|fatal error)\[[A-Z]{1,4}\d{1,5}\]: ")  # Rust
# Cisco and similar devices: %LINK-3-UPDOWN: …, after times, hosts and counters.
_CISCO = re.compile(r"[^%\n]{0,120}%[A-Z][A-Z0-9_]{1,30}(?:-[A-Z][A-Z0-9_]{0,30}){0,3}-([0-7])(?:-[A-Z0-9_]{2,40})? ?:")
MAX_BEFORE_A_CODE = 160  # characters before the code of a message
# Huawei, H3C: the number between slashes.
_HUAWEI = re.compile(r"(?<=[A-Z0-9_])/([0-7])/[A-Z][A-Z0-9_]{2,40}(?:\([^)]{1,8}\))?(?:\[\d+\])?:")
# Constants of syslog as a column: Aruba's `Event|403|LOG_ERR|AMM|-|…`.
_SYSLOG_CONSTANT = re.compile(r"[|\[(<]LOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG)[|\])>]")
# Events of security devices: the seventh field is the severity, from 0 to 10.
_CEF = re.compile(r"[^|\n]{0,120}?CEF:\d\|(?:(?:[^|\\]|\\.)*\|){5}([\w -]{1,12})\|")
_CEF_LEVELS: dict[str, Level] = {"low": "info", "medium": "warn", "high": "error", "very-high": "error"}
# Compilers of TypeScript and C#, CMake, make, tools of Kubernetes and Docker
_PLACED_IN_BRACKETS = re.compile(r"[^\s:()]{1,200}\(\d+(?:,\d+)?\): (fatal error|error|warning|note) ")
_CMAKE = re.compile(r"CMake (Error|Warning|Deprecation Warning)(?: \(dev\))?(?: at |:| in )")
_MAKE = re.compile(r"g?make(?:\[\d+\])?: \*\*\* ")
_TOOL = re.compile(r"[a-z][\w.+-]{0,30}: (error|fatal error|warning): \S")  # ninja, psql, ld
# docker's and kubectl's, Heroku's R14, Oracle's alerts
_ERROR_OF = re.compile(
    r"Error (?:(?:from|response|while|during|at|when|in) [^\n]{0,200}: |[A-Z]{1,4}-?\d{1,6}\b"
    r"|\d{1,6}(?: \([0-9A-Z]{5}\))?: )"
    r"|Errors in file |ORA-\d{5}: "
)
# What a program writes before the time: the first letter of a level (Python's `%(levelname).1s %(asctime)s`)
_LETTER_AND_TIME = re.compile(r"([VDIWEFC]) +\d{4}[-/.]\d\d[-/.]\d\d[T ]\d\d:\d\d")
_KERNEL = re.compile(  # dmesg --decode
    r"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]) *"
    r":(emerg|alert|crit|err|warn|notice|info|debug) *: "
)
_KAMAILIO = re.compile(r"\d{1,4}\(\d{1,9}\) (CRITICAL|ERROR|WARNING|NOTICE|INFO|DEBUG): ")
# A row of PostgreSQL's csvlog, and its relatives': the severity before the code of SQL.
_CSV = re.compile(r'[^\n]{0,380}?,"?(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC)"?,"?[0-9A-Z]{5}"?,')
# The prefix that Amazon RDS sets: `%t:%r:%u@%d:[%p]:`
_RDS = re.compile(
    r"[^\n]{20,200}?:\[\d+\]:(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|STATEMENT|DETAIL|HINT|CONTEXT): "
)
_GLIB = re.compile(
    r"(?:\*\* )?(?:\([^()\n]{1,60}:\d+\): )?(?:[\w.-]{1,40}-)?(ERROR|CRITICAL|WARNING|Message|INFO|DEBUG) \*\*: "
)
# A source location, or the class of a message, then a level: compilers, Wine.
_PLACED = re.compile(r"[^\s:]{1,200}:\d+(?::\d+)?: (fatal error|[Ee]rror|[Ww]arning|note): ")
_COLONS = re.compile(r"[\w.-]{1,40}:(err|error|warn|warning|info|debug|trace|fatal|crit|notice):(?=\w)")
# An event of Windows, as its viewer and its forwarder write it.
_WINDOWS = re.compile(r"<Event[ >].{0,380}?<Level>([0-5])</Level>", re.DOTALL)
_WINDOWS_LEVELS: tuple[Level, ...] = ("info", "fatal", "error", "warn", "info", "debug")
# After a message of Configuration Manager; in an XML event
_MARKED_TYPE = re.compile(r"\]LOG\]!><[^<>]{0,300}?\btype=\"([0-3])\"")
_TYPES: tuple[Level, ...] = ("info", "info", "warn", "error")
_ELEMENT = re.compile(
    r"<(?:(?:log4j:)?[Ee]vent\s[^<>]{0,300}?\blevel=\"([A-Za-z]{3,10})\"|record>.{0,380}?<level>([A-Z]{4,8})</level>)",
    re.DOTALL,
)
# Commands to CI runners: GitHub, Azure.
_RUNNER = re.compile(r"(?:::|##vso\[task\.logissue [^\]]{0,60}?type=)(error|warning|notice|debug)(?=[ :;\]])")
_JUL = re.compile(
    r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M [\w.$]+ [\w<>$]+\s*\n(?P<word>[^\W\d_]{4,16}): "
)
_CRASHES: list[tuple[re.Pattern[str], Level]] = [
    (
        re.compile(
            r"panic: |fatal error: |(?:kernel: )?Kernel panic - "
            r"|thread '[^']*' (?:\(\d+\) )?panicked at |SIG(?:SEGV|ABRT|BUS)\b"
        ),
        "fatal",
    ),
    (
        re.compile(
            r"Traceback \(most recent call last\):|Exception in thread |Unhandled [Ee]xception|Uncaught \w"
            r"|\+ Exception Group Traceback|(?:Fatal|Parse) error: "
        ),
        "error",
    ),
    (re.compile(r"\*\* \(\w[\w.]*\) |=(?:CRASH|SUPERVISOR) REPORT==== "), "error"),
]
_CRASH_LETTERS = frozenset("pftkKSTEUFP*+=")  # that these begin with
_EXCEPTION = re.compile(r"(?:Caused by: )?(?:[A-Za-z_$][\w$]*[.:]{1,2})*[A-Z][\w$]*(?:Exception|Error)(?:: |$)")
# Forms by the characters that they may begin with.
_DIGITS = frozenset("0123456789")
_LEVEL_LETTERS = frozenset("ewidtfcn")  # that the levels of `_COLONS` begin with
_FORMS = (
    (_KLOG, "IWEF"),
    (_LOGCAT, "VDIWEF-0123456789"),
    (_RUBY, "DIWEFA"),
    (_ESPRESSIF, "VDIWE"),
    (_LETTER_AND_TIME, "VDIWEFC"),
    (_APT, "EWNI"),
    (_NPM, "nypl"),
    (_ERLANG, "="),
    (_COMPILER, "ewf"),
    (_CMAKE, "C"),
    (_KERNEL, "kumdaslncf"),
    (_KAMAILIO, "0123456789"),
)
_FORMS_OF = {
    first: tuple(form for form, letters in _FORMS if first in letters) for _, all_of in _FORMS for first in all_of
}


def level_of_form(head: str) -> Level | None:
    """The level of a form at the head. Only forms that may begin with its first character are tried."""
    first = head[0]
    for form in _FORMS_OF.get(first, ()):
        if match := form.match(head):
            return known_level(match[1])
    colon = head.find(":")
    if (colon >= 0 or first == "#") and (level := _of_place(head, colon)):
        return level
    if ("/" in head or "%" in head or "|" in head or first == "<") and (level := _of_device(head)):
        return level
    if first in _DIGITS:
        return _of_digits(head)
    if first == "P" and (level := level_of_php(head, 0)):
        return level
    is_printer_or_java = head[1:3] == " [" or "\n" in head
    return (_of_cups(head) or _of_java(head) if is_printer_or_java else None) or _of_crash(head)


def _of_digits(head: str) -> Level | None:
    if match := _REDIS.match(head):
        return _REDIS_LEVELS[match[1]]
    if "]:" in head and (match := _RDS.match(head)):
        return known_level(match[1])
    return known_level(match[1]) if ',"' in head and (match := _CSV.match(head)) else None


def _of_device(head: str) -> Level | None:
    """Network devices, security devices and Windows."""
    if ("%" in head and (match := _CISCO.match(head))) or (
        "/" in head and (match := _HUAWEI.search(head, 0, MAX_BEFORE_A_CODE))
    ):
        return known_level(int(match[1]))
    if head[0] == "<":
        if match := _WINDOWS.match(head):
            return _WINDOWS_LEVELS[int(match[1])]
        if match := _ELEMENT.match(head):
            return known_level(match[1] or match[2])
    return _of_columns(head) if "|" in head else None


def _of_columns(head: str) -> Level | None:
    """Devices that separate columns by `|`."""
    if match := _SYSLOG_CONSTANT.search(head):
        return known_level(match[1])
    match = _CEF.match(head) if "CEF:" in head else None
    if match is None:
        return None
    word = match[1].strip().lower()
    if not word.isdecimal():
        return _CEF_LEVELS.get(word) or known_level(word)
    return "info" if int(word) < 4 else "warn" if int(word) < 7 else "error"


def _of_place(head: str, colon: int) -> Level | None:
    """`colon`: where the first one is; -1 for none."""
    behind = head[colon + 1 : colon + 2]
    if colon == 0 or head[0] == "#":
        match = _RUNNER.match(head)
    elif " **: " in head:
        match = _GLIB.match(head)
    elif behind in _DIGITS:
        match = _PLACED.match(head) if ": " in head else None
    elif head[colon - 1] == ")":
        match = _PLACED_IN_BRACKETS.match(head)
    elif behind == " ":
        if _MAKE.match(head):
            return "error"
        match = _TOOL.match(head)
    else:
        match = _COLONS.match(head) if behind in _LEVEL_LETTERS else None
    return known_level(match[1]) if match else None


def level_of_marked(text: str) -> Level | None:
    """The level of a message between `<![LOG[` and `]LOG]!>`; it comes after the message."""
    match = _MARKED_TYPE.search(text)
    return _TYPES[int(match[1])] if match else None


def syslog_priority(head: str) -> tuple[Level | None, int]:
    """The level of `<11>` at the head of a line, and where it ends; 0 if there is none."""
    match = _SYSLOG_PRIORITY.match(head)
    if match is None or int(match[1]) >= 192:
        return None, 0
    return known_level(int(match[1]) % 8), match.end()


def level_of_php(head: str, position: int) -> Level | None:
    match = _PHP.match(head, position)
    return _PHP_LEVELS.get(match[1], "error") if match else None


def _of_cups(head: str) -> Level | None:
    match = _CUPS.match(head)
    return _CUPS_LEVELS.get(match[1]) or known_level(match[1]) if match else None


def _of_java(head: str) -> Level | None:
    """java.util.logging, whose level is at the head of the second line."""
    match = _JUL.match(head)
    return known_level(match["word"]) if match else None


def _of_crash(head: str) -> Level | None:
    if head[0] in "EO" and _ERROR_OF.match(head):
        return "error"
    if head[0] in _CRASH_LETTERS and (level := next((level for form, level in _CRASHES if form.match(head)), None)):
        return level
    return "error" if ("Error" in head or "Exception" in head) and _EXCEPTION.match(head) else None
