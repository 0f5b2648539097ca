"""Lines whose first characters say their level in a form of their own: klog, Redis, Ruby, Cisco, crashes, …

Here: forms that are known by how they begin. A level word behind times, hosts and brackets: `text_levels.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.levels import Level, known_level

# With the year or without: Kubernetes, Google's glog, CockroachDB.
_KLOG = re.compile(r"([IWEF])(?:\d{4}|\d{6}|\d{8}) \d\d:\d\d:\d\d\.\d+ +\d+ [^ \]]+:\d+(?:\]| )")
_SYSLOG_PRIORITY = re.compile(r"<(\d{1,3})>\d? ?")
_REDIS = re.compile(r"\d+:[MSCX] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+ ([.*#-]) ")
_REDIS_LEVELS: dict[str, Level] = {".": "debug", "-": "info", "*": "info", "#": "warn"}
_RUBY = re.compile(r"[DIWEFA], \[[^\]]+\] +([A-Z]+) -- ")
_LOGCAT = re.compile(r"(?:[\d-]+ [\d:.]+ +\d+ +\d+ )?([VDIWEF])(?:/[\w. ]+\( *\d+\): | [\w.$-]+ *: )")
_ESPRESSIF = re.compile(r"([VDIWE]) \(\d{1,12}\) [\w.-]{1,40}: ")
_APT = re.compile(r"([EWNI]): (?=\S)")  # apt, PulseAudio
_CUPS = re.compile(r"([XACEWNIDd]) \[\d{1,2}/[A-Z][a-z]{2}/\d{4}:")
_CUPS_LEVELS: dict[str, Level] = {"X": "fatal", "A": "fatal", "C": "fatal", "N": "info", "d": "debug"}
_ERLANG = re.compile(r"=(ERROR|WARNING|INFO|CRITICAL|NOTICE|DEBUG) REPORT==== ")
_NPM = re.compile(r"(?:npm|yarn|pnpm|lerna) (ERR!|WARN|error|warn|notice|info)(?= )")
_PHP = re.compile(r"PHP (Fatal error|Parse error|Recoverable fatal error|Warning|Notice|Deprecated|Core error): ")
_PHP_LEVELS: dict[str, Level] = {"Warning": "warn", "Notice": "info", "Deprecated": "warn"}
_COMPILER = re.compile(r"(error|warning|fatal error)\[[A-Z]{1,4}\d{1,5}\]: ")  # Rust
# Cisco and its relatives: %LINK-3-UPDOWN: …, behind times, hosts and counters.
_CISCO = re.compile(r"[^%\n]{0,120}%[A-Z][A-Z0-9_]{1,30}(?:-[A-Z][A-Z0-9_]{0,30}){0,3}-([0-7])-[A-Z0-9_]{2,40}:")
_JUL = re.compile(
    r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M [\w.$]+ [\w<>$]+\s*\n(?P<word>[^\W\d_]{4,16}): "
)
_CRASHES: list[tuple[re.Pattern[str], Level]] = [
    (re.compile(r"panic: |fatal error: |thread '[^']*' (?:\(\d+\) )?panicked at |SIG(?:SEGV|ABRT|BUS)\b"), "fatal"),
    (
        re.compile(
            r"Traceback \(most recent call last\):|Exception in thread |Unhandled [Ee]xception|Uncaught \w"
            r"|\+ Exception Group Traceback"
        ),
        "error",
    ),
    (re.compile(r"\*\* \(\w[\w.]*\) |=(?:CRASH|SUPERVISOR) REPORT==== "), "error"),
]
_CRASH_LETTERS = frozenset("pftSTEU*+=")  # that these begin with
_EXCEPTION = re.compile(r"(?:[A-Za-z_$][\w$]*[.:]{1,2})*[A-Z][\w$]*(?:Exception|Error)(?:: |$)")
# Forms with a level of their own, by the characters that they may begin with.
_DIGITS = frozenset("0123456789")
_FORMS = (
    (_KLOG, "IWEF"),
    (_LOGCAT, "VDIWEF-0123456789"),
    (_RUBY, "DIWEFA"),
    (_ESPRESSIF, "VDIWE"),
    (_APT, "EWNI"),
    (_NPM, "nypl"),
    (_ERLANG, "="),
    (_COMPILER, "ewf"),
)
_FORMS_OF = {
    first: tuple(form for form, letters in _FORMS if first in letters) for _, all_of in _FORMS for first in all_of
}


def level_of_form(head: str) -> Level | None:
    """Only forms that may begin with the first character are tried: most lines begin with none of them."""
    first = head[0]
    for form in _FORMS_OF.get(first, ()):
        if match := form.match(head):
            return known_level(match[1])
    if "%" in head and (match := _CISCO.match(head)):
        return known_level(int(match[1]))
    if first in _DIGITS:
        return _REDIS_LEVELS[match[1]] if (match := _REDIS.match(head)) else None
    if first == "P" and (level := level_of_php(head, 0)):
        return level
    if head[1:3] == " [" or "\n" in head:
        return _of_cups(head) or _of_java(head) or _of_crash(head)
    return _of_crash(head)


def syslog_priority(head: str) -> tuple[Level | None, int]:
    """What `<11>` at the head of a line says, and where it ends; 0 if there is none."""
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
    if head[0] in _CRASH_LETTERS and (level := next((level for form, level in _CRASHES if form.match(head)), None)):
        return level
    return "error" if ("Error" in head or "Exception" in head) and _EXCEPTION.match(head) else None
