"""Find the level at the head of a line of text: logfmt, klog, log4j, nginx, PostgreSQL, Rust, …

Here: what may come before a level (times, process ids, threads, hosts), and the forms of a level. A word in prose does
not count: `0 errors found`, `user set level=error`. Forms that the first characters reveal: `own_forms.py`.
"""

from __future__ import annotations

import re

import re2

from fleexmon_pipeline.collection.reading.own_forms import level_of_form, level_of_marked, level_of_php, syslog_priority
from fleexmon_pipeline.collection.reading.text_times import (
    MAX_HEAD,
    MAX_PLAIN_WORDS,
    SERVICE_NAME,
    TIME,
    plain_words,
    without_colours,
)
from fleexmon_pipeline.levels import ALARM_LEVELS, ALL_WORDS, LEVEL_OF_WORD, LEVELS, Level, known_level

MAX_BEFORE_A_DATE = 80
MAX_HOST = 61  # characters of a host and the bracket behind it
MAX_TOKENS = 12  # before the level

_PAIR = re.compile(r'(?P<name>[A-Za-z_@][\w@.-]*)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"?|(?P<plain>[^\s"]*))(?:\s+|$)')
_PAIR_NAMES = {
    "level",
    "lvl",
    "severity",
    "at",
    "loglevel",
    "log_level",
    "log.level",
    "sev",
    "priority",
    "pri",
    "levelname",
}
# The writer of the line, if several write to one log: a program of syslog, a service of Docker Compose. A program
# counts only if a time, a bracket, or a level with a colon follows: after a process id in any case, else as in Dovecot.
# `app: error while loading` is prose.
_PROGRAM = re.compile(
    rf"{SERVICE_NAME}|[\w./-]{{1,60}}+(?:\[\d+\]: (?=[A-Za-z]{{4,9}}: )"
    r"|(?:\[\d+\])?: (?=\d{4}-|\d{6} |\[|[A-Z][a-z]{2} {1,2}\d)|(?:\[\d+\])?(?=\([A-Z][a-z]{3,8}\): )"
    r"|: (?=(?:warning|fatal|panic): )"
    r"|(?:[(<][^()<>\s]{1,60}[)>]){0,4}: (?=(?:Error|Warning|Fatal|Panic|Info|Debug): )|:(?=[a-z]{4,7} +\d{4}-)"
    r"|(?:\[\d+\])?: (?=(?:level|lvl|ts|time|t|severity)=))"
)
# Host and program after a time, as in syslog; a form with a level may follow.
_BEHIND_SYSLOG = re.compile(
    r" (?:[\w.-]{1,60} [\w./-]{1,60}(?:\[\d+\])?: |[\w-]{1,60}\[[\w.-]{1,60}\]: |std(?:out|err) [FP] )"
)
_TAGGED = re.compile(r"[\w./-]{1,60}(?:\[[\w.:-]{1,30}\])?: ")  # Heroku: `heroku[router]: at=error …`
_LEVEL_OF_MODULE = re.compile(r"[\w./-]{1,60}\[([A-Z]{4,9})\](?=:)")  # cloud-init: `util.py[WARNING]: …`
_ALARM = re.compile(r"(MINOR|MAJOR): ")  # Nokia
_PRIORITY_IN_BRACKETS = re.compile(r"(?:Em|Al|Cr|Er|Wa|No|In|Db)\((\d{1,3})\) ")  # VMware
_EPOCH_CELL = re.compile(r"\d{10}(?:\.?\d{3,9})?(?=,)")
MAX_CELLS = 6  # of a row of values, behind its time
_LATER_DATE = re.compile(r"(?<=[\s:])20\d\d[-/]\d\d[-/]\d\d[T ]\d\d:\d\d")
_ODD_STARTS = frozenset("<{")
# Prefix of container runtimes: the stream, and whether the line is complete.
_CRI = re.compile(r"std(?:out|err) [FP] ")
_SEPARATOR = re.compile(
    r"\s*\|-(?=[A-Z])|[\s|,;–⋮]+|-{1,3}>?(?= )|: |:(?=[A-Z]{4,9} ?:)|[#*]{1,4}(?=[<\[\d])|\*(?=[A-Z][a-z]{2} )"
)
_BRACKETS = re.compile(r"\[([^\[\]]{0,100})\]:?|\(([^()]{0,60})\):?|<([^<>]{0,60})>:?|\{([^{}]{0,60})\}")
_NUMBER = re.compile(r"[\d.]+#\d+:?|\d+[:.]?(?=[\s\[;])")
_IDENTIFIER = re.compile(r"[\w@./$%~#=,:-]+(?:\(\w{0,20}\))?(?:\[[\w.:-]{1,30}\])?:?(?=\s|\||$)|\"[^\"]{1,40}\"")
_WORD = re.compile(r"(?:[\w.-]+\.|[\w-]++\[\d{1,10}\]\.)?([A-Za-z]{1,14}[0-9]?)")
# After a time, these are always levels: no sentence begins with them. `error handling enabled` may be a sentence.
_NO_PROSE = frozenset("err warn wrn dbg debug inf info trc trace crit emerg".split())  # noqa: SIM905
_BLANKS = re.compile(r"[\s#|]{1,4}(?=\S)")  # between a time and what came at it
_MARKS = frozenset("*!>=#~-")
_MARKED = re.compile(r"[*!>=#~-]{2,6} +(?=[A-Z]{4,9}\b)")  # `*** ERROR ***`
_IN_JSON = re.compile(r'"(?:level|severity|lvl|levelname|log\.level)"\s?:\s?"([A-Za-z]{3,14})"')
# What follows a level in small letters, unlike a word of prose: a sign, a column, or the writer of the line.
_AFTER_WORD = re.compile(
    r":|;|\||\]| - |\t| {2,}\S|!|/| \[| : | [\w./-]{1,60}(?:\[\d{1,10}\][ :]| : |:\d{1,6}: )"
    r"| 0x[0-9a-f]+ | \d{4}-\d\d-\d\d|\[\w{1,12}\]: "
)
_BOUNDARY = re.compile(r"[\s:;|/!\]\[(,=>-]|$")
_PAIR_IN_BRACKETS = re.compile(r"[^\s:#]*[:#][^\s:#]+")
_FIRST_IN_BRACKETS = re.compile(r"([A-Z][a-z]{3,8}) *: *(?=[^\s\d:])")  # BepInEx: `[Error  :  Unity Log]`
_MODULE_AND_LEVEL = re.compile(r"[\w.-]{1,40}:([a-z]{4,9}),(?=\d{4}-)")  # Couchbase
_TIMES_IN_BRACKETS = re.compile(r"\d\d:\d\d|\d{4}-\d\d|\d{4}/\d{6}")
# Words that are a level only in capitals, only with a colon, or only with both (PostgreSQL).
_IN_CAPITALS = frozenset("default system success audit config http note grave notice".split())  # noqa: SIM905
_WITH_COLON = frozenset("fail failed failure assert fine finer finest".split())  # noqa: SIM905
_WITH_BOTH = frozenset("log statement detail hint context".split())  # noqa: SIM905
# MongoDB up to 4.2: `E NETWORK  [conn1] …`; telegraf: `E! …`; GlusterFS: `E [MSGID: 1]`; etcd: `E | …`; Tarantool:
# `E> …`; TensorFlow: `E a/b.cc:12] …`; WebSphere: `E   SRVE0255E: …`.
_LETTERS = re.compile(
    r"([DIWEF])(?:\s+[A-Z]{3,}|! |> |:\s|\s+[\[|]|\s+\S+:\d+\])|([DWEF]) \w+\.\w[\w.]*[ :]"
    r"|[DIEF]\s+[\w.-]{1,60}\[\d+:[0-9a-f]+\]"  # macOS
)
# The same before a source location, with or without a component between them: lnav, SAP HANA
_LETTER_AND_PLACE = re.compile(r"([DIWEFdiwef]) +(?:\w{1,40} +)?[\w./-]{1,80}\.\w{1,4}(?::\d+|\(\d+\))")
_PLAIN_SIGNS = "\u2000"  # the characters behind it are signs and pictures, if no letters
_PICTURES = re.compile(r"[^\w\s\[\](){}<>\"'%@#*!+=-]{1,4}\s*")
_NO_WORD = re.compile(r"[\d@./$:\[_#=]")
_UPTIME = re.compile(r"\d{1,7}\.\d{3,6}s?(?=\s)")  # of a program or a kernel, in seconds
_FACILITIES = r"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7])"
# DB2: `LEVEL: Error`; syslog-ng's `$HOST($FACILITY.$PRIORITY)`
_NAMED_WORD = re.compile(
    rf"(?:(?:level|severity|loglevel) ?: ?|[\w.-]{{1,60}}\({_FACILITIES}\.(?=[a-z]{{3,7}}\) ))([A-Za-z]{{3,12}})\b",
    re.IGNORECASE,
)
_CAPITAL_AND_CLASS = re.compile(r"([A-Z][a-z]{3,10}) [A-Z][\w.]{2,60}: ")  # Emby: `Error HttpServer: …`
_TOPICS = re.compile(r"[a-z][a-z0-9-]{2,20}(?:,!?[a-z0-9-]{2,20}){1,5} (?=\S)")
_TOPIC_LEVELS = frozenset("debug info warning error critical".split())  # noqa: SIM905
_FACILITY = re.compile(rf"{_FACILITIES}\.", re.IGNORECASE)

