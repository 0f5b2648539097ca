"""Heads of lines: time, level, thread, logger and ids, before what a line says: `<time> INFO [main] com.acme.Db - `.

Here: where the head of a template ends. All lines of a logger share their heads, whatever the lines say, so equal words
there are no evidence that two templates are alike. Without this, statements of programs that write an id of a request
into each line became one pattern.
"""

from __future__ import annotations

import re
from functools import lru_cache

from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

LEVEL = re.compile("(?i:trace|debug|info|warn|warning|error|fatal|critical|notice)")
# By judgement.
MAX_ENCLOSED = 8  # tokens between brackets
MAX_TAG = 8  # tokens before the number of a process
MAX_CAPITALS = 4  # words in capital letters before a level
_LOGGER = re.compile(r"[\w$]+(?:[./:][\w$]+)+|[A-Za-z][a-z]+(?:[A-Z][a-z]+)+")  # com.acme.Db, net/client.go, PanelView
# After a time: its zone, or a level as Android writes it.
_AFTER_TIME = frozenset((*"VDIWEF", *"UTC GMT CET CEST EST EDT CST CDT PST PDT MSK IST JST".split()))  # noqa: SIM905
_OPENS = {"[": "]", "(": ")", "|": "|"}
_AFTER_LOGGER = frozenset((":", "-", "]", "|", "--"))


def head_of(template: Template) -> int:
    """How many tokens are the head. Of a template of nothing else the last key says something, or else all of it."""
    head = leading(template)
    if head < len(template):
        return head
    return max(len(template) - 3, 0) if template[-2:-1] in ((":",), ("=",)) else 0


def is_only_head(template: Template) -> bool:
    """Whether a template is a head and nothing else: no text fits into its placeholders, as all lines would.

    One key alone, as `<time> ERROR connect: <*>`, says something.
    """
    return leading(template) == len(template) and sum(token in (":", "=") for token in template) != 1


@lru_cache(maxsize=16_384)  # about 1 kB each
def leading(tokens: Template) -> int:
    """How many tokens at the start may be a head, be it all of them. JSON objects have none."""
    if tokens[:1] == ("{",):
        return 0
    at, size = _tag(tokens), len(tokens)
    while at < size and (end := _item(tokens, at)):
        at = end
    return at


def _item(tokens: Template, at: int) -> int:
    """The end of the part of a head that begins here; 0 if none does."""
    word, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
    if at and word in _OPENS and (end := _enclosed(tokens, at)):
        return end
    is_after_time = at > 0 and tokens[at - 1] == PLACEHOLDER and word in _AFTER_TIME
    if word == PLACEHOLDER or not word[:1].isalnum() or _is_level(word) or is_after_time:
        return at + 1
    if after in (":", "=") and at + 2 < len(tokens) and _is_plain(tokens[at + 2]):
        return at + 3
    if not at:
        return 2 if len(word) == 1 and word.isupper() and after == "," else 0  # I, of Ruby
    if after in _AFTER_LOGGER and _LOGGER.fullmatch(word):
        return at + 2
    return _capitals(tokens, at) or _span(tokens, at) or _module(tokens, at)


def _tag(tokens: Template) -> int:
    """The end of `<time> web-1 sshd(pam_unix)[<num>]:`, as syslog writes host and program; 0 if it is none."""
    if tokens[0] != PLACEHOLDER:
        return 0
    for at in range(1, min(MAX_TAG, len(tokens) - 3)):
        if tokens[at : at + 4] == ("[", PLACEHOLDER, "]", ":"):
            return at + 4
        if not (tokens[at][:1].isalnum() or tokens[at] in "()"):
            return 0
    return 0


def _capitals(tokens: Template, begin: int) -> int:
    """The end of a level after words in capital letters, as `RAS KERNEL INFO`; 0 if there is none."""
    for at in range(begin, min(begin + MAX_CAPITALS, len(tokens))):
        if not tokens[at].isupper():
            return 0
        if _is_level(tokens[at]):
            return at + 1
    return 0


def _span(tokens: Template, begin: int) -> int:
    """The end of `request{method=<*> id=<hex>}:`, as Rust writes what a line is part of; 0 if it is none."""
    if tokens[begin + 1 : begin + 2] != ("{",):
        return 0
    at = begin + 2
    while tokens[at + 1 : at + 3] == ("=", PLACEHOLDER):
        at += 3
    return at + 2 if at > begin + 2 and tokens[at : at + 2] == ("}", ":") else 0


def _module(tokens: Template, begin: int) -> int:
    """The end of `shop::orders:`; 0 if there is none."""
    at = begin
    while tokens[at + 1 : at + 3] == (":", ":") and tokens[at][:1].isalpha():
        at += 3
    return at + 2 if at > begin and tokens[at + 1 : at + 2] in ((":",), ("]",)) else 0


def _is_level(word: str) -> bool:
    return word == "LOG" or LEVEL.fullmatch(word) is not None


def _is_plain(word: str) -> bool:
    return word == PLACEHOLDER or _is_level(word)


def _enclosed(tokens: Template, begin: int) -> int:
    """The end of brackets with one word at most, as `[main]` or `[shop,<hex>]`, or of a column, as `| CORE `; 0 if
    there is none."""
    closes, words = _OPENS[tokens[begin]], 0
    for at in range(begin + 1, min(begin + MAX_ENCLOSED + 2, len(tokens))):
        if tokens[at] == closes:
            return at + (closes != "|")
        words += tokens[at][:1].isalnum()
        if words > 1 and closes != "|":
            return 0
    return 0
