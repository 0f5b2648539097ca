"""A masked line as a template: the tokens that identify a pattern, and the text that people read.

Here: tokens, identity, text, and reading a text back. Which templates merge into one pattern:
`patterns/merging/merger.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from fleexmon_pipeline.patterns.placeholders import (
    ANY,
    ANY_MARK,
    MARK_OF_SHOWN,
    MARKS,
    PLACEHOLDER,
    SHOWN,
    SHOWN_PLACEHOLDER,
    Template,
    shared_kind,
)
from fleexmon_pipeline.patterns.requests import VERBS

MAX_TEMPLATE_CHARS = 2_000  # as stored and shown

_TOKEN = re.compile(
    rf"""[A-Za-z][\w.-]*+:{ANY}(?![^\s=:,;()\[\]{{}}"'])|[^\s=:,;()\[\]{{}}"']+(?:'[a-z]+)?|[=:,;()\[\]{{}}"']"""
)
_SEGMENT = re.compile(r"/[^/]*+")


def _tokens(masked: str) -> list[str]:
    """Words, punctuation, and each segment of a route."""
    tokens = _TOKEN.findall(masked)
    if "/" in masked and any(token[0] == "/" for token in tokens):
        return [part for token in tokens for part in (_SEGMENT.findall(token) if token[0] == "/" else (token,))]
    return tokens


def tokenise(masked: str) -> Template:
    """The words, punctuation and typed placeholders of a masked text; never empty.

    A group of tokens that repeats around a placeholder, as in a list of addresses, is kept once.
    """
    typed = _tokens(masked)
    plain = untyped(typed)
    if sum(PLACEHOLDER in token for token in plain) < 2 or typed[0] in VERBS:
        return tuple(typed) or ("",)
    return collapsed(tuple(typed))


def collapsed(template: Template, smallest: int = 1) -> Template:
    """The template without repetitions: a repeated group of `smallest` to 4 tokens with a placeholder is kept once."""
    typed, rest = list(template), list(untyped(template))
    for size in range(smallest, 5):
        i = 0
        while i + 2 * size <= len(rest):
            if PLACEHOLDER in rest[i : i + size] and rest[i + size : i + 2 * size] == rest[i : i + size]:
                joined = joined_kinds(typed[i : i + size], typed[i + size : i + 2 * size])
                del rest[i : i + size]
                typed[i : i + 2 * size] = joined
            else:
                i += 1
    return tuple(typed) or ("",)


_BETWEEN = frozenset(",:;|/#=&.-")


def normal(template: Template) -> tuple[Template, dict[int, int]]:
    """Normalise a template that got new placeholders, as if the masks had made them; and map its old positions to new
    ones.

    Adjacent placeholders become one, `(<*>)` and quotes around a placeholder are removed, and repetitions are kept
    once.
    """
    if template[0] in VERBS:
        return template, {}
    tokens: list[str] = []
    kept: list[int] = []  # positions in `template`
    absorbed: dict[int, int] = {}  # position of a placeholder to that of the one it became part of
    for position, part in enumerate(template):
        tokens.append(part)
        kept.append(position)
        if part == PLACEHOLDER:
            extra = _adjacent(tokens)
            if extra:
                del tokens[-extra:], kept[-extra:]
                absorbed[position] = kept[-1]
        elif part == ")" and len(tokens) > 3 and tokens[-3:-1] == ["(", PLACEHOLDER] and tokens[-4] != "=":
            del tokens[-3:], kept[-3:]
        elif part == '"' and tokens[-3:-1] == ['"', PLACEHOLDER] and tokens.count('"') % 2 == 0:
            tokens[-3:], kept[-3:] = [PLACEHOLDER], kept[-2:-1]
    short = collapsed(tuple(tokens), 3)
    if len(short) < len(tokens):
        return short, {}
    places = {position: i for i, position in enumerate(kept)}
    return short, places | {position: places[into] for position, into in absorbed.items() if into in places}


def _adjacent(tokens: list[str]) -> int:
    """How many tokens at the end repeat the placeholder before them: itself, and a separator between the two."""
    if tokens[-2:-1] == [PLACEHOLDER]:
        return 1
    return 2 if tokens[-3:-2] == [PLACEHOLDER] and tokens[-2] in _BETWEEN else 0


def untyped(template: Sequence[str]) -> Template:
    """The template that identifies a pattern: every placeholder is `<*>`."""
    return tuple(ANY_MARK.sub(PLACEHOLDER, "\n".join(template)).split("\n"))


def joined_kinds(one: Sequence[str], other: Sequence[str]) -> Template:
    """One template for two that have the same length and differ in placeholders only."""
    return tuple(
        a if a == b else shared_kind({a, b}) if a in MARKS and b in MARKS else untyped((a,))[0]
        for a, b in zip(one, other, strict=True)
    )


def with_kinds(general: Template, typed: Template) -> Template:
    """`general` with the kinds of placeholders that `typed`, which merged into it, has at the same positions.

    Positions are counted from the start and, if `typed` is longer, also from the end.
    """
    if len(typed) == len(general):
        return tuple(
            a if b != PLACEHOLDER else a if a in MARKS else PLACEHOLDER for a, b in zip(typed, general, strict=True)
        )
    tokens = list(general)
    for step in (1, -1):
        for i, (kind, plain) in enumerate(zip(typed[::step], general[::step], strict=False)):
            if plain not in (PLACEHOLDER, kind):
                break
            if kind in MARKS and plain == PLACEHOLDER:
                tokens[i if step == 1 else -1 - i] = kind
    return tuple(tokens)


def pattern_id(template: Sequence[str]) -> str:
    """16 hexadecimal digits; kinds of placeholders do not count."""
    return hashlib.blake2b(" ".join(untyped(template)).encode(), digest_size=8).hexdigest()


# Blanks beside quotes stay: `don 't` and `don't` are different tokens.
_BLANK_BEFORE = re.compile(r" (?=[=:,;)\]}])")
_BLANK_AFTER = re.compile(r"(?<=[=(\[{]) ")
_QUOTES = re.compile(r'" ([^"]*+)(?<= )"')
_BEFORE_INDEX = re.compile(rf"(?<=\w) (?=\[{ANY}\]:)")
_SINGLE_QUOTES = re.compile(r"(?<![^ (\[{=:,;])' ([^' ][^']{0,200}?) '(?![^ )\]}=:,;])")
_BLANK_IN_ROUTE = re.compile(r"(?<![^ ])(/[^ ]*) (?=/)")


def shown(template: Sequence[str]) -> str:
    """The template as people read it: `session opened for <id> (uid=<num>)`."""
    text = _BLANK_BEFORE.sub("", _BLANK_AFTER.sub("", _BLANK_IN_ROUTE.sub(r"\1", " ".join(template))))
    text = _QUOTES.sub(lambda quoted: f'"{quoted[1][:-1]}"', text)
    text = _BEFORE_INDEX.sub("", _SINGLE_QUOTES.sub(r"'\1'", text))
    return text.replace(":: ", "::").translate(SHOWN)


def read_shown(text: str) -> Template:
    """The template that `shown` made this text from. If the text was cut or redacted, the template has another id."""
    return tuple(_tokens(SHOWN_PLACEHOLDER.sub(lambda literal: MARK_OF_SHOWN[literal[0]], text))) or ("",)
