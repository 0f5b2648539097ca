"""Templates with wide holes, which take a phrase or a text and not one value, and what fits into them.

Here: which holes of a template are wide, and whether another is the same with something in them. Where wide holes come
from: `phrases.py`, `free_texts.py`, `known_values.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping

from fleexmon_pipeline.patterns.merging.free_texts import LONGEST_TEXT
from fleexmon_pipeline.patterns.merging.phrases import LONGEST_PHRASE, is_phrase
from fleexmon_pipeline.patterns.merging.words import NAME, is_capital, is_value
from fleexmon_pipeline.patterns.placeholders import HOLE, Template

# Tokens that a wide hole takes: of a name, in quotes maybe; of a title, which has no values in it; of any text.
PHRASE, TITLE, TEXT = LONGEST_PHRASE + 2, LONGEST_TEXT, 4 * LONGEST_TEXT
LONGEST_NAME = 3  # capitalised words, `New York`, that any hole takes
MOST_WIDE = 2_000  # templates with wide holes; of more, those that came first are forgotten
MOST_FITTED = 1_000_000  # tokens of one template times those of another, compared in one settling: 0.3 s at the worst


class Wide:
    """Which holes of which templates are wide: place -> how many tokens it takes."""

    def __init__(self) -> None:
        self.holes: dict[Template, dict[int, int]] = {}
        self._by_word: defaultdict[str, dict[Template, None]] = defaultdict(dict)

    def open(self, template: Template, place: int, width: int) -> None:
        holes = self.holes.get(template)
        if holes is None:
            if len(self.holes) >= MOST_WIDE:
                self.drop(next(iter(self.holes)))
            holes = self.holes[template] = {}
            self._by_word[_rarest(template)][template] = None
        holes[place] = max(width, holes.get(place, 0))

    def drop(self, template: Template) -> None:
        if self.holes.pop(template, None) is not None:
            word = _rarest(template)
            del self._by_word[word][template]
            if not self._by_word[word]:
                del self._by_word[word]

    def carry(self, template: Template, target: Template, at: int | None) -> None:
        """What is wide in `template` is wide in `target` too, which it merges into; behind `at`, the hole that made it
        shorter, places are counted from the end."""
        shorter = len(template) - len(target)
        if shorter and at is None:
            return
        for place, width in self.holes.get(template, {}).items():
            there = place if at is None or place < at else place - shorter
            if (at is None or place < at or there > at) and target[there] == HOLE:
                self.open(target, there, width)

    def around(self, template: Template) -> Iterator[Template]:
        """Templates with wide holes that `template` may fit: they have no word that it has not."""
        for word in set(template):
            for general in self._by_word.get(word, ()):
                if len(general) <= len(template):
                    yield general

    def fits(self, general: Template, template: Template, values: Container[Template]) -> bool:
        return fits(general, self.holes.get(general, {}), template, values)


def _rarest(template: Template) -> str:
    """A word of a template that few others have, most likely: the longest."""
    return max((token for token in template if token != HOLE), key=lambda token: (len(token), token), default=HOLE)


def fits(
    general: Template, wide: Mapping[int, int], template: Template, values: Container[Template] = frozenset()
) -> bool:
    """Whether `template` is `general` with a phrase or text in its wide holes, and one value, or one name, in others;
    after a colon at the end stands anything. Time is bounded by the product of their lengths and TEXT."""
    if general == template or len(template) < len(general):
        return False
    size, last = len(template), len(general) - 1
    reached = {0}
    for i, token in enumerate(general):
        if token != HOLE:
            reached = {p + 1 for p in reached if p < size and template[p] == token}
        elif i == last and i and general[i - 1] == ":":
            return bool(reached - {size})
        elif i in wide:
            reached = {
                q
                for p in reached
                for q in range(p + 1, min(size, p + wide[i]) + 1)
                if q == p + 1 or _is_wide(template[p:q], wide[i])
            }
        else:
            reached = {
                q
                for p in reached
                for q in range(p + 1, min(size, p + LONGEST_NAME) + 1)
                if (_is_one(template[p]) if q == p + 1 else _is_name(template[p:q], values))
            }
        if not reached:
            return False
    return size in reached


def what_fitted(general: Template, template: Template) -> tuple[int, Template] | None:
    """The hole of `general` in which `template` has something else, and what; None if that is not one hole."""
    longer = len(template) - len(general)
    for at, token in enumerate(general):
        if token == HOLE and general[:at] + general[at + 1 :] == template[:at] + template[at + longer + 1 :]:
            return at, template[at : at + longer + 1]
    return None


def _is_wide(tokens: Template, width: int) -> bool:
    if width == PHRASE:
        return is_phrase(tokens) or is_phrase(tuple(token for token in tokens if token != HOLE))
    return width == TEXT or HOLE not in tokens[:-1]


def _is_one(token: str) -> bool:
    return token == HOLE or is_value(token)


def _is_name(tokens: Template, values: Container[Template]) -> bool:
    return tokens in values or all(map(is_capital, tokens))


def without_index(template: Template) -> Template:
    """Without the index behind a name: `worker[<*>]: Reading` as `worker: Reading`."""
    if "[" not in template:
        return template
    found: list[str] = []
    for token in template:
        found.append(token)
        if found[-3:] == ["[", HOLE, "]"] and len(found) > 3 and NAME.fullmatch(found[-4]):
            del found[-3:]
    return tuple(found)
