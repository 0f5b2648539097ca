"""Find out which rules can match a text at all, with a single RE2 search for all rules.

Here: converting an expression of Python into a wider one for RE2, and the set of all. Redaction has some fifty
expressions; tried one by one they cost half a millisecond per line. RE2 searches all hints in one pass, at hundreds of
megabytes per second, so text without a secret costs almost nothing, and other text only the rules that it needs.

A hint may match where its rule does not; a rule must never match where its hint does not. So features that RE2 lacks
are left out (look-around), long repeats become unlimited, and classes include all characters that Python counts as
theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import re2

MAX_REPEAT = 40  # longer ones become unlimited in a hint: RE2's automaton grows with each repeat
_MAX_MEMORY = 256 << 20  # bytes, for the automata of all hints together, which are built when needed
# A character beyond ASCII may be a letter, a digit or a space: RE2's own tables of them made each start 30 ms longer,
# and lack what Python counts to them (½ to letters). In a negated class only ASCII is left out, for the same reason.
_BEYOND = r"\x{80}-\x{10FFFF}"
_CLASSES = {"w": rf"\w{_BEYOND}", "s": rf"\s\x0b\x1c-\x1f{_BEYOND}", "d": rf"0-9{_BEYOND}"}
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}\+?")


def hint_of(source: str, flags: int = 0) -> str:
    """An expression for RE2 that matches all texts in which Python finds `source`, and more."""
    out: list[str] = []
    place, in_class, negated = 0, False, False
    while place < len(source):
        character = source[place]
        if character == "\\":
            out.append(_escape(source[place : place + 2], in_class=in_class, negated=negated))
            place += 2
            continue
        if in_class:
            in_class = character != "]"
            negated &= in_class
        elif character == "[":
            in_class, negated = True, source.startswith("[^", place)
            head = re.match(r"\[\^?\]?", source[place:])
            end = place + len(head[0]) if head else place + 1
            if source.startswith(r"[^\W\d_]", place):
                out.append(f"[A-Za-z{_BEYOND}]")
                in_class, negated, place = False, False, place + len(r"[^\W\d_]")
            else:
                out.append(source[place:end])
                place = end
            continue
        elif _LOOKAROUND.match(source, place):
            place = _end_of_group(source, place)
            continue
        elif repeat := _REPEAT.match(source, place):
            out.append(_repeat(repeat))
            place = repeat.end()
            continue
        elif character in "*+" and source[place + 1 : place + 2] == "+":  # possessive
            out.append(character)
            place += 2
            continue
        out.append(character)
        place += 1
    letters = "".join(letter for letter, flag in (("i", re.IGNORECASE), ("s", re.DOTALL)) if flags & flag)
    return f"(?{letters}:{''.join(out)})" if letters else "".join(out)


class Hints:
    """The hints of several rules, searched together."""

    def __init__(self, hints: Sequence[str]) -> None:
        self._hints = hints

    @cached_property
    def _set(self) -> re2.Set:
        """Compiled when first used: it takes 0.2 s, and a process that only loads the definitions redacts nothing."""
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        compiled = re2.Set.SearchSet(options)
        for hint in self._hints:
            compiled.Add(hint)
        compiled.Compile()
        return compiled

    def in_text(self, text: str) -> list[int]:
        """Indices of the found hints, ascending."""
        return sorted(self._set.Match(text) or ())


def _escape(escaped: str, *, in_class: bool, negated: bool) -> str:
    kind = escaped[1]
    if kind in "bB":
        return ""
    if kind in "AZ":
        return "^" if kind == "A" else "$"
    inside = _CLASSES.get(kind)
    if inside is None or negated:
        return escaped
    return inside if in_class else f"[{inside}]"


def _repeat(found: re.Match[str]) -> str:
    least, comma, most = int(found[1]), found[2], found[3]
    if comma and (not most or int(most) > MAX_REPEAT):
        return "*" if least == 0 else "+" if least == 1 else f"{{{min(least, MAX_REPEAT)},}}"
    return f"{{{least}{',' + most if comma else ''}}}"


def _end_of_group(source: str, start: int) -> int:
    """The position after the group that begins at `start`."""
    depth, place, in_class = 0, start, False
    while place < len(source):
        character = source[place]
        if character == "\\":
            place += 2
            continue
        if in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            place += len(re.match(r"\[\^?\]?", source[place:])[0]) - 1  # type: ignore[index]
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return place
