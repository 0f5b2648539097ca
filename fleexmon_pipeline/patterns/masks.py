"""Mask the variable parts of a log line, by their form or by their position: words and typed placeholders remain.

Here: shapes and masks. Stack frames and names of users: `forms/`; tokens, and the text that is shown: `templates.py`;
placeholders: `placeholders.py`.

Every expression runs in linear time on any text: an alternative that scans a run of characters starts only at the start
of the run, and is possessive where it could backtrack. A line's tokens depend on the line alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fleexmon_pipeline.patterns.forms.frames import FRAME
from fleexmon_pipeline.patterns.forms.users import without_users
from fleexmon_pipeline.patterns.placeholders import (
    ANY,
    ANY_KEPT,
    ANY_MARK,
    KEPT_SLASH,
    KEPT_STATUS,
    MARK,
    MARK_OF_SHOWN,
    MARKS,
    PLACEHOLDER,
    SHOWN_PLACEHOLDER,
    shared_kind,
)
from fleexmon_pipeline.patterns.requests import (
    VERBS,
    decided,
    is_in_sentence,
    route_of,
    shown_again,
    with_requests_kept,
    with_status_kept,
)

MASK_VERSION = 13  # raise it when a rule here, or in a module that this one uses, changes: lines it touches get new ids

MAX_READ_CHARS = 65_536  # of a message; what follows is a dump, not a sentence
MAX_KEPT_BYTES = 4_096  # of a longer message, after stack frames are removed, make the template
MAX_WORD_CHARS = 100  # of a word whose mask is cached
MAX_WORDS = 100_000  # in that cache, 20 MB

# -- shape: what lines that differ only in digits have in common ---------------------------------------------------

_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_SHAPE = bytes.maketrans(b"123456789" + _CONTROLS, b"0" * 9 + b" " * len(_CONTROLS))
_SHAPES = b"\0" + _SHAPE[1:]


def shapes_of(messages: Sequence[str]) -> list[bytes]:
    """Each message as UTF-8, every digit a 0 and control characters blank, at most about MAX_KEPT_BYTES long."""
    if not messages:
        return []
    if max(map(len, messages)) > MAX_KEPT_BYTES:
        return [_cut(message) for message in messages]
    # One translation of all is five times as fast as one per message. They are joined by NUL, which PostgreSQL never
    # holds.
    shapes = "\0".join(messages).encode("utf-8", "replace").translate(_SHAPES).split(b"\0")
    if len(shapes) == len(messages):
        return shapes
    return [message.encode("utf-8", "replace").translate(_SHAPE) for message in messages]


def shapes_of_lines(block: bytes) -> list[bytes]:
    """The same for lines of UTF-8, which need no decoding; long ones are left to `cut_shape`."""
    return block.translate(_SHAPE).split(b"\n")


def cut_shape(shape: bytes) -> bytes:
    """A long one as `shapes_of` gives it."""
    return _cut(shape.decode("utf-8", "replace"))


def _cut(message: str) -> bytes:
    shape = message[:MAX_READ_CHARS].encode("utf-8", "replace").translate(_SHAPE)
    return shape if len(message) <= MAX_KEPT_BYTES else FRAME.sub(b"", shape)[:MAX_KEPT_BYTES]


def without_frames(message: str) -> str:
    """A message without its stack frames, which its template does not have either."""
    if "\n" not in message:
        return message
    raw = message.encode("utf-8", "replace")
    kept, end = bytearray(), 0
    for frame in FRAME.finditer(raw.translate(_SHAPE)):  # as long as the message, byte for byte
        kept += raw[end : frame.start()]
        end = frame.end()
    return (kept + raw[end:]).decode("utf-8", "replace")


# -- masks ------------------------------------------------------------------------------------------------------------

# Within a word between blanks. Order matters: the first alternative that matches wins. `word`: whatever has a digit.
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
# The kind of a word with digits, for readers; every digit is 0 by now.
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
    match = _WORD.fullmatch(word)
    return MARK[match.lastgroup if match and match.lastgroup else "id"]


_SHOWN_AS = {"drive": "path", "image": "path", "item": "id", "account": "id"}


def _mark(found: re.Match[str]) -> str:
    kind = found.lastgroup or "*"
    if kind == "word":
        return _mark_of_word(found[0])
    if kind in ("path", "host") and len(found[0]) <= 22 and _mark_of_word(found[0]) == MARK["ip"]:
        return MARK["ip"]  # /10.0.0.1:50010
    return MARK[_SHOWN_AS.get(kind, kind)] + (":" if found[0][-1] == ":" else "")  # `/etc/passwd: No such file`


_LEADER = re.compile(r"^[A-Za-z_]+\.{3,}(?=[\d+-])")  # `depth........3`


class _Words(dict[str, str]):
    """Word to masked word. Lines consist of few different words: the expressions only run on new ones."""

    def __missing__(self, word: str) -> str:
        if "..." in word and (leader := _LEADER.search(word)):
            return word[: leader.end()] + self[word[leader.end() :]]
        if word.isascii() and word.isalnum():  # most words: only the last two alternatives could match
            masked = _mark_of_word(word) if "0" in word or _HEX.fullmatch(word) else word
        else:
            masked = _VARIABLE.sub(_mark, word) if word != "/" else MARK["path"]
        if "<" in masked:  # a line that quotes a template belongs to that template; no line can imitate another's text
            masked = SHOWN_PLACEHOLDER.sub(lambda literal: MARK_OF_SHOWN[literal[0]], masked)
        if len(word) <= MAX_WORD_CHARS:
            if len(self) >= MAX_WORDS:
                self.clear()
            self[word] = masked
        return masked


_words = _Words()


def mask_words(shape: bytes) -> str:
    """The text of a shape without stack frames, with placeholders for what its form alone shows to be a value."""
    if b"\n" in shape:
        shape = FRAME.sub(b"", shape)
    words = shape.decode("utf-8", "replace").split()
    masked = list(map(_words.__getitem__, words))
    if b" /" in shape and _REQUEST.search(shape):
        for i, word in enumerate(words[1:], 1):
            if word[0] == "/" and _starts_request(words, i):
                route = word.rstrip(_CLOSING)
                masked[i] = route_of(route, _segment) + word[len(route) :]
    return " ".join(masked)


def mask_request(shape: bytes, at: int) -> str:
    """The same for a shape with a status at `at`; what stands for status, verb and route is for `finish_request`."""
    shape = with_status_kept(shape, at)
    if b"\n" in shape:
        shape = FRAME.sub(b"", shape)
    return " ".join(map(_words.__getitem__, with_requests_kept(shape.decode("utf-8", "replace"), _segment).split()))


# -- variable by position ----------------------------------------------------------------------------------------------


_REQUEST = re.compile("|".join(f"{verb} /" for verb in sorted(VERBS)).encode())
_CLOSING = "\"')],;"  # what may follow a route without a blank


def _starts_request(words: Sequence[str], i: int) -> bool:
    """Whether word `i`, a path, follows the verb of a request that the line is about.

    Inside a sentence (`failed for POST /carts`) it is a value. So it is in `"GET /a HTTP/1.1"` without a status.
    """
    verb = words[i - 1].rpartition('"')[2].lstrip("'([")
    if verb not in VERBS:
        return False
    if words[0] == verb:
        return True
    in_sentence = i > 1 and words[i - 1] == verb and is_in_sentence(f"{words[i - 2]} ")
    return not in_sentence and not (i + 1 < len(words) and words[i + 1].startswith("HTTP/"))


def _segment(segment: str) -> str:
    masked = _words[segment] if segment else ""
    marks = ANY_MARK.findall(masked)
    return masked if not marks else MARK["id"] if len(masked) > 1 else masked


# Keys whose value is the message itself or distinguishes statements. The value of any other key is variable.
MESSAGE_KEYS = frozenset(
    """msg message event text err error exception reason cause desc description detail details title summary
    level lvl severity""".split()  # noqa: SIM905
)
OUTCOME_KEYS = frozenset(("res", "result", "outcome", "success"))
_QUOTED = r'"(?:[^"\\]|\\.){0,2000}+"'
_BARE = r"""[^\s,;&"'()\[\]{}<>=]++"""
# What programs print of an object: `Token{5f t7}`, `Source(a=1, b=[2])`, `[a, b]`.
_INSIDE = r"[^{}()\[\]\"']{0,200}+"
_OBJECT = rf"""(?:[\w.$]*[A-Z][\w$]*+)?\{{{_INSIDE}(?:[{{(\[]{_INSIDE}[}})\]]{_INSIDE}){{0,5}}\}}|\[{_INSIDE}\]"""
_BARE_LIST = rf"{_BARE}(?:,{_BARE}(?=[\s,;)]|$))*+"
_PAIR = re.compile(
    rf"""(?<![\w.-])([A-Za-z_][\w.-]*+)=({_QUOTED}|'[^']{{1,200}}+'|<[^<>\s]{{1,200}}+>|{_OBJECT}|{_BARE_LIST})"""
)
_KEY = r"[\w.@$-]{1,60}+"
_MEMBER_VALUE = rf"""\s?:\s?({_QUOTED}|'[^']{{0,200}}+'|[^\s,"'(){{}}\[\]]++|(?=[\[{{]))"""
_FLAG = re.compile(
    r"""(?<==\s)(?:true|false|yes|no|null|none)\b|(?<=:\s)(?:true|false|null|nil|none)(?![\w.-]|\ \w)""",
    re.IGNORECASE | re.VERBOSE,
)
_EMPTY = re.compile(r"(?<![^\s,;({\[])([A-Za-z_][\w.-]*+)=(?=[\s,;)}\]]|$)")  # a field without a value
_MEMBER = re.compile(rf'"({_KEY})"{_MEMBER_VALUE}')
_DICT_MEMBER = re.compile(rf"""["']({_KEY})["']{_MEMBER_VALUE}""")
_LIST = re.compile(r"(?<=:\s)\[[^\[\]{}]{0,1000}+\]")
_ROOT = re.compile(rf"""(?<!\w)({"|".join(sorted(VERBS))}) /(?=[ ]HTTP/)""")
_NAMED = re.compile(rf"""(?<!\w)"(?:[^\s"]{{1,200}}+|[\w.-]++/{ANY}[^"]{{0,1000}}+)"(?!\s?:)""")


_LOWERCASE = re.compile("[a-z]")


def _value(text: str) -> str:
    inner = text[1:-1] if text[0] in "\"'" else text
    return inner if inner in MARKS or ANY_KEPT.search(inner) else PLACEHOLDER


def _pair(found: re.Match[str]) -> str:
    key, value = found[1], found[2]
    if key.lower() not in MESSAGE_KEYS:
        return f"{key}={_value(value)}"
    if "=" not in value or value[0] not in "\"'":
        return found[0]
    return f"{key}={value[0]}{_PAIR.sub(_pair_in_message, value[1:-1])}{value[0]}"


def _pair_in_message(found: re.Match[str]) -> str:
    """A field in the message itself, as auditd has them; what came of it is the message."""
    return found[0] if found[1].lower() in OUTCOME_KEYS else _pair(found)


def _pair_without_value(found: re.Match[str]) -> str:
    return found[0] if found[1].lower() in MESSAGE_KEYS else f"{found[1]}={PLACEHOLDER}"


def _member(found: re.Match[str]) -> str:
    key, value = found[1], found[2]
    if not value:
        return f"{key}: "
    if key.lower() in MESSAGE_KEYS:
        inner = value[1:-1].replace('\\"', '"').replace("\\n", " ") if value[0] in "\"'" else value
        return f"{key}: {inner}"
    return f"{key}: {_value(value)}"


def _named(found: re.Match[str]) -> str:
    """A quoted word is a value, unless no word stands before it: then it is the message, as klog writes it."""
    text = found[0]
    is_message = text[1:-1].isalpha() and not _LOWERCASE.search(found.string, 0, found.start())
    return text[1:-1] if is_message else _value(text)


def _by_place(masked: str) -> str:
    if "=" in masked:
        masked = _EMPTY.sub(_pair_without_value, _FLAG.sub(PLACEHOLDER, _PAIR.sub(_pair, masked)))
    elif ":" in masked:
        masked = _FLAG.sub(PLACEHOLDER, masked)
    if ":" in masked and "," in masked:
        masked = _LIST_OF_MEMBERS.sub(_list_of_members, masked)
    if '"' in masked or "'" in masked:
        masked = (_DICT_MEMBER if "{" in masked else _MEMBER).sub(_member, masked)
        masked = _LIST.sub(PLACEHOLDER, masked)
        masked = _ROOT.sub(rf"\1 {MARK['path']}", masked)
        masked = _NAMED.sub(_named, masked)
    return masked


# At least three members of a list, `queue: mail, owner: , retries: 5`: their values are one word, or missing.
_MEMBER_OF_LIST = r"[A-Za-z][\w. -]{0,40}?:(?: [^\s,:;()\[\]{}]++| ?(?=,|$))"
_LIST_OF_MEMBERS = re.compile(rf"(?<![^ ,;({{\[])(?:{_MEMBER_OF_LIST}, ?){{2,20}}{_MEMBER_OF_LIST}(?=[)\]}}.;]|$)")
_ONE_MEMBER = re.compile(r"([\w.-]+)(:)(?: ([^\s,:;()\[\]{}]++)| ?(?=,|$))")


def _list_of_members(found: re.Match[str]) -> str:
    return _ONE_MEMBER.sub(
        lambda member: (
            member[0] if member[1].lower() in MESSAGE_KEYS else f"{member[1]}: {_value(member[3] or PLACEHOLDER)}"
        ),
        found[0],
    )


# Sun Jul 10 03:55:15 2005 once digits are placeholders; a number and its unit.
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
# A missing value, as access logs write it: `<num> -`, `<url> - - -`.
_ABSENT = re.compile(rf"(?<={ANY})(?:\s-)++(?=$|\s{ANY})")
_NO_SIZE = re.compile(rf"(?<=\" {KEPT_STATUS} )-(?=$|\s)")  # behind a status, where the size of the response is
_LOGIN = re.compile(rf"(?<=^{MARK['ip']} - )\S+(?= \[)")  # the user of the common log format
# In a list of records the first represents all of the same form: how long a list is says nothing.
_ALIKE = re.compile(r"([{(][^{}()]{1,500}+[})])(?:,\s?\1)+")
# What a call returned, at the end of a line.
_RETURNED = re.compile(r"(?<=: )(?:None|True|False|'[^']{0,100}'|\(\)|\{\}|\[\])$")
# " (<*>)" beside a placeholder comes and goes with it; adjacent placeholders are one, however many.
_ASIDE = re.compile(rf"(?<!=)\s?\(\s*{ANY}\s*\)|(?<={ANY})\s?\(\s*(?:[\w-]*+(?:\.[\w-]++)++|unknown|none|null)?+\s*\)")
_NEIGHBOURS = re.compile(
    rf"""(?P<request>(?:\b(?:{"|".join(sorted(VERBS))})\ /|{KEPT_SLASH})[^\s"']*+)
        |{ANY}(?:(?:\s?[,:;|/\#=&\\.-]++\s?|\s)?{ANY})+""",
    re.VERBOSE,
)


def finish(masked: str) -> str:
    """The result of `mask_words` with placeholders also for values by position; adjacent placeholders become one."""
    masked = _by_place(without_users(masked))
    if not ANY_MARK.search(masked):
        return masked
    masked = _RETURNED.sub(PLACEHOLDER, _APART.sub(lambda found: MARK[found.lastgroup or "*"], masked))
    verb, _, rest = masked.partition(" ")
    if verb in VERBS and rest[:1] == "/":
        return masked
    masked = _LOGIN.sub(PLACEHOLDER, _ABSENT.sub("", masked))
    masked = _NEIGHBOURS.sub(lambda run: run["request"] or shared_kind(set(ANY_MARK.findall(run[0]))), masked)
    masked = _ALIKE.sub(r"\1", masked) if "{" in masked or "(" in masked else masked
    return _ASIDE.sub("", masked) if "(" in masked else masked


def finish_request(masked: str, status: str, *, with_route: bool = True) -> str:
    """The result of `mask_request` for lines with this status, as `finish` would leave it."""
    masked = _NO_SIZE.sub(MARK["num"], decided(masked, status, with_route=with_route))
    return shown_again(finish(masked), status)
