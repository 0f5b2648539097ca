"""What is variable in a log line by its looks: a line becomes a template of words and typed placeholders.

Here: shape, masks, tokens, and the text that people read. Which templates are one pattern after all: `merging.py`.

Every expression runs in linear time on any text: alternatives that scan a run start only where the run starts, and are
possessive where they could give back. A line's tokens depend on the line alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

MASK_VERSION = 1  # raise it when any rule below changes: stored ids of lines it touches are then made anew

Template = tuple[str, ...]

# A placeholder is one private-use character while we work (fixed width, never a word character), "<num>" when shown.
# The first, "<*>", is what all are for identity: `took 5 ms` and `took 1.5 s` differ in kind only.
KINDS = ("*", "num", "duration", "size", "time", "ip", "mac", "host", "url", "email", "path", "uuid", "hex", "id")
_MARK = {kind: chr(0xE000 + index) for index, kind in enumerate(KINDS)}
HOLE = _MARK["*"]
MARKS = frozenset(_MARK.values())
_ANY = f"[{_MARK['*']}-{_MARK['id']}]"
_SHOWN = {ord(mark): f"<{kind}>" for kind, mark in _MARK.items()}
_MARK_OF_SHOWN = {f"<{kind}>": mark for kind, mark in _MARK.items()}
_PLACEHOLDER = re.compile("|".join(map(re.escape, _MARK_OF_SHOWN)))

LONGEST_READ = 65_536  # characters of a message that are looked at: beyond are dumps, not sentences
LONGEST_KEPT = 4_096  # what of a longer message makes the template, in bytes, once stack frames are left out
LONGEST_SHOWN = 2_000  # characters of a template as stored and shown

# -- shape: what all lines that differ in digits only have in common ------------------------------------------------

_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_SHAPE = bytes.maketrans(b"123456789" + _CONTROLS, b"0" * 9 + b" " * len(_CONTROLS))
# Stack frames of Java, JavaScript, .NET, Ruby, Python: by which path an error came is detail; what it was ("Caused by:
# ...", "ValueError: ...") is kept. Other lines of a message count like its first.
_FRAME = re.compile(rb'\n[ \t]++(?:(?:at|from|\.\.\.) [^\n]*+|File "[^\n]*+(?:\n {3,}+[^\n]*+)*+)')


def shapes_of(messages: Sequence[str]) -> list[bytes]:
    """Each message as UTF-8 with every digit 0 and control characters blank, at most `LONGEST_KEPT` bytes or so."""
    if messages and max(map(len, messages)) > LONGEST_KEPT:
        return [_cut(message) for message in messages]
    return [message.encode("utf-8", "replace").translate(_SHAPE) for message in messages]


def _cut(message: str) -> bytes:
    shape = message[:LONGEST_READ].encode("utf-8", "replace").translate(_SHAPE)
    return shape if len(message) <= LONGEST_KEPT else _FRAME.sub(b"", shape)[:LONGEST_KEPT]


# -- masks ------------------------------------------------------------------------------------------------------------

# Order matters: the first alternative that fits wins. `word` is whatever has a digit in it, with its unit.
_VARIABLE = re.compile(
    r"""
    (?P<time>(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*+,?\s++)?+
        \b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?
           |Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\s++\d{1,2}\b
        (?:,?\s+\d\d?:\d\d(?::\d\d)?)?(?:\s+[A-Z]{3,4})?(?:,?\s+\d{4})?)         # Sun Jul 10 03:55:15 2005
  | (?P<url>(?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]*+://[^\s,;"'<>()\[\]{}]+(?<![:.]))
  | (?P<email>(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]++)
  | (?P<host>(?<![\w.-])(?:[\w-]++\.)++[\w-]++:\d++\b)                           # host.name:port
  | (?P<mac>\b(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}\b)
  | (?P<path>(?<![\w/.<>*])/(?:[\w$~+%:@*?&=.-]++/?)++)                          # /a/path?query
  | (?P<drive>\b[A-Za-z]:\\[^\s,;"'<>()\[\]{}]*+)                                # C:\a\path
  | (?P<word>(?:<|(?<![\w.$\#@+*-]))[\w.$\#@+*-]*\d[\w.$\#@+*:/%-]*(?<!:)
        (?:\s?(?:[KMGT]i?B|B|ms|us|ns|secs?|s)\b)?)
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
  | (?P<size>[+-]?0+(?:[.]0+)?\s?(?:[KMGT]i?B|B))
  | (?P<duration>[+-]?0+(?:[.]0+)?\s?(?:ms|us|ns|secs?|s))
  | (?P<num>[\#+-]?0+(?:[.]0+)*%?)
  | (?P<hex>0[xX][0a-fA-F]+|[0a-fA-F]{8,})
  | (?P<path>[\w.~+%-]*/.+)
    )""",
    re.VERBOSE,
)
# " (<*>)" beside a hole comes and goes with it; neighbouring holes are one, however many.
_ASIDE = re.compile(rf"\s?\(\s*{_ANY}\s*\)|(?<={_ANY})\s?\(\s*(?:[\w-]++(?:\.[\w-]++)++)?+\s*\)")
_NEIGHBOURS = re.compile(rf"{_ANY}(?:(?:\s?[,:;|/\#=&\\.-]++\s?|\s)?{_ANY})+")
_MARKS = re.compile(_ANY)
_TOKEN = re.compile(r"""[^\s=:,;()\[\]{}"']+(?:'[a-z]+)?|[=:,;()\[\]{}"']""")


@lru_cache(maxsize=16_384)
def _mark_of_word(word: str) -> str:
    found = _WORD.fullmatch(word)
    return _MARK[found.lastgroup if found and found.lastgroup else "id"]


def _mark(found: re.Match[str]) -> str:
    kind = found.lastgroup or "*"
    if kind == "word":
        return _mark_of_word(found[0])
    if kind in ("path", "host") and len(found[0]) <= 22 and _mark_of_word(found[0]) == _MARK["ip"]:
        return _MARK["ip"]  # /10.0.0.1:50010
    return _MARK["path" if kind == "drive" else kind]


def _join(marks: set[str]) -> str:
    """The placeholder for holes of these kinds in one place: the kind they share, else `<*>`."""
    if len(marks) == 1:
        return next(iter(marks))
    return _MARK["time"] if marks == {_MARK["time"], _MARK["num"]} else HOLE


def mask(shape: bytes) -> str:
    """The text of a shape, without stack frames, with a placeholder for what is variable by its looks."""
    if b"\n" in shape:
        shape = _FRAME.sub(b"", shape)
    masked, found = _VARIABLE.subn(_mark, shape.decode("utf-8", "replace"))
    if "<" in masked:  # a line that quotes a template is a line of that template, and no line can forge another's text
        masked, quoted = _PLACEHOLDER.subn(lambda literal: _MARK_OF_SHOWN[literal[0]], masked)
        found += quoted
    if found:
        if found > 1:
            masked = _NEIGHBOURS.sub(lambda run: _join(set(_MARKS.findall(run[0]))), masked)
        if "(" in masked:
            masked = _ASIDE.sub("", masked)
    return masked


# -- templates --------------------------------------------------------------------------------------------------------


def tokenise(masked: str) -> Template:
    """Words, punctuation and typed placeholders of a masked text; never empty. A group that repeats around a hole
    (a list of addresses) is kept once."""
    typed = _TOKEN.findall(masked)
    plain = untyped(typed)
    if sum(HOLE in token for token in plain) < 2:
        return tuple(typed) or ("",)
    rest = list(plain)
    for size in (1, 2, 3, 4):
        i = 0
        while i + 2 * size <= len(rest):
            if HOLE in rest[i : i + size] and rest[i + size : i + 2 * size] == rest[i : i + size]:
                joined = joined_kinds(typed[i : i + size], typed[i + size : i + 2 * size])
                del rest[i : i + size]
                typed[i : i + 2 * size] = joined
            else:
                i += 1
    return tuple(typed) or ("",)


def untyped(template: Sequence[str]) -> Template:
    """The template by which patterns are told apart: every placeholder is `<*>`."""
    return tuple(_MARKS.sub(HOLE, "\n".join(template)).split("\n"))


def joined_kinds(one: Sequence[str], other: Sequence[str]) -> Template:
    """Two templates of one length, equal but for placeholders, as one that holds for both."""
    return tuple(
        a if a == b else _join({a, b}) if a in MARKS and b in MARKS else untyped((a,))[0]
        for a, b in zip(one, other, strict=True)
    )


def pattern_id(template: Sequence[str]) -> str:
    """16 hexadecimal digits of the template; kinds of placeholders do not count."""
    return hashlib.blake2b(" ".join(untyped(template)).encode(), digest_size=8).hexdigest()


# Quotes keep their blanks: `don 't` and `don't` are different tokens.
_BLANK_BEFORE = re.compile(r" (?=[=:,;)\]}])")
_BLANK_AFTER = re.compile(r"(?<=[=(\[{]) ")


def shown(template: Sequence[str]) -> str:
    """The template as people read it: `session opened for <id> (uid=<num>)`."""
    text = _BLANK_BEFORE.sub("", _BLANK_AFTER.sub("", " ".join(template)))
    return text.translate(_SHOWN)


def read_shown(text: str) -> Template:
    """The template that `shown` made `text` of; another one if `text` was cut or redacted, which its id tells."""
    return tuple(_TOKEN.findall(_PLACEHOLDER.sub(lambda found: _MARK_OF_SHOWN[found[0]], text))) or ("",)
