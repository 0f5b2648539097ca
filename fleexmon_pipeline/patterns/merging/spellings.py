"""Templates that spell one text in two ways: `mapreduce.Job: done` and `Job: done`, `queue Mail` and `queue mail`.

Here: what all spellings have in common, and which of two is kept. The merge itself: `merger.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from fleexmon_pipeline.patterns.merging.words import is_status
from fleexmon_pipeline.patterns.placeholders import Template

# The package of a logger, which layouts shorten or leave out: `org.acme.Store:`, `o.a.Store:`, `Store:`.
_PACKAGE = re.compile(r"(?<![^ ])(?:[A-Za-z_]\w*+\.)++(?=[A-Za-z_]\w*+ [:\]])")


def spelling(template: Template) -> str:
    """What all spellings of a text have in common."""
    return _without_packages(template).lower()


def spelling_pairs(
    templates: Iterable[Template], alike: Callable[[str], Collection[Template]]
) -> Iterator[tuple[Template, Template]]:
    """Pairs of spellings, of which the first is kept; one of them is from `templates`.

    A request has no other spelling, because routes are case-sensitive. `alike`: all templates with a `spelling`, and
    maybe others.
    """
    for template in templates:
        others = alike(spelling(template))
        if len(others) < 2 or any(map(is_status, template)):
            continue
        for other in others:
            if other != template and _is_one_text(template, other):
                yield (template, other) if _rank(template) > _rank(other) else (other, template)


def _is_one_text(one: Template, other: Template) -> bool:
    """Whether at most one word differs, and only in upper and lower case.

    Several such words may name another state (`icons`, `ICONS`), and a different first word begins another sentence.
    """
    mine, theirs = _without_packages(one), _without_packages(other)
    if mine == theirs:
        return True
    words = list(zip(mine.split(" "), theirs.split(" "), strict=False))
    return mine.lower() == theirs.lower() and words[0][0] == words[0][1] and sum(a != b for a, b in words) == 1


def _rank(template: Template) -> tuple[int, Template]:
    """The spelling with the highest rank is kept: the one without packages, in lower case."""
    return -sum(map(len, template)), template


def _without_packages(template: Template) -> str:
    text = " ".join(template)
    return _PACKAGE.sub("", text) if "." in text else text
