"""Placeholders: `<num>`, `<ip>`, … for people, one private-use character each internally.

Here: the kinds, and what two of them become when joined. What is replaced by one: `masks.py`.
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

# While a line is masked, its status, the slashes of its route and its verb are these, so that no mask reads them. As
# UTF-8 each is as long as the three digits of a status.
KEPT_STATUS, KEPT_SLASH, KEPT_WORD = "\ue100", "\ue101", "\ue102"
ANY_KEPT = re.compile(f"[{KEPT_STATUS}-{KEPT_WORD}]")


def shared_kind(marks: set[str]) -> str:
    """One placeholder for these: the kind they share, else `<*>`."""
    if len(marks) == 1:
        return next(iter(marks))
    return MARK["time"] if marks == {MARK["time"], MARK["num"]} else PLACEHOLDER
