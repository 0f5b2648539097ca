"""Show values that all lines of an issue share, although the template hides them.

Here: put such values into a template's text, as in `badger settlement worker lost its quorum`. If values differ, the
words that all of them begin or end with: `cannot write <*>: No space left on device`. Reading the lines:
`read_counts.read_messages`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleexmon_pipeline.patterns.masks import without_frames
from fleexmon_pipeline.patterns.placeholders import SHOWN_PLACEHOLDER

MAX_VALUE_CHARS = 60  # of a value in a title
MAX_MESSAGE_CHARS = 4_000  # of a message that are aligned with its template

# Kinds that can name things. Numbers, times and meaningless ids say nothing in a title, even if all lines share them.
_NAMING = frozenset(("<*>", "<id>", "<host>", "<path>", "<ip>", "<email>", "<url>"))
_TOKEN = re.compile(r"\w+|[^\w\s\"']")
_BETWEEN = r"[\s\"'\\]*+"
_ASIDE = rf"(?:\([^()]{{0,200}}+\){_BETWEEN})?+"  # templates have no `(<*>)`


def with_shared_values(template: str, messages: Sequence[str]) -> str:
    """The template (as stored and shown) with shared values instead of placeholders.

    A placeholder is replaced if all messages have the same value. If only the first or last words of the values are the
    same, these are put beside the placeholder. A message that cannot be aligned, for example because its template was
    cut, leaves the template unchanged. The caller redacts messages like templates. Time is linear in their length.
    """
    kinds = SHOWN_PLACEHOLDER.findall(template)
    if not messages or not hides_names(template):
        return template
    texts = SHOWN_PLACEHOLDER.split(template)
    literals = [_literal(text) for text in texts]
    values = [_values(literals, without_frames(message[:MAX_MESSAGE_CHARS])) for message in messages]
    columns = list(zip(*values, strict=False))
    if len(columns) != len(kinds):
        return template
    filled = [texts[0]]
    for kind, of_messages, text in zip(kinds, columns, texts[1:], strict=True):
        shared = _shared(kind, of_messages) if kind in _NAMING else ""
        filled += [shared if 0 < len(shared) <= MAX_VALUE_CHARS else kind, text]
    return "".join(filled)


def _shared(kind: str, values: Sequence[str]) -> str:
    """What the values of one placeholder have in common; empty if nothing."""
    if len(set(values)) == 1:
        return values[0] if kind != "<id>" or len(values) > 1 else ""  # one line's id may be the request's own
    if kind != "<*>":
        return ""
    words = [value.split() for value in values]
    shortest = min(map(len, words)) - 1  # at least one word of each value is left
    first = _in_common(words, shortest)
    last = _in_common([value[::-1] for value in words], shortest - first)
    before, after = words[0][:first], words[0][len(words[0]) - last :]
    if not any(map(str.isalpha, (*before, *after))):
        return ""
    joint = ":" if after and all(value[-last - 1].endswith(":") for value in words) else ""
    return " ".join((*before, kind + joint, *after))


def _in_common(words: Sequence[Sequence[str]], most: int) -> int:
    """How many words all texts begin with, at most `most`."""
    columns = zip(*words, strict=False)
    return next((i for i, column in enumerate(columns) if i >= most or len(set(column)) > 1), max(most, 0))


def hides_names(template: str) -> bool:
    """Whether a value in its lines could say which thing they are about."""
    return not _NAMING.isdisjoint(SHOWN_PLACEHOLDER.findall(template))


def _literal(text: str) -> re.Pattern[str] | None:
    """Matches the text between two placeholders, with any spaces and quotes; None if there is no text."""
    tokens = _TOKEN.findall(text)
    text = ""
    for n, part in enumerate(tokens):
        text += (_BETWEEN if n else "") + (_ASIDE if n and part != "(" else "") + re.escape(part)
    return re.compile(text) if text else None


def _values(literals: Sequence[re.Pattern[str] | None], message: str) -> tuple[str, ...]:
    """The value of each placeholder; empty if the message cannot be aligned with the template."""
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
