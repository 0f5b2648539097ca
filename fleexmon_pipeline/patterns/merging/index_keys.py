"""Under which keys a template is found by those that may merge with it: few for each, so that like meets its like.

Here: keys. What is compared then: `merger.py`.
"""

from __future__ import annotations

from fleexmon_pipeline.patterns.merging.free_texts import spans
from fleexmon_pipeline.patterns.merging.optional_fields import without_fields
from fleexmon_pipeline.patterns.merging.phrases import phrase_keys
from fleexmon_pipeline.patterns.merging.single_words import Key, start_keys
from fleexmon_pipeline.patterns.placeholders import HOLE, Template


def text_key(before: Template, after: Template) -> Key:
    return "text", hash((before, after))


def field_key(sentence: str) -> Key:
    return "fields", hash(sentence)


def like_keys(template: Template) -> list[Key]:
    """What templates that may merge share: one half, or (those whose places vary together) beginning or end."""
    size, half = len(template), len(template) // 2
    return [
        (size, "left", hash(template[:half])),
        (size, "right", hash(template[half:])),
        *start_keys(template),
    ]


def keys_of(template: Template) -> list[Key]:
    """All under which a template is found: its like; and for what is more general, length, first token, both."""
    size = len(template)
    keys = [*like_keys(template), *phrase_keys(template), (size,), (size, "first", template[0])]
    keys += [text_key(template[:i], template[j:]) for i, j in spans(template)]
    if (split := without_fields(template)) is not None:
        keys.append(field_key(split[0]))
    return [*keys, (size, "general", template[0])] if HOLE in template else keys
