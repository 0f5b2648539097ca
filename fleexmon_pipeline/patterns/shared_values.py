"""Values that a template hides although all lines at hand share them: `badger settlement worker lost its quorum`.
Of values that differ, the words that all begin or end with: `cannot write <*>: No space left on device`.

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
_ASIDE = rf"(?:\([^()]{{0,200}}+\){_BETWEEN})?+"  # templates have no `(<*>)`


def with_shared_values(template: str, messages: Sequence[str]) -> str:
    """`template`, as stored and shown, with the value instead of a placeholder where it is the same in all messages,
    and with its first and last words beside the placeholder where only these are.

    A message that does not align, such as one whose template was cut, leaves the template as it is. The caller redacts
    messages as it does templates. Time is linear in their length.
    """
    kinds = SHOWN_PLACEHOLDER.findall(template)
    if not messages or not hides_names(template):
        return template
    texts = SHOWN_PLACEHOLDER.split(template)
    literals = [_literal(text) for text in texts]
    values = [_values(literals, without_frames(message[:MAX_MESSAGE_CHARS])) for message in messages]
    held = list(zip(*values, strict=False))
    if len(held) != len(kinds):
        return template
    filled = [texts[0]]
    for kind, of_messages, text in zip(kinds, held, texts[1:], strict=True):
        shared = _shared(kind, of_messages) if kind in _NAMING else ""
        filled += [shared if 0 < len(shared) <= MAX_VALUE_CHARS else kind, text]
    return "".join(filled)


def _shared(kind: str, values: Sequence[str]) -> str:
    """What these values of one placeholder have in common; empty for nothing."""
    if len(set(values)) == 1:
        return values[0] if kind != "<id>" or len(values) > 1 else ""  # one line's id may be the request's own
    if kind != "<*>":
        return ""
    words = [value.split() for value in values]
    shortest = min(map(len, words)) - 1  # a word of each is left, which differs
    first = _in_common(words, shortest)
    last = _in_common([value[::-1] for value in words], shortest - first)
    before, after = words[0][:first], words[0][len(words[0]) - last :]
    if not any(map(str.isalpha, (*before, *after))):
        return ""
    joint = ":" if after and all(value[-last - 1].endswith(":") for value in words) else ""
    return " ".join((*before, kind + joint, *after))


def _in_common(words: Sequence[Sequence[str]], most: int) -> int:
    """How many words at the beginning of all are the same, at most `most`."""
    columns = zip(*words, strict=False)
    return next((i for i, column in enumerate(columns) if i >= most or len(set(column)) > 1), max(most, 0))


def hides_names(template: str) -> bool:
    """Whether a value in its lines could say which thing they are about."""
    return not _NAMING.isdisjoint(SHOWN_PLACEHOLDER.findall(template))


def _literal(text: str) -> re.Pattern[str] | None:
    """What stands between two placeholders, however it is spaced and quoted; None for nothing."""
    tokens = _TOKEN.findall(text)
    text = ""
    for n, part in enumerate(tokens):
        text += (_BETWEEN if n else "") + (_ASIDE if n and part != "(" else "") + re.escape(part)
    return re.compile(text) if text else None


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
