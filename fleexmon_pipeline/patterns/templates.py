"""A masked line as a template: tokens by which patterns are told apart, and the text that people read.

Here: tokens, identity, text, and back from the text. Which templates are one pattern after all:
`patterns/merging/merger.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from fleexmon_pipeline.patterns.masks import VERBS
from fleexmon_pipeline.patterns.placeholders import (
    ANY,
    ANY_MARK,
    HOLE,
    MARK_OF_SHOWN,
    MARKS,
    PLACEHOLDER,
    SHOWN,
    Template,
    shared_kind,
)

LONGEST_SHOWN = 2_000  # characters of a template as stored and shown

_TOKEN = re.compile(
    rf"""[A-Za-z][\w.-]*+:{ANY}(?![^\s=:,;()\[\]{{}}"'])|[^\s=:,;()\[\]{{}}"']+(?:'[a-z]+)?|[=:,;()\[\]{{}}"']"""
)
_SEGMENT = re.compile(r"/[^/]*+")


def _tokens(masked: str) -> list[str]:
    """Words, punctuation, and of a route each segment."""
    tokens = _TOKEN.findall(masked)
    if "/" in masked and any(token[0] == "/" for token in tokens):
        return [part for token in tokens for part in (_SEGMENT.findall(token) if token[0] == "/" else (token,))]
    return tokens


def tokenise(masked: str) -> Template:
    """Words, punctuation and typed placeholders of a masked text; never empty. A group that repeats around a hole
    (a list of addresses) is kept once."""
    typed = _tokens(masked)
    plain = untyped(typed)
    if sum(HOLE in token for token in plain) < 2 or typed[0] in VERBS:
        return tuple(typed) or ("",)
    return collapsed(tuple(typed))


def collapsed(template: Template, smallest: int = 1) -> Template:
    """Without repetitions: what stands around a hole, `smallest` to four tokens, is kept once."""
    typed, rest = list(template), list(untyped(template))
    for size in range(smallest, 5):
        i = 0
        while i + 2 * size <= len(rest):
            if HOLE in rest[i : i + size] and rest[i + size : i + 2 * size] == rest[i : i + size]:
                joined = joined_kinds(typed[i : i + size], typed[i + size : i + 2 * size])
                del rest[i : i + size]
                typed[i : i + 2 * size] = joined
            else:
                i += 1
    return tuple(typed) or ("",)


_BETWEEN = frozenset(",:;|/#=&.-")


def normal(template: Template) -> tuple[Template, dict[int, int]]:
    """A template with new holes as masks would have made it: neighbouring holes are one, neither `(<*>)` nor quotes
    around a hole are left, what repeats is kept once. And where its holes are now."""
    if template[0] in VERBS:
        return template, {}
    found: list[str] = []
    kept: list[int] = []  # places in `template`
    absorbed: dict[int, int] = {}
    for place, part in enumerate(template):
        found.append(part)
        kept.append(place)
        if part == HOLE:
            gone = 1 if found[-2:-1] == [HOLE] else 2 if found[-3:-2] == [HOLE] and found[-2] in _BETWEEN else 0
            if gone:
                del found[-gone:], kept[-gone:]
                absorbed[place] = len(found) - 1
        elif part == ")" and len(found) > 3 and found[-3:-1] == ["(", HOLE] and found[-4] != "=":
            del found[-3:], kept[-3:]
        elif part == '"' and found[-3:-1] == ['"', HOLE] and found.count('"') % 2 == 0:
            found[-3:], kept[-3:] = [HOLE], kept[-2:-1]
    short = collapsed(tuple(found), 3)
    places = {place: i for i, place in enumerate(kept)} | absorbed if len(short) == len(found) else {}
    return short, places


def untyped(template: Sequence[str]) -> Template:
    """The template by which patterns are told apart: every placeholder is `<*>`."""
    return tuple(ANY_MARK.sub(HOLE, "\n".join(template)).split("\n"))


def joined_kinds(one: Sequence[str], other: Sequence[str]) -> Template:
    """Two templates of one length, equal but for placeholders, as one that holds for both."""
    return tuple(
        a if a == b else shared_kind({a, b}) if a in MARKS and b in MARKS else untyped((a,))[0]
        for a, b in zip(one, other, strict=True)
    )


def with_kinds(general: Template, typed: Template) -> Template:
    """`general` with the kinds of placeholders that `typed`, which merged into it, has in the same places: counted from
    the beginning, and, if it is longer, from the end."""
    if len(typed) == len(general):
        return tuple(a if b != HOLE else a if a in MARKS else HOLE for a, b in zip(typed, general, strict=True))
    found = list(general)
    for step in (1, -1):
        for i, (kind, plain) in enumerate(zip(typed[::step], general[::step], strict=False)):
            if plain not in (HOLE, kind):
                break
            if kind in MARKS and plain == HOLE:
                found[i if step == 1 else -1 - i] = kind
    return tuple(found)


def pattern_id(template: Sequence[str]) -> str:
    """16 hexadecimal digits of the template; kinds of placeholders do not count."""
    return hashlib.blake2b(" ".join(untyped(template)).encode(), digest_size=8).hexdigest()


# Quotes keep their blanks: `don 't` and `don't` are different tokens.
_BLANK_BEFORE = re.compile(r" (?=[=:,;)\]}])")
_BLANK_AFTER = re.compile(r"(?<=[=(\[{]) ")
_QUOTES = re.compile(r'" ([^"]*+)(?<= )"')
_BLANK_IN_ROUTE = re.compile(r"(?<![^ ])(/[^ ]*) (?=/)")


def shown(template: Sequence[str]) -> str:
    """The template as people read it: `session opened for <id> (uid=<num>)`."""
    text = _BLANK_BEFORE.sub("", _BLANK_AFTER.sub("", _BLANK_IN_ROUTE.sub(r"\1", " ".join(template))))
    return _QUOTES.sub(lambda found: f'"{found[1][:-1]}"', text).translate(SHOWN)


def read_shown(text: str) -> Template:
    """The template that `shown` made `text` of; another one if `text` was cut or redacted, which its id tells."""
    return tuple(_tokens(PLACEHOLDER.sub(lambda found: MARK_OF_SHOWN[found[0]], text))) or ("",)
