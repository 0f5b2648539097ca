"""Reasons that several statements give, such as `Permission denied`: they are values in any position.

Here: which texts are such reasons, and where one ends. Where a statement gives a reason: `free_texts.py`; the templates
that merge because of it: `known_values.py`.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict

from fleexmon_pipeline.patterns.merging.phrases import MAX_PHRASE_TOKENS
from fleexmon_pipeline.patterns.placeholders import Template

MIN_STATEMENTS = 2  # which gave a text as their reason, so that it is a reason in any position
MAX_REASONS = 5_000  # remembered


class Reasons:
    """Reasons, with the statements that gave them. Those of the operating system are known from the start."""

    def __init__(self) -> None:
        self._known: set[Template] = set()
        self._given_by: dict[Template, frozenset[int]] = {}
        self._longest: defaultdict[str, int] = defaultdict(int)  # by first word, in tokens
        self._know_system()

    def note(self, text: Template, statement: int) -> None:
        """Record that `statement` gave `text` as its reason.

        Single words are ignored: they may be states (`failed: busy`).
        """
        reason = _spelt(text)
        if not is_reason_size(len(reason)) or not all(token[:1].isalpha() for token in reason):
            return
        given_by = self._given_by.get(reason, frozenset())
        if len(given_by) >= MIN_STATEMENTS:
            return
        if len(self._given_by) > MAX_REASONS:
            self._given_by.clear()
            self._known.clear()
            self._longest.clear()
            self._know_system()
        self._given_by[reason] = given_by | {statement}
        if len(self._given_by[reason]) >= MIN_STATEMENTS:
            self._know(reason)

    def __contains__(self, text: Template) -> bool:
        return _spelt(text) in self._known

    def end(self, template: Template, begin: int) -> int:
        """The end of a reason that starts at `begin`; 0 if none does."""
        longest = self._longest.get(template[begin].lower(), 0)
        for end in range(min(len(template), begin + longest), begin + 1, -1):
            if template[begin:end] in self:
                return end
        return 0

    def _know_system(self) -> None:
        for number in errno.errorcode:
            if len(reason := tuple(os.strerror(number).lower().split())) > 1:
                self._know(reason)

    def _know(self, reason: Template) -> None:
        self._known.add(reason)
        self._longest[reason[0]] = max(self._longest[reason[0]], len(reason))


def is_reason_size(tokens: int) -> bool:
    return 2 <= tokens <= MAX_PHRASE_TOKENS


def _spelt(text: Template) -> Template:
    return tuple(token.lower() for token in (*text[:-1], text[-1].rstrip(".") or text[-1]))
