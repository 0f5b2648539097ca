"""Placeholders: people read `<num>`, `<ip>`, …; internally each is one private-use character.

Here: the kinds, and which kind two of them become when joined. What they replace: `masks.py`.
"""

from __future__ import annotations

import re

Template = tuple[str, ...]

# Internally a placeholder is one private-use character (fixed width, never a word character); shown, it is "<num>".
# For identity every kind counts as the first, "<*>": `took 5 ms` and `took 1.5 s` differ in kind only.
KINDS = ("*", "num", "duration", "size", "time", "ip", "mac", "host", "url", "email", "path", "uuid", "hex", "id")
MARK = {kind: chr(0xE000 + index) for index, kind in enumerate(KINDS)}
PLACEHOLDER = MARK["*"]
MARKS = frozenset(MARK.values())
ANY = f"[{MARK['*']}-{MARK['id']}]"
SHOWN = {ord(mark): f"<{kind}>" for kind, mark in MARK.items()}
MARK_OF_SHOWN = {f"<{kind}>": mark for kind, mark in MARK.items()}
SHOWN_PLACEHOLDER = re.compile("|".join(map(re.escape, MARK_OF_SHOWN)))
ANY_MARK = re.compile(ANY)

# While a line is masked, these stand for its status, its verb and the slashes of its route: no mask matches them.
# Each has three bytes in UTF-8, as many as a status has digits.
KEPT_STATUS, KEPT_SLASH, KEPT_WORD = "\ue100", "\ue101", "\ue102"
ANY_KEPT = re.compile(f"[{KEPT_STATUS}-{KEPT_WORD}]")


def shared_kind(marks: set[str]) -> str:
    """The placeholder for these: of the kind they share, otherwise `<*>`."""
    if len(marks) == 1:
        return next(iter(marks))
    return MARK["time"] if marks == {MARK["time"], MARK["num"]} else PLACEHOLDER
