"""Words and phrases that proved to be values in one position and are recognised in others.

Here: those values, and templates that differ only in them. Where they are found: `merger.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from fleexmon_pipeline.patterns.merging.phrases import MAX_PHRASE_TOKENS
from fleexmon_pipeline.patterns.merging.words import DISTINGUISHING, SENTENCE, is_before_verb, is_capital, words_of
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

MAX_VALUES = 20_000
MAX_PLACES = 4  # remembered per value
MAX_MEMBERS = 500  # templates of one form that are compared
MIN_WORDS_AROUND = 3  # for two templates to merge
MIN_NAMES = 4  # templates needed to merge if they differ in names seen nowhere else
_ANYWHERE: Template = ("a name",)  # the position of all capitalised names: people, cities, products
_PARTICLES = frozenset(("van", "der", "den", "de", "la", "von", "di", "del", "'"))

Form = tuple[Template, dict[int, Template]]  # with a placeholder per known value, and what stood there


class Values:
    """Values with the positions where they alternate with others, and templates by their form without such values."""

    def __init__(self) -> None:
        self._places: dict[Template, frozenset[Template]] = {}
        self._longest: dict[str, int] = {}  # first word to the number of tokens of the longest value
        self._form: dict[Template, Template] = {}
        self._members: defaultdict[Template, dict[Template, None]] = defaultdict(dict)

    def note(self, place: Template, values: Iterable[Template]) -> None:
        if len(self._places) > MAX_VALUES:
            self._places.clear()
            self._longest.clear()
        for value in values:
            if (
                PLACEHOLDER in value
                or not 0 < len(value) <= MAX_PHRASE_TOKENS
                or (len(value) == 1 and _is_common(value[0]))
            ):
                continue
            places = self._places.get(value, frozenset()) | {place}
            self._places[value] = places if len(places) <= MAX_PLACES else frozenset(sorted(places)[:MAX_PLACES])
            self._longest[value[0]] = max(self._longest.get(value[0], 0), len(value))

    def __contains__(self, value: object) -> bool:
        return value in self._places

    def file(self, template: Template) -> Template | None:
        """Index `template` by its form for `together`. Returns the form; None if it holds no known value."""
        form, values = self._read(template)
        self.drop(template)
        if not values:
            return None
        self._form[template] = form
        self._members[form][template] = None
        return form

    def drop(self, template: Template) -> None:
        if (form := self._form.pop(template, None)) is not None:
            del self._members[form][template]
            if not self._members[form]:
                del self._members[form]

    def together(self, form: Template, more: Iterable[Template]) -> tuple[Template, list[int], list[Template]] | None:
        """The template that those of this form and `more` merge into, its wide placeholders, and the members: those
        that differ in values that share a position elsewhere."""
        members = [*self._members.get(form, ()), *more][:MAX_MEMBERS]
        if len(members) < 2 or words_of(form) < MIN_WORDS_AROUND:
            return None
        read = ((member, *self._read(member)) for member in members)
        values_of = {member: values for member, current, values in read if current == form}
        needed = 2
        for i, token in enumerate(form):
            values = [held[i] for held in values_of.values() if i in held]
            if token == PLACEHOLDER and values and (len(set(values)) > 1 or len(values) < len(values_of)):
                seen = Counter(place for value in values for place in self._places_of(value))
                place = max(seen, key=lambda place: (seen[place], place))
                values_of = {
                    m: held for m, held in values_of.items() if i not in held or place in self._places_of(held[i])
                }
                needed = max(needed, MIN_NAMES if place == _ANYWHERE else 2)
        if len(values_of) < needed:
            return None
        target: list[str] = []
        wide: list[int] = []
        for i, token in enumerate(form):
            values = sorted({held.get(i, (token,)) for held in values_of.values()})
            if len(values) > 1 and max(map(len, values)) > 1:
                wide.append(len(target))
            target.extend(values[0] if len(values) == 1 else (PLACEHOLDER,))
        return tuple(target), wide, list(values_of)

    def _read(self, template: Template) -> Form:
        form: list[str] = []
        values: dict[int, Template] = {}
        i = 0
        while i < len(template):
            if end := self._end(template, i):
                values[len(form)] = template[i:end]
                form.append(PLACEHOLDER)
                i = end
            else:
                form.append(template[i])
                i += 1
        return tuple(form), values

    def _end(self, template: Template, begin: int) -> int:
        """Where a value that starts here ends; 0 if none does. Neither the first word of a line nor a key is a
        value."""
        if not begin or is_before_verb(template[:begin]):
            return 0
        if end := _end_of_name(template, begin):
            return end
        for end in range(begin + self._longest.get(template[begin], 0), begin, -1):
            if template[begin:end] in self._places and template[end : end + 1] != ("=",):
                return end
        return 0

    def _places_of(self, value: Template) -> frozenset[Template]:
        places = self._places.get(value, frozenset())
        return places | {_ANYWHERE} if _end_of_name((PLACEHOLDER, *value), 1) == len(value) + 1 else places


def _end_of_name(template: Template, begin: int) -> int:
    """Where a name that starts here ends; 0 if none does. A name is capitalised words inside a sentence, with
    particles."""
    before = template[begin - 1]
    if not (before == PLACEHOLDER or before.islower() or is_capital(before)):
        return 0
    end = begin
    for i in range(begin, min(len(template), begin + MAX_PHRASE_TOKENS)):
        if is_capital(template[i]):
            end = i + 1
        elif i == begin or template[i] not in _PARTICLES:
            break
    return end if end > begin else 0


def _is_common(word: str) -> bool:
    return not word[0].isalpha() or DISTINGUISHING.fullmatch(word) is not None or word.lower() in SENTENCE