# Whether a head may contain a level after its first word at all: RE2 searches for all words at once, ten times as fast
# as stepping over the words of a sentence.
_MAY_SAY = re2.compile(
    rf"(?i)(?:^|[^a-z])(?:{'|'.join(sorted(word for word in ALL_WORDS if word.isascii() and len(word) > 1))})"
    r"(?:[^a-z]|$)|error|exception|(?:level|severity)[\"' ]{0,2}[=:]|[^\x00-\x7f]"
    r"|(?-i:(?:^|[^A-Za-z])(?:[A-Z]|EE|WW|II|DD|MINOR|MAJOR)(?:[^A-Za-z]|$))"
).search


def level_in_text(text: str) -> Level | None:
    """The level at the head of a text; None if it has none."""
    head = _head_of(text)
    if not head:
        return None
    if head[0] == "<" and head.startswith("<![LOG["):
        return level_of_marked(text)
    if level := _level_of(head):
        return level
    match, time = _PROGRAM.match(head) if head[0] not in _MARKS else _MARKED.match(head), None
    if match is None and (time := TIME.match(head)):
        match = _BEHIND_SYSLOG.match(head, time.end())
    if match is None:
        level = _of_form_behind(head, time.end()) if time else None
        return level or _behind_columns(head) or (_behind_a_tag(head) if '{"' in head else None)
    rest = head[match.end() :].lstrip()
    if level := _level_of(rest):
        return level
    inner = _PROGRAM.match(rest)  # behind the host and program of syslog: `dovecot: imap(bob)<1><x>: Error: …`
    return _level_of(rest[inner.end() :]) if inner else None


