"""Texts that a line must contain to match an expression: the database and the archive search for them first.

Here: reading an expression with Python's own parser. It only saves time: each found line is matched afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from re import _constants as kind  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MIN_TEXT = 3  # characters; a shorter one is in most lines
MAX_TEXTS = 8  # each is searched by itself; for an expression with more alternatives every line is read
_ZERO_WIDTH = (kind.AT,)
_CHANGES_CASE = "ksi"  # ignoring case, Python lets these match letters beyond ASCII

Texts = Sequence[str]


def texts_of(expression: re.Pattern[str] | None) -> Texts:
    """Every matching line contains at least one of these, ignoring the case of ASCII letters. Empty: none is known."""
    if expression is None:
        return ()
    parsed = _parser.parse(expression.pattern, expression.flags)
    found = _best(_choices(parsed, ignores_case=bool(expression.flags & re.IGNORECASE)))
    return sorted(found) if found and len(found) <= MAX_TEXTS and len(min(found, key=len)) >= MIN_TEXT else ()


def _choices(parsed: Iterable[tuple[Any, Any]], *, ignores_case: bool) -> list[frozenset[str]]:
    """Sets of texts; a match contains a text of each set."""
    choices: list[frozenset[str]] = []
    run = ""

    def end_run() -> None:
        nonlocal run
        if run:
            choices.append(frozenset([run]))
        run = ""

    for what, value in parsed:
        if what is kind.LITERAL and _is_searched_for(chr(value), ignores_case=ignores_case):
            run += chr(value)
            continue
        if what in _ZERO_WIDTH:
            continue
        end_run()
        inner: Callable[[Any], list[frozenset[str]]] = lambda part: _choices(part, ignores_case=ignores_case)  # noqa: E731
        if what is kind.SUBPATTERN:
            _, added, removed, part = value
            changed = (ignores_case or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
            choices += _choices(part, ignores_case=changed)
        elif what is kind.ATOMIC_GROUP:
            choices += inner(value)
        elif what in (kind.MAX_REPEAT, kind.MIN_REPEAT, kind.POSSESSIVE_REPEAT) and value[0] > 0:
            choices += inner(value[2])
        elif what is kind.BRANCH:
            choices += _of_branches([_best(inner(part)) for part in value[1]])
    end_run()
    return choices


def _of_branches(branches: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """For alternatives: all of their texts. Empty if one alternative has none."""
    return [frozenset().union(*branches)] if all(branches) else []


def _best(choices: Sequence[frozenset[str]]) -> frozenset[str]:
    """The set whose shortest text is longest, since long texts are rare; among equals the one with the fewest."""
    return max(choices, key=lambda texts: (len(min(texts, key=len)), -len(texts)), default=frozenset())


def _is_searched_for(character: str, *, ignores_case: bool) -> bool:
    """Whether it can be stored, and matches only itself and, of an ASCII letter, the other case."""
    if character == "\0" or "\ud800" <= character <= "\udfff":
        return False
    return not ignores_case or (character.isascii() and character.lower() not in _CHANGES_CASE)
