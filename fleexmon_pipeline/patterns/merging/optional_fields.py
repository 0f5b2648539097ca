"""Fields that a line has or has not: `…, host: <*>` and `…, host: <*>, referrer: <*>` are one statement.

Here: what a template is without its fields, and which those are. Only fields that a comma parts from the rest count:
`rhost=<*> user=<*>` is said by other statements than `rhost=<*>`. What becomes of it: `merger.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache

from fleexmon_pipeline.patterns.masks import TELLING
from fleexmon_pipeline.patterns.placeholders import HOLE, Template

MOST_LIKE = 150  # templates of one sentence that are compared
LEAST_WORDS = 3  # of the sentence, for its fields to say nothing about what it is

_FIELD = re.compile(rf"(?:(?<={{)| ,) ([A-Za-z_][^ ]*+) [:=] {HOLE}(?= [,}})\]]|$)")
_WORD = re.compile(r"(?<![^ ])[A-Za-z/]")


@lru_cache(maxsize=4_096)
def without_fields(template: Template) -> tuple[str, Template] | None:
    """The sentence and the keys of its fields, in order; None where the sentence says too little."""
    keys: list[str] = []

    def take(field: re.Match[str]) -> str:
        if field[1].lower() in TELLING:
            return field[0]
        keys.append(field[1])
        return ""

    sentence = " ".join(template)
    if "," in template and HOLE in template:
        sentence = _FIELD.sub(take, sentence).replace("{ ,", "{")
    return (sentence, tuple(keys)) if len(_WORD.findall(sentence)) >= LEAST_WORDS else None


def has_more(keys: Template, than: Template) -> bool:
    """Whether `keys` are those of `than`, in their order, and others."""
    rest = iter(keys)
    return len(than) < len(keys) and all(key in rest for key in than)


def field_pairs(
    templates: Iterable[Template], saying: Callable[[str], Collection[Template]]
) -> Iterator[tuple[Template, Template]]:
    """Two templates of which the second has more fields, one of them from `templates`; `saying`: all of a sentence.
    Where very many differ in their fields alone, lines are data: they stay apart."""
    for template in templates:
        if (mine := without_fields(template)) is None or len(saying(mine[0])) > MOST_LIKE:
            continue
        for other in saying(mine[0]):
            theirs = without_fields(other) or mine
            if has_more(mine[1], theirs[1]):
                yield other, template
            elif has_more(theirs[1], mine[1]):
                yield template, other