def _head_of(text: str) -> str:
    """The part of a text that may contain its level, without colours and pictures."""
    return _without_pictures(without_colours(text[:MAX_HEAD]).lstrip("\ufeff \t"))


def _without_pictures(head: str) -> str:
    """`✖ ERROR  …`, `┌ Error: …`"""
    return _PICTURES.sub("", head, 1) if head and head[0] > _PLAIN_SIGNS and not head[0].isalnum() else head


def _of_form_behind(head: str, position: int) -> Level | None:
    """A line in a form of its own behind the time at which it came: `kubectl logs --timestamps`, serial consoles."""
    behind = _BLANKS.match(head, position)
    rest = head[behind.end() :] if behind else ""
    if not rest:
        return None
    bare = _without_pictures(rest)
    return level_of_form(rest) if bare is rest else _level_of(bare)


def _behind_a_tag(head: str) -> Level | None:
    """A record behind columns: Fluentd's time and tag, a service of Swarm, `kubectl logs --prefix --timestamps`."""
    place = head.find('{"')
    if not TIME.search(head, 0, place) or plain_words(head[:place]) > MAX_PLAIN_WORDS:
        return None
    return known_level(match[1]) if (match := _IN_JSON.search(head, place)) else None


def _behind_columns(head: str) -> Level | None:
    """The level after a host or file and a date: `10.0.0.9 2026-11-20 10:05:00 UTC [7] FATAL:  …`."""
    date = _LATER_DATE.search(head, 1, MAX_BEFORE_A_DATE) if "20" in head[1:MAX_BEFORE_A_DATE] else None
    if date is None or plain_words(head[: date.start()]) > MAX_PLAIN_WORDS:
        return None
    return _level_of(head[date.start() :])


