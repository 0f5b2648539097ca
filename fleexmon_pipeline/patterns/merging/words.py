"""Two templates side by side: what in them is a word, a name or a value, and whether one fits the other.

Here: questions to one or two templates. Which of them are one pattern: `merger.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from fleexmon_pipeline.patterns.masks import VERBS
from fleexmon_pipeline.patterns.placeholders import HOLE, Template

# order-service, com.example.Update, eth_rx_queue, user:<*>: composed names are more a value than a word.
NAME = re.compile(rf"{HOLE}|[\w$]+(?:[._:@/-][\w$]+)+|[\w.-]+:{HOLE}|[a-z]+(?:[A-Z][a-z]+)+")
# Outcomes and levels tell statements apart wherever they take turns.
TELLS = re.compile(
    r"\w+(?:ed|ing)|(?i:trace|debug|info|warn|warning|error|fatal|critical|notice|on|off|up|down|ok|yes|no)"
)
# Words by which a phrase is part of the sentence: `password for invalid user root`.
SENTENCE = frozenset(
    "a an the for from to in on at by with is are was were be has have not no into as via".split()  # noqa: SIM905
)
MESSAGES = frozenset(("msg", "message", "event", "text", "title", "summary"))  # keys of what tells statements apart
_CAPITAL = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]+(?:-[^\W\d_]+)?\.?")
_CODE = re.compile("[A-Z]{1,4}")


def tells(tokens: Collection[str]) -> bool:
    """Whether these words in one place tell statements apart: half of them say what happened, or how words relate."""
    return 2 * sum(token in SENTENCE or TELLS.fullmatch(token) is not None for token in tokens) >= len(tokens)


def is_word(token: str) -> bool:
    return token[:1].isalpha() or is_segment(token)


def is_segment(token: str) -> bool:
    return token[:1] == "/" and len(token) > 1


def is_value(token: str) -> bool:
    return len(token) > 1 or token.isalnum()


def words_of(template: Template, one: int | None = None) -> int:
    """Words of a sentence, without `one` of them. The keys of a JSON object say nothing about its message."""
    words = sum(map(is_word, template)) - (one is not None and is_word(template[one]))
    if template[0] == "{":
        words -= sum(b == ":" and is_word(a) for a, b in pairwise(template))
    return words


def is_capital(token: str) -> bool:
    """A word with one capital, its first: `Bob`, `Łódź`."""
    return _CAPITAL.fullmatch(token) is not None


def are_names(tokens: Collection[str]) -> bool:
    """Composed names; or codes, such as record types, countries and currencies."""
    if all(map(NAME.fullmatch, tokens)):
        return True
    codes = [token for token in tokens if token != HOLE]
    return all(map(_CODE.fullmatch, codes)) and VERBS.isdisjoint(codes) and not any(map(TELLS.fullmatch, codes))


def places(template: Template) -> Iterator[int]:
    """Where a value may stand: not a placeholder, not punctuation, not the key of a `key=value`."""
    last = len(template) - 1
    for i, token in enumerate(template):
        is_key = i < last and (template[i + 1] == "=" or (template[i + 1] == ":" and i > 0 and token.count(".") < 2))
        if token != HOLE and not is_key and is_value(token):
            yield i


def covers(general: Template, template: Template) -> bool:
    if general == template:
        return False
    words, json, names = 0, general[0] == "{", True
    for x, y in zip(general, template, strict=True):
        if x == y:
            words += is_word(x) - (json and x == ":")
        elif x != HOLE or not is_value(y):
            return False
        elif names:
            names = NAME.fullmatch(y) is not None
    return words >= (1 if names else 2)


def joined(one: Template, other: Template) -> Template | None:
    words = ours = theirs = 0
    json = one[0] == "{"
    for x, y in zip(one, other, strict=True):
        if x == y:
            words += is_word(x) - (json and x == ":")
        elif x == HOLE and is_value(y):
            ours += 1
        elif y == HOLE and is_value(x):
            theirs += 1
        else:
            return None
    if not (ours and theirs and words >= 3):
        return None
    return tuple(x if x == y else HOLE for x, y in zip(one, other, strict=True))
