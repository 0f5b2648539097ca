"""Optional fields: `…, host: <*>` and `…, host: <*>, referrer: <*>` come from one statement.

Here: separate a template from its fields. Only fields after a comma count: `rhost=<*> user=<*>` and `rhost=<*>` come
from different statements. The merge itself: `merger.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache

from fleexmon_pipeline.patterns.masks import MESSAGE_KEYS
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

MAX_ALIKE = 150  # templates of one sentence that are compared
MIN_SENTENCE_WORDS = 3  # for a sentence to identify a statement without its fields

_FIELD = re.compile(rf"(?:(?<={{)| ,) ([A-Za-z_][^ ]*+) [:=] {PLACEHOLDER}(?= [,}})\]]|$)")
_WORD = re.compile(r"(?<![^ ])[A-Za-z/]")


@lru_cache(maxsize=4_096)
def without_fields(template: Template) -> tuple[str, Template] | None:
    """The template without its fields, and the keys of these in order; None if too few words are left."""
    keys: list[str] = []

    def take(field: re.Match[str]) -> str:
        if field[1].lower() in MESSAGE_KEYS:
            return field[0]
        keys.append(field[1])
        return ""

    sentence = " ".join(template)
    if "," in template and PLACEHOLDER in template:
        sentence = _FIELD.sub(take, sentence).replace("{ ,", "{")
    return (sentence, tuple(keys)) if len(_WORD.findall(sentence)) >= MIN_SENTENCE_WORDS else None


def has_more(keys: Template, than: Template) -> bool:
    """Whether `keys` contains those of `than`, in the same order, and more."""
    rest = iter(keys)
    return len(than) < len(keys) and all(key in rest for key in than)


def field_pairs(
    templates: Iterable[Template], with_sentence: Callable[[str], Collection[Template]]
) -> Iterator[tuple[Template, Template]]:
    """Pairs of templates of which the second has more fields; one of them is from `templates`.

    If very many differ only in their fields, the lines are data and do not merge. `with_sentence`: all templates with a
    sentence.
    """
    for template in templates:
        if (mine := without_fields(template)) is None or len(with_sentence(mine[0])) > MAX_ALIKE:
            continue
        for other in with_sentence(mine[0]):
            theirs = without_fields(other) or mine
            if has_more(mine[1], theirs[1]):
                yield other, template
            elif has_more(theirs[1], mine[1]):
                yield template, other