def _level_of(head: str) -> Level | None:
    if not head:
        return None
    if head[0] in _ODD_STARTS or head[:3] == "std":
        level, is_sure = _of_odd_start(head)
        if is_sure:
            return level
    first, _, rest = head.partition("\n")
    level = level_of_form(head) or _of_pairs(head) or _of_head(first) or _of_row(head)
    if level is None and rest and TIME.fullmatch(first.rstrip()):  # Oracle: a time, and what happened in the next line
        return _level_of(rest)
    return level


def _of_odd_start(head: str) -> tuple[Level | None, bool]:
    """The level of a syslog priority, a container runtime's prefix or JSON, and whether the search ends here."""
    if head[0] == "{":  # behind the name of a service, or cut
        return known_level(match[1]) if (match := _IN_JSON.search(head)) else None, True
    if head[0] == "<":
        level, end = syslog_priority(head)
        return (level_in_text(head[end:]) or level, True) if end else (None, False)
    match = _CRI.match(head)
    return (level_in_text(head[match.end() :]), True) if match else (None, False)


def _of_pairs(head: str) -> Level | None:
    """logfmt, also after a time. The pairs must begin there and follow each other without other words."""
    if "=" not in head:
        return None
    position = match.end() if (match := TIME.match(head)) else 0
    while separator := _SEPARATOR.match(head, position):
        position = separator.end()
    if position and (program := _TAGGED.match(head, position)):
        position = program.end()
    while pair := _PAIR.match(head, position):
        if pair["name"].lower() in _PAIR_NAMES and (level := known_level(pair["quoted"] or pair["plain"])):
            return level
        position = pair.end()
    return None


def _of_row(head: str) -> Level | None:
    """A row of values that begins with a time, with a level's word in one of the next: Packer, exports of stores."""
    time = (TIME.match(head) or _EPOCH_CELL.match(head)) if "," in head else None
    if time is None or not head.startswith(",", time.end()):
        return None
    cells = (cell.strip('"').lower() for cell in head[time.end() + 1 :].split(",", MAX_CELLS)[:MAX_CELLS])
    return next((LEVEL_OF_WORD[cell] for cell in cells if len(cell) > 2 and cell in LEVEL_OF_WORD), None)


def _of_head(head: str) -> Level | None:  # noqa: PLR0911 - a loop over tokens
    """Step over tokens that may come before a level, until there is a level or something else."""
    uptime = _UPTIME.match(head)
    position = uptime.end() if uptime else 0
    anchored = uptime is not None  # after a time or a bracket, more forms are certainly a level
    may_say = False
    plain = dated = 0  # words since the last column; where a time ends
    for _ in range(MAX_TOKENS):
        while separator := _SEPARATOR.match(head, position):
            position = separator.end()
        if match := TIME.match(head, position):
            position = dated = match.end()
            anchored = True
        elif match := _BRACKETS.match(head, position):
            if level := _in_brackets(next(group for group in match.groups() if group is not None)):
                return level
            position, anchored = match.end(), True
        elif level := _word_at(head, position, anchored=anchored, plain=plain) or _of_topics(head, position):
            return level
        elif not anchored:
            return None
        elif level := _behind_a_time(head, position, dated):
            return level
        elif not (may_say := may_say or _MAY_SAY(head) is not None):
            return None
        else:
            position, plain = _stepped(head, position, plain)
            if not position:
                return None
    return None


def _behind_a_time(head: str, position: int, dated: int) -> Level | None:
    first = head[position : position + 1]
    if first in "EACWNID" and (match := _PRIORITY_IN_BRACKETS.match(head, position)):
        return known_level(int(match[1]) % 8)
    if first == "M" and (match := _ALARM.match(head, position)):
        return ALARM_LEVELS[match[1].lower()]
    if "[" in head and (match := _LEVEL_OF_MODULE.match(head, position)) and _is_level_word(match[1]):
        return known_level(match[1])
    is_host = position <= dated + 2 and head.find("(", position, position + MAX_HOST) > 0
    if (first in "lLsS" or is_host) and (match := _NAMED_WORD.match(head, position)):
        return known_level(match[1])
    if position <= dated + 2 and first.isupper() and (match := _CAPITAL_AND_CLASS.match(head, position)):
        return known_level(match[1])
    return level_of_php(head, position) if first == "P" else None


