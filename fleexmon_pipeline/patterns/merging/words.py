"""Predicates on templates: what is a word, a name or a value, and whether one template fits another.

Here: predicates on one or two templates. Which of them merge: `merger.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from fleexmon_pipeline.patterns.merging.heads import LEVEL, head_of
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template
from fleexmon_pipeline.patterns.requests import VERBS

# order-service, com.example.Update, eth_rx_queue, user:<*>: composed names are values rather than words.
NAME = re.compile(rf"{PLACEHOLDER}|[\w$]+(?:[._:@/-][\w$]+)+|[\w.-]+:{PLACEHOLDER}|[A-Za-z][a-z]+(?:[A-Z][a-z]+)+")
# Outcomes, levels and opposites distinguish statements wherever they alternate.
DISTINGUISHING = re.compile(
    r"\w+(?:ed|ing)|(?i:trace|debug|info|warn|warning|error|fatal|critical|notice|on|off|up|down|ok|yes|no|begin|end|start"
    r"|stop|open|close|enter|leave|exit|enable|disable|lock|unlock|add|remove|create|delete|acquire|release|allow|deny"
    r"|success|failure)"
)
# The same, and states as programs write them: `transitioned from RUNNING to KILL_WAIT`.
_EVENT_OR_STATE = re.compile(rf"{DISTINGUISHING.pattern}|[A-Z]{{5,}}|[A-Z]+(?:_[A-Z]+)+")
_INTRODUCES_STATE = frozenset((",", "("))
# Words that make a phrase part of its sentence: `password for invalid user root`.
SENTENCE = frozenset(
    "a an the for from to in on at by with is are was were be has have not no into as via".split()  # noqa: SIM905
)
# After these nouns a name follows: `session opened for user cyrus`.
_NOUNS = frozenset(
    """user username account group role host hostname node server service unit container pod deployment namespace
    cluster database db table column index schema topic partition queue exchange channel consumer producer bucket volume
    disk device interface driver module plugin package job task worker thread process program command domain zone region
    customer tenant client peer member realm""".split()  # noqa: SIM905
)
_PREPOSITIONS = frozenset("for of from to in on at by with via against".split())  # noqa: SIM905
MESSAGES = frozenset(
    ("msg", "message", "event", "text", "title", "summary")
)  # keys whose value distinguishes statements
# After these and `to`, a verb follows, which says what was to be done: `failed to open`.
_WITH_INFINITIVE = frozenset(
    """fail failed fails failing failure unable able try trying tried tries attempt attempts attempted attempting refuse
    refused refuses refusing want wants wanted need needs needed have has had going about decided expected supposed
    required allowed forced unwilling wait waits waiting""".split()  # noqa: SIM905
)
_MODALS = frozenset(
    """can cannot can't could couldn't will won't would wouldn't should shouldn't must mustn't may might did didn't does
    doesn't do don't""".split()  # noqa: SIM905
)
_CAPITAL = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]+(?:-[^\W\d_]+)?\.?")
# Names of functions, as in `key_lookup failed`; `worker-pool failed` is about a thing.
_FUNCTION = re.compile(r"[A-Za-z]\w*_\w*")
_IDENTIFIER = re.compile(rf"[a-z][A-Z]|^{_FUNCTION.pattern}$")
_CODE = re.compile("[A-Z]{1,4}")


def distinguish(tokens: Collection[str], before: str) -> bool:
    """Whether these words of one position distinguish statements.

    They do if half of them name an event, belong to the sentence or, after a word, name a state.
    """
    telling = _EVENT_OR_STATE if before.isalpha() or before in _INTRODUCES_STATE else DISTINGUISHING
    return 2 * sum(token in SENTENCE or telling.fullmatch(token) is not None for token in tokens) >= len(tokens)


def is_word(token: str) -> bool:
    return token[:1].isalpha() or is_segment(token)


def is_segment(token: str) -> bool:
    return token[:1] == "/" and len(token) > 1


def is_status(token: str) -> bool:
    """Whether the token is the status of a request: all other values with digits are placeholders."""
    return token[:1].isdigit()


def is_value(token: str) -> bool:
    return (len(token) > 1 or token.isalnum()) and not token[0].isdigit()


def request_of(template: Template, *, route: bool = True) -> Template:
    """The status, verb and (with `route`) route that a template is about; empty without a status."""
    if not any(map(is_status, template)):
        return ()
    return tuple(token for token in template if is_status(token) or token in VERBS or (route and token[:1] == "/"))


def words_of(template: Template, one: int | None = None, *, head: int | None = None) -> int:
    """The number of words in a template, without the one at position `one`.

    Of the head only a level counts. Keys of a JSON object and tags such as `{CLI}` do not count. `head`: of the
    templates that this one is made of, if what they say has become placeholders in it.
    """
    head = head_of(template) if head is None else head
    words = sum(map(is_word, template[head:])) + any(map(LEVEL.fullmatch, template[:head]))
    words -= one is not None and one >= head and is_word(template[one])
    if template[0] == "{":
        words -= sum(b in (":", "}") and is_word(a) for a, b in pairwise(template))
    return words


def is_capital(token: str) -> bool:
    """Whether the token is a word whose only capital letter is its first one: `Bob`, `Łódź`."""
    return _CAPITAL.fullmatch(token) is not None


def introduces(before: Template, values: Collection[str]) -> bool:
    """Whether `before` ends with a noun that a name follows, as in `for user`, and all `values` may be names."""
    if len(before) < 2 or before[-1].lower() not in _NOUNS or before[-2] not in _PREPOSITIONS:
        return False
    return not any(
        token in SENTENCE or DISTINGUISHING.fullmatch(token) is not None or token.lower() in _NOUNS for token in values
    )


def is_before_verb(before: Sequence[str]) -> bool:
    """Whether a verb follows `before`, which says what happened: `failed to`, `could not`, `cannot`."""
    if not before:
        return False
    if before[-1] == "to":
        return len(before) > 1 and before[-2].lower() in _WITH_INFINITIVE
    return before[-2 if before[-1] == "not" and len(before) > 1 else -1].lower() in _MODALS


def are_names(tokens: Collection[str], *, of_things: bool = False) -> bool:
    """Whether all tokens are composed names, or codes such as record types, countries and currencies.

    `of_things`: names of things only, not identifiers of a program, which have capital letters inside.
    """
    if all(map(NAME.fullmatch, tokens)):
        return not (of_things and any(map(_IDENTIFIER.search, tokens)))
    codes = [token for token in tokens if token != PLACEHOLDER]
    return (
        all(map(_CODE.fullmatch, codes)) and VERBS.isdisjoint(codes) and not any(map(DISTINGUISHING.fullmatch, codes))
    )


def positions(template: Template) -> Iterator[int]:
    """The positions that may be values: no placeholders, punctuation, or keys of `key=value`."""
    last = len(template) - 1
    for i, token in enumerate(template):
        is_key = i < last and (template[i + 1] == "=" or (template[i + 1] == ":" and i > 0 and token.count(".") < 2))
        if token != PLACEHOLDER and not is_key and is_value(token):
            yield i


def covers(general: Template, template: Template) -> bool:
    """Whether `template`, of the same length, is `general` with values in its placeholders, and they share words."""
    if general == template or any(
        x != y and (x != PLACEHOLDER or not is_value(y)) for x, y in zip(general, template, strict=True)
    ):
        return False
    words, json, names, head = 0, general[0] == "{", True, head_of(template)
    for place, (x, y) in enumerate(zip(general, template, strict=True)):
        if x == y:
            words += (is_word(x) - (json and x == ":")) if place >= head else 0
        elif names:
            names = NAME.fullmatch(y) is not None
    is_function = general[0] == PLACEHOLDER and _FUNCTION.fullmatch(template[0])
    return words >= (1 if names and not is_function else 2)


def joined(one: Template, other: Template) -> Template | None:
    """The template with the placeholders of both, if each has one where the other has a value, and they share words."""
    ours = theirs = False
    for x, y in zip(one, other, strict=True):
        if x == y:
            continue
        if x == PLACEHOLDER and is_value(y):
            ours = True
        elif y == PLACEHOLDER and is_value(x):
            theirs = True
        else:
            return None
    if not (ours and theirs):
        return None
    target = tuple(x if x == y else PLACEHOLDER for x, y in zip(one, other, strict=True))
    head = min(head_of(one), head_of(other))
    alike = (x for x, y in zip(one[head:], other[head:], strict=True) if x == y)
    words = sum(is_word(x) - (target[0] == "{" and x == ":") for x in alike)
    return target if words >= 3 else None
