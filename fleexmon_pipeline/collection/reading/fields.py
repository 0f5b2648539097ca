"""A record's fields, and its candidates for time, level and message, which follow from its names.

The lists of names: `names.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from fleexmon_pipeline.collection.reading.names import (
    DEEP_LEVEL_WORDS,
    DEEP_LEVELS,
    DEEP_TIMES,
    ERROR_FIELDS,
    LAST_LIKE_A_LEVEL,
    LEVEL_FIELDS,
    LIKE_A_LEVEL,
    MESSAGE_FIELDS,
    OTEL_FIELDS,
    SURE_TEXTS,
    TEXT_FIELDS,
    TIME_FIELDS,
    WORD_FIELDS,
)
from fleexmon_pipeline.collection.reading.plans import by_names
from fleexmon_pipeline.levels import Scale, scale_of

_WORD_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
MAX_ODD_NAMES = 500  # of a record that are split into words
Fields = dict[str, Any]


class Found(NamedTuple):
    """A usable value. name: of its field; taken: whether the field contains nothing else."""

    name: str
    value: Any
    taken: bool = True


def lookup(fields: Mapping[str, Any], name: str) -> Any:
    """The value of a field whose name may have dots, written as one name or as objects within objects."""
    value = fields.get(name)
    if value is None and "." in name:
        head, _, rest = name.partition(".")
        inner = fields.get(head)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        return lookup(inner, rest) if isinstance(inner, dict) else None
    return value


def ranked(names: tuple[str, ...], there: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """The `names` that a record has (`there`), in order: first exact matches, then those that differ only in case."""
    exact = [(name, True) for name in names if name in there]
    ranks = {name.lower(): n for n, name in reversed(list(enumerate(names)))}
    others = sorted((ranks[name.lower()], name) for name in there if name.lower() in ranks and name not in names)
    return (*exact, *((name, False) for _, name in others))


def reachable(paths: tuple[str, ...], there: frozenset[str]) -> tuple[str, ...]:
    """Which dotted names `lookup` may find: as one name, or as objects within objects."""
    return tuple(path for path in paths if path in there or path.partition(".")[0] in there)


def searches_deeper(names: tuple[str, ...]) -> bool:
    """Whether a level may be in a field that is not named for it. Not in `log`, if that is a text."""
    deep = reachable(("log.level", "s", *DEEP_LEVELS, *DEEP_LEVEL_WORDS), frozenset(names) - {"log"})
    return bool(
        deep or WORD_NAMES & set(names) or named_like(names, LIKE_A_LEVEL) or named_last(names, LAST_LIKE_A_LEVEL)
    )


def named_like(names: Iterable[str], words: frozenset[str]) -> tuple[str, ...]:
    """Names that contain one of the words: `syslog_severity_code`, `LogMessage`, not `context`."""
    found = []
    for name in islice(names, MAX_ODD_NAMES):
        parts = [part.lower() for part in _WORD_OF_NAME.findall(name)]
        if name not in OTEL_FIELDS and not words.isdisjoint((*parts, "".join(parts))):
            found.append(name)
    return tuple(found)


def named_last(names: Iterable[str], words: frozenset[str]) -> tuple[str, ...]:
    """Names whose last word, except for a type's letter, is one of these: `Log_s`, `EdgeResponseStatus`."""
    found = []
    for name in islice(names, MAX_ODD_NAMES):
        parts = [part.lower() for part in _WORD_OF_NAME.findall(name)]
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts.pop()
        if parts and parts[-1] in words:
            found.append(name)
    return tuple(found)


def has_arguments(names: tuple[str, ...], message: str) -> bool:
    """Whether the message may be a format whose values are in another field."""
    return (message == "msg" and "args" in names) or (message == "message" and "arguments" in names)


CLOCK_WORDS = frozenset(("time", "hour", "clock"))  # of a time of day beside a date


class Plan(NamedTuple):
    """Candidates in records with these field names, in the order in which they are tried."""

    times: tuple[tuple[str, bool], ...]
    deep_times: tuple[str, ...]
    has_date_and_time: bool
    levels: tuple[tuple[str, bool], ...]
    scale: Scale | None  # of levels that are numbers
    has_inner_levels: bool
    has_words: bool
    like_levels: tuple[str, ...]
    last_levels: tuple[str, ...]  # only if they contain a level's word
    messages: tuple[str, ...]
    texts: tuple[str, ...]
    texts_in_any_case: tuple[tuple[str, bool], ...]
    sure: tuple[str, ...]  # fields that prove that the record has a message
    sure_texts: tuple[str, ...]  # fields that prove it if they contain a text

    @classmethod
    def among(cls, names: tuple[str, ...]) -> Plan:
        there = frozenset(names)
        lowered = {name.lower() for name in names}
        return cls(
            ranked(TIME_FIELDS, names),
            reachable(DEEP_TIMES, there),
            "date" in lowered and bool(named_like(names, CLOCK_WORDS)),
            ranked(LEVEL_FIELDS, names),
            scale_of(names),
            bool(reachable(("log.level", "s", *DEEP_LEVELS, *DEEP_LEVEL_WORDS), there)),
            bool(there & WORD_NAMES),
            named_like(names, LIKE_A_LEVEL),
            named_last(names, LAST_LIKE_A_LEVEL),
            tuple(name for name in MESSAGE_FIELDS if name in there),
            tuple(name for name in TEXT_FIELDS if name in there),
            ranked((*MESSAGE_FIELDS, *TEXT_FIELDS), names),
            tuple(name for name in (*MESSAGE_FIELDS, *ERROR_FIELDS) if name in there),
            tuple(name for name in names if name in SURE_TEXTS or name.lower() in MESSAGE_FIELDS),
        )


def candidates(
    fields: Fields, names: tuple[tuple[str, bool], ...], kinds: tuple[type, ...]
) -> Iterator[tuple[str, Any]]:
    """Values of these names; of those that differ in case, only of these `kinds`."""
    for name, is_exact in names:
        value = fields[name]
        if value is not None and (is_exact or isinstance(value, kinds)):
            yield name, value


WORD_NAMES = frozenset((*WORD_FIELDS, *OTEL_FIELDS))
plan_of = by_names(Plan.among)