def _stepped(head: str, position: int, plain: int) -> tuple[int, int]:
    """Where the next token begins, and the plain words before it; 0 if there is none, or prose has begun."""
    if match := _NUMBER.match(head, position):
        return match.end(), plain
    match = _IDENTIFIER.match(head, position)
    if match is None or plain > 1:
        return 0, plain
    # A column, or a program and its process id, before a message.
    if head.startswith("  ", match.end()) or match[0].endswith("]:"):
        return match.end(), 0
    # A word of prose, unless it is a host or a user.
    return match.end(), plain + (_NO_WORD.search(match[0]) is None)


def _of_topics(head: str, position: int) -> Level | None:
    """RouterOS: `system,error,critical login failure`."""
    match = _TOPICS.match(head, position) if "," in head else None
    if match is None:
        return None
    levels = [LEVEL_OF_WORD[word] for word in match[0].strip().split(",") if word in _TOPIC_LEVELS]
    return max(levels, key=LEVELS.index, default=None)


def _in_brackets(inside: str) -> Level | None:
    """`[ERROR]`, `[core:error]`, `[10:05:00 ERR]`, `[2026-… ERROR shop::cart]`, `[…: ERROR/MainProcess]`, `(EE)`."""
    words = re.split(r"[\s|/,]+|(?<!:):(?!:)|#", inside.strip())
    if len(words) == 1:
        word = words[0].strip("- ")
        if len(word) == 2 and word[0] == word[1] in "EWID":  # X.Org
            word = word[0]
        return known_level(word) if _is_level_word(word) and (len(word) > 1 or word.isupper()) else None
    if len(words) == 2 and _PAIR_IN_BRACKETS.fullmatch(inside.strip()):  # Apache's module and level, or the reverse
        return next((known_level(word) for word in words[::-1] if len(word) > 2 and _is_level_word(word)), None)
    if match := _MODULE_AND_LEVEL.match(inside) or _FIRST_IN_BRACKETS.match(inside):
        return known_level(match[1]) if _is_level_word(match[1]) else None
    if all(word.isupper() and word.isalpha() for word in words):  # [DEPRECATION WARNING]
        level = known_level(words[-1]) if _is_level_word(words[-1]) else None
        return None if level == "info" else level  # [UFW AUDIT] says nothing
    if not _TIMES_IN_BRACKETS.search(inside):
        _thread, slash, word = inside.rpartition("/")  # Minecraft's `[Server thread/WARN]`
        return known_level(word) if slash and word.isupper() and _is_level_word(word) else None
    return next((known_level(word) for word in words if word.isupper() and _is_level_word(word)), None)


def _is_level_word(word: str) -> bool:
    lowered = word.lower()
    return (
        lowered.isalpha()
        and lowered not in _WITH_BOTH
        and (lowered in LEVEL_OF_WORD or known_level(lowered) is not None)
    )


def _word_at(head: str, position: int, *, anchored: bool, plain: int) -> Level | None:
    match = _WORD.match(head, position)
    if match is None or not _BOUNDARY.match(head, match.end()):
        return None
    word = match[1]
    if len(word) == 1:
        letter = anchored and (_LETTERS.match(head, position) or _LETTER_AND_PLACE.match(head, position))
        return known_level(word) if letter else None
    prefix = match[0][: -len(word)]  # `app.ERROR:` of Monolog, `daemon.err` of syslog
    if _FACILITY.fullmatch(prefix):
        return known_level(word)
    if anchored and plain == 0 and not prefix and word.lower() in _NO_PROSE and head.startswith(" ", match.end()):
        return known_level(word)
    if prefix and plain == 0 and head.startswith(': {"', match.end()):  # Fluentd's own: `fluent.error: {"message": …`
        return known_level(word)
    is_level = word.isupper() or (not prefix and plain == 0 and _AFTER_WORD.match(head, match.end()))
    # `FINE: …`, and as JBoss writes it: `FINE  [javax.faces] …`
    behind = head[match.end() :].lstrip()[:1]
    has_colon = head.startswith(":", match.end()) or (word.startswith("FINE") and behind == "[")
    return known_level(word) if is_level and _is_plausible(word, has_colon=has_colon) else None


def _is_plausible(word: str, *, has_colon: bool) -> bool:
    lowered = word.lower()
    if lowered in _WITH_BOTH:
        return word.isupper() and has_colon
    return (has_colon or lowered not in _WITH_COLON) and (word.isupper() or lowered not in _IN_CAPITALS)
