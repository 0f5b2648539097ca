"""What is variable in a log line, by its looks or by its place: a line becomes words and typed placeholders.

Here: shape and masks. Its tokens, and the text that people read: `templates.py`; placeholders: `placeholders.py`.

Every expression runs in linear time on any text: alternatives that scan a run start only where the run starts, and are
possessive where they could give back. A line's tokens depend on the line alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fleexmon_pipeline.patterns.placeholders import (
    ANY,
    ANY_MARK,
    HOLE,
    MARK,
    MARK_OF_SHOWN,
    MARKS,
    PLACEHOLDER,
    shared_kind,
)

MASK_VERSION = 3  # raise it when a rule here or in templates.py changes: stored ids of lines it touches are made anew

LONGEST_READ = 65_536  # characters of a message that are looked at: beyond are dumps, not sentences
LONGEST_KEPT = 4_096  # what of a longer message makes the template, in bytes, once stack frames are left out
LONGEST_WORD = 100  # characters of a word whose mask is remembered
MOST_WORDS = 100_000  # of them, 20 MB

# -- shape: what all lines that differ in digits only have in common ------------------------------------------------

_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_SHAPE = bytes.maketrans(b"123456789" + _CONTROLS, b"0" * 9 + b" " * len(_CONTROLS))
_SHAPES = b"\0" + _SHAPE[1:]
# Stack frames of Java, JavaScript, .NET, Ruby, Python: by which path an error came is detail; what it was ("Caused by:
# ...", "ValueError: ...") is kept. Other lines of a message count like its first.
_FRAME = re.compile(
    rb'\n[ \t]++(?:(?:at|from|\.\.\.) [^\n]*+|File "[^\n]*+(?:\n {3,}+[^\n]*+)*+)'
    rb"|\n[^\s][^\n]*+\n\t/[^\n]*+"  # Go: a function, below it an indented path
)


def shapes_of(messages: Sequence[str]) -> list[bytes]:
    """Each message as UTF-8 with every digit 0 and control characters blank, at most `LONGEST_KEPT` bytes or so."""
    if not messages:
        return []
    if max(map(len, messages)) > LONGEST_KEPT:
        return [_cut(message) for message in messages]
    # One translation for all is five times as fast as one for each. NUL, which PostgreSQL cannot hold, parts them.
    shapes = "\0".join(messages).encode("utf-8", "replace").translate(_SHAPES).split(b"\0")
    if len(shapes) == len(messages):
        return shapes
    return [message.encode("utf-8", "replace").translate(_SHAPE) for message in messages]


def _cut(message: str) -> bytes:
    shape = message[:LONGEST_READ].encode("utf-8", "replace").translate(_SHAPE)
    return shape if len(message) <= LONGEST_KEPT else _FRAME.sub(b"", shape)[:LONGEST_KEPT]


# -- masks ------------------------------------------------------------------------------------------------------------

# Within a word, blanks around it. Order matters: the first alternative that fits wins. `word`: whatever has a digit.
_VARIABLE = re.compile(
    r"""
    (?P<url>(?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]*+://[^\s,;"'<>()\[\]{}]+(?<![:.]))
  | (?P<ip>(?<![\w./-])[A-Za-z][\w.-]*+/0{1,3}(?:\.0{1,3}){3}(?::0+)?(?![\w.])) # name/0.0.0.0:0
  | (?P<email>(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]++)
  | (?P<host>(?<![\w.-])(?:[\w-]++\.)++[\w-]++:\d++\b)                           # host.name:port
  | (?P<account>(?<![\w.+@-])[A-Za-z][\w.-]*+@[A-Za-z][\w-]*+(?![\w.@/-]))              # root@db, celery@host
  | (?P<mac>\b(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}\b)
  | (?P<path>(?<![\w/.<>*])/(?:[\w$~+%:@*?&=.-]++/?)++|(?<=['"(\[])/(?=['")\]]))       # /a/path?query, or '/'
  | (?P<image>(?<![\w./-])[\w-]++(?:\.[\w-]++)++(?::\d++)?/[^\s,;"'<>()\[\]{}]++)       # host.name/path:tag
  | (?P<item>(?<![\w.$\#@+*/-])(?:[\w.-]++/)++(?=[\w.:-]*[A-Za-z])(?=[\w.:-]*\d)[\w.:@-]++) # space/name-5f
  | (?P<drive>\b[A-Za-z]:\\[^\s,;"'<>()\[\]{}]*+)                                # C:\a\path
  | (?P<word>(?:<|(?<![\w.$\#@+*-]))[\w.$\#@+*-]*\d[\w.$\#@+*:/%-]*(?<!:))
  | (?P<hex>\b[0-9a-fA-F]{8,}\b)
    """,
    re.VERBOSE,
)
# What a word with digits is, for readers; every digit is 0 by then.
_WORD = re.compile(
    r"""<?(?:
    (?P<time>0{4}[-/.]0{1,2}[-/.]0{1,2}(?:[T_.:-]0{1,2}:00(?::00)?(?:\.0+)?)?(?:Z|[+-]00:?00)?
        |0{1,2}:00(?::00)?(?:\.0+)?(?:Z|[+-]00:?00)?)
  | (?P<ip>/?0{1,3}(?:\.0{1,3}){3}(?:[:/]0+)?
        |(?=[^:]*+(?:::|:(?:[^:]++:){6}))[0a-fA-F:]{3,39})
  | (?P<uuid>[0a-fA-F]{8}(?:-[0a-fA-F]{4}){3}-[0a-fA-F]{12})
  | (?P<size>[+-]?0+(?:[.]0+)?(?:[kKMGT]i?B|B))
  | (?P<duration>[+-]?0+(?:[.]0+)?(?:ms|us|µs|ns|secs?|s))
  | (?P<num>[\#+-]?0+(?:[.]0+)*%?)
  | (?P<hex>0[xX][0a-fA-F]+|[0a-fA-F]{8,})
  | (?P<path>[\w.~+%-]*/.+)
    )""",
    re.VERBOSE,
)
_HEX = re.compile("[0-9a-fA-F]{8,}")


@lru_cache(maxsize=16_384)
def _mark_of_word(word: str) -> str:
    found = _WORD.fullmatch(word)
    return MARK[found.lastgroup if found and found.lastgroup else "id"]


_SHOWN_AS = {"drive": "path", "image": "path", "item": "id", "account": "id"}


def _mark(found: re.Match[str]) -> str:
    kind = found.lastgroup or "*"
    if kind == "word":
        return _mark_of_word(found[0])
    if kind in ("path", "host") and len(found[0]) <= 22 and _mark_of_word(found[0]) == MARK["ip"]:
        return MARK["ip"]  # /10.0.0.1:50010
    return MARK[_SHOWN_AS.get(kind, kind)]


class _Words(dict[str, str]):
    """word -> masked word. Lines are made of few words: the expressions run for the new ones alone."""

    def __missing__(self, word: str) -> str:
        if word.isascii() and word.isalnum():  # most words: of the expressions only the last two could fit
            masked = _mark_of_word(word) if "0" in word or _HEX.fullmatch(word) else word
        else:
            masked = _VARIABLE.sub(_mark, word) if word != "/" else MARK["path"]
        if "<" in masked:  # a line that quotes a template is a line of that template; none can forge another's text
            masked = PLACEHOLDER.sub(lambda literal: MARK_OF_SHOWN[literal[0]], masked)
        if len(word) <= LONGEST_WORD:
            if len(self) >= MOST_WORDS:
                self.clear()
            self[word] = masked
        return masked


_words = _Words()


def mask_words(shape: bytes) -> str:
    """The text of a shape, without stack frames, with a placeholder for what is variable in it by its looks alone."""
    if b"\n" in shape:
        shape = _FRAME.sub(b"", shape)
    words = shape.decode("utf-8", "replace").split()
    if len(words) > 1 and words[0] in VERBS and words[1][0] == "/":
        return " ".join([words[0], _route(words[1]), *map(_words.__getitem__, words[2:])])
    return " ".join(map(_words.__getitem__, words))


# -- what is variable by its place -------------------------------------------------------------------------------------

VERBS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))


def _route(path: str) -> str:
    """`/products/15?page=2` as `/products/<num>?<*>`: a line that begins with verb and path is about that route."""
    route, asked, _ = path.partition("?")
    segments = [_words[s] if s and _words[s] != s else s for s in route.split("/")[1:]]
    return "".join(f"/{_segment(s)}" for s in segments) + (f"?{HOLE}" if asked else "")


def _segment(masked: str) -> str:
    marks = ANY_MARK.findall(masked)
    return masked if not marks else MARK["id"] if len(masked) > 1 else masked


# Whose value is the message itself, or what tells one statement from another; any other value is variable.
TELLING = frozenset(
    """msg message event text err error exception reason cause desc description detail details title summary
    level lvl severity""".split()  # noqa: SIM905
)
_QUOTED = r'"(?:[^"\\]|\\.){0,2000}+"'
_BARE = r"""[^\s,;&"'()\[\]{}<>=]++"""
_BARE_LIST = rf"{_BARE}(?:,{_BARE}(?=[\s,;)]|$))*+"
_PAIR = re.compile(rf"""(?<![\w.-])([A-Za-z_][\w.-]*+)=({_QUOTED}|'[^']{{1,200}}+'|<[^<>\s]{{1,200}}+>|{_BARE_LIST})""")
_KEY = r"[\w.@$-]{1,60}+"
_MEMBER_VALUE = rf"""\s?:\s?({_QUOTED}|'[^']{{0,200}}+'|[^\s,"'(){{}}\[\]]++|(?=[\[{{]))"""
_FLAG = re.compile(r"(?<==\s)(?:true|false|yes|no|null|none)\b", re.IGNORECASE)
_MEMBER = re.compile(rf'"({_KEY})"{_MEMBER_VALUE}')
_DICT_MEMBER = re.compile(rf"""["']({_KEY})["']{_MEMBER_VALUE}""")
_LIST = re.compile(r"(?<=:\s)\[[^\[\]{}]{0,1000}+\]")
_NAMED = re.compile(rf"""(?<!\w)"(?:[^\s"]{{1,200}}+|[\w.-]++/{ANY}[^"]{{0,1000}}+)"(?!\s?:)""")
_ROOT = re.compile(rf"""(?<!\w)({"|".join(sorted(VERBS))}) /(?=[\s"'?]|$)""")


def _value(text: str) -> str:
    inner = text[1:-1] if text[0] in "\"'" else text
    return inner if inner in MARKS else HOLE


def _pair(found: re.Match[str]) -> str:
    key, value = found[1], found[2]
    return found[0] if key.lower() in TELLING else f"{key}={_value(value)}"


def _member(found: re.Match[str]) -> str:
    key, value = found[1], found[2]
    if not value:
        return f"{key}: "
    if key.lower() in TELLING:
        inner = value[1:-1].replace('\\"', '"').replace("\\n", " ") if value[0] in "\"'" else value
        return f"{key}: {inner}"
    return f"{key}: {_value(value)}"


def _by_place(masked: str) -> str:
    if "=" in masked:
        masked = _FLAG.sub(HOLE, _PAIR.sub(_pair, masked))
    if '"' in masked or "'" in masked:
        masked = _ROOT.sub(rf"\1 {MARK['path']}", masked)
        masked = (_DICT_MEMBER if "{" in masked else _MEMBER).sub(_member, masked)
        masked = _LIST.sub(HOLE, masked)
        masked = _NAMED.sub(lambda found: _value(found[0]), masked)
    return masked


# Sun Jul 10 03:55:15 2005, once digits are placeholders; a number and its unit.
_NUM, _CLOCK = MARK["num"], f"[{MARK['time']}{MARK['num']}]"
_APART = re.compile(
    rf"""(?P<time>(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*+,?\s)?+
        \b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?
           |Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\s{_NUM}
        (?:,?\s{MARK["time"]})?(?:\s[A-Z]{{3,4}}\b)?(?:,?\s{_NUM})?)
    |(?P<size>{_NUM}\s[kKMGT]?i?B\b)
    |(?P<duration>{_NUM}\s(?:ms|us|µs|ns|secs?|s)\b)""",
    re.VERBOSE,
)
# What has no value, as access logs write it: `<num> -`, `<url> - - -`.
_ABSENT = re.compile(rf"(?<={ANY})(?:\s-)++(?=$|\s{ANY})")
_LOGIN = re.compile(rf"(?<=^{MARK['ip']} - )\S+(?= \[)")  # whom the common log format names
# Of records in a list the first stands for all that look like it; a list is as long as it happens to be.
_ALIKE = re.compile(r"([{(][^{}()]{1,500}+[})])(?:,\s?\1)+")
# What a call returned, at the end of a line.
_RETURNED = re.compile(r"(?<=: )(?:None|True|False|'[^']{0,100}'|\(\)|\{\}|\[\])$")
# " (<*>)" beside a hole comes and goes with it; neighbouring holes are one, however many.
_ASIDE = re.compile(rf"(?<!=)\s?\(\s*{ANY}\s*\)|(?<={ANY})\s?\(\s*[\w.-]*+\s*\)")
_NEIGHBOURS = re.compile(rf"{ANY}(?:(?:\s?[,:;|/\#=&\\.-]++\s?|\s)?{ANY})+")


def finish(masked: str) -> str:
    """What `mask_words` left, with placeholders also for what is variable by its place; neighbours are one."""
    masked = _by_place(masked)
    if not ANY_MARK.search(masked):
        return masked
    masked = _RETURNED.sub(HOLE, _APART.sub(lambda found: MARK[found.lastgroup or "*"], masked))
    verb, _, rest = masked.partition(" ")
    if verb in VERBS and rest[:1] == "/":
        return masked
    masked = _LOGIN.sub(HOLE, _ABSENT.sub("", masked))
    masked = _NEIGHBOURS.sub(lambda run: shared_kind(set(ANY_MARK.findall(run[0]))), masked)
    masked = _ALIKE.sub(r"\1", masked) if "{" in masked or "(" in masked else masked
    return _ASIDE.sub("", masked) if "(" in masked else masked


def mask(shape: bytes) -> str:
    """The text of a shape with a placeholder for whatever is variable."""
    return finish(mask_words(shape))
