"""A rule of redaction: an expression, what it finds, and whether what it found is one.

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
    """`pattern` with the part to replace in the group that matched, else the whole; `check` sees that part."""

    kind: str
    source: str
    flags: int
    hint: str
    check: Check
    spans_lines: bool = False  # a name and its value often stand in lines of their own

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when it is needed first: most texts need none, and all take as long as half a million log lines."""
        return re.compile(self.source, self.flags)


def make_rule(
    kind: str,
    pattern: str,
    *,
    check: Check = lambda _, __: True,
    flags: int = 0,
    hint: str | None = None,
    spans_lines: bool = False,
) -> Rule:
    return Rule(kind, pattern, flags, hint or hint_of(pattern, flags), check, spans_lines)
