"""A rule of redaction: an expression, the kind of secret that it finds, and a check of the found text.

Here: the type, and how one is made. The rules: `secret_forms.py`, `command_forms.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from fleexmon_pipeline.redaction.hints import hint_of

Check = Callable[[str, re.Match[str]], bool]


@dataclass(frozen=True)
class Rule:
    """The group of `pattern` that matched is replaced, or else the whole match; `check` gets that part.

    With `parts`, each value that this expression finds within the group is checked and replaced by itself: the entries
    of a list, the values of a map.
    """

    kind: str
    source: str
    flags: int
    hint: str
    check: Check
    spans_lines: bool = False  # a name and its value are often in separate lines
    parts: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled at the first use: most texts need no rule, and compiling all takes as long as half a million
        lines."""
        return re.compile(self.source, self.flags)

    @cached_property
    def part_pattern(self) -> re.Pattern[str]:
        return re.compile(self.parts, self.flags)


def make_rule(
    kind: str,
    pattern: str,
    *,
    check: Check = lambda _, __: True,
    flags: int = 0,
    hint: str | None = None,
    spans_lines: bool = False,
    parts: str = "",
) -> Rule:
    return Rule(kind, pattern, flags, hint or hint_of(pattern, flags), check, spans_lines, parts)
