"""Index keys, a few per template, such that templates which may merge have one in common.

Here: the keys. Which templates are compared: `merger.py`.
"""

from __future__ import annotations

from fleexmon_pipeline.patterns.merging.free_texts import spans
from fleexmon_pipeline.patterns.merging.optional_fields import without_fields
from fleexmon_pipeline.patterns.merging.phrases import phrase_keys
from fleexmon_pipeline.patterns.merging.single_words import Key, start_keys
from fleexmon_pipeline.patterns.merging.spellings import spelling
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template


def text_key(before: Template, after: Template) -> Key:
    return "text", hash((before, after))


def field_key(sentence: str) -> Key:
    return "fields", hash(sentence)


def spelling_key(spelled: str) -> Key:
    return "spelling", hash(spelled)


def like_keys(template: Template) -> list[Key]:
    """Keys that similar templates share: one half, or start or end if several positions vary together."""
    size, half = len(template), len(template) // 2
    return [
        (size, "left", hash(template[:half])),
        (size, "right", hash(template[half:])),
        *start_keys(template),
    ]


def keys_of(template: Template) -> list[Key]:
    """All keys of a template: for similar templates, and for more general ones (length, first token, both)."""
    size = len(template)
    keys = [*like_keys(template), *phrase_keys(template), (size,), (size, "first", template[0])]
    keys += [text_key(template[:i], template[j:]) for i, j in spans(template)]
    if (split := without_fields(template)) is not None:
        keys.append(field_key(split[0]))
    keys.append(spelling_key(spelling(template)))
    return [*keys, (size, "general", template[0])] if PLACEHOLDER in template else keys
