"""Values that a template hides although all lines at hand share them: `badger settlement worker lost its quorum`.

Here: putting such values into a template's text. Reading the lines: `read_counts.read_messages`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleexmon_pipeline.patterns.masks import without_frames
from fleexmon_pipeline.patterns.placeholders import SHOWN_PLACEHOLDER

MAX_VALUE_CHARS = 60  # of a value in a title
MAX_MESSAGE_CHARS = 4_000  # of a message that is aligned with its template

# Names of things. Numbers, times and ids without meaning would say nothing in a title, even if all lines share them.
_NAMING = frozenset(("<*>", "<id>", "<host>", "<path>", "<ip>", "<email>", "<url>"))
_TOKEN = re.compile(r"\w+|[^\w\s\"']")
_BETWEEN = r"[\s\"'\\]*+"


def with_shared_values(template: str, messages: Sequence[str]) -> str:
    """`template`, as stored and shown, with the value instead of a placeholder where it is the same in all messages.

    A message that does not align, such as one whose template was cut, leaves the template as it is. The caller redacts
    messages as it does templates. Time is linear in their length.
    """
    kinds = SHOWN_PLACEHOLDER.findall(template)
    if not messages or not hides_names(template):
        return template
    texts = SHOWN_PLACEHOLDER.split(template)
    literals = [_literal(text) for text in texts]
    values = [_values(literals, without_frames(message[:MAX_MESSAGE_CHARS])) for message in messages]
    shared = [held[0] if len(set(held)) == 1 else None for held in zip(*values, strict=False)]
    if len(shared) != len(kinds):
        return template
    filled = [texts[0]]
    for kind, value, text in zip(kinds, shared, texts[1:], strict=True):
        show = kind in _NAMING and value is not None and 0 < len(value) <= MAX_VALUE_CHARS
        show = show and (kind != "<id>" or len(messages) > 1)  # one line's id may be the request's own
        filled += [value if show and value else kind, text]
    return "".join(filled)


def hides_names(template: str) -> bool:
    """Whether a value in its lines could say which thing they are about."""
    return not _NAMING.isdisjoint(SHOWN_PLACEHOLDER.findall(template))


def _literal(text: str) -> re.Pattern[str] | None:
    """What stands between two placeholders, however it is spaced and quoted; None for nothing."""
    tokens = _TOKEN.findall(text)
    return re.compile(_BETWEEN.join(map(re.escape, tokens))) if tokens else None


def _values(literals: Sequence[re.Pattern[str] | None], message: str) -> tuple[str, ...]:
    """What stands in place of each placeholder; empty if the message does not align with the template."""
    first, *inner = literals
    begin = 0
    if first is not None:
        if (match := first.match(message.lstrip())) is None:
            return ()
        begin = match.end() + len(message) - len(message.lstrip())
    values: list[str] = []
    for i, literal in enumerate(inner, 1):
        if literal is None:
            if i < len(inner):
                return ()  # two placeholders side by side: where one ends is unknown
            values.append(message[begin:])
            break
        if (match := literal.search(message, begin + 1)) is None:
            return ()
        values.append(message[begin : match.start()])
        begin = match.end()
    return tuple(value.strip(" \t\n\"'") for value in values)
