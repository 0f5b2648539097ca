"""Words and phrases found to be values in one place, so that they are known for values in another.

Here: which they are, and templates that differ in such alone. Places where they are found: `merger.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from fleexmon_pipeline.patterns.merging.phrases import LONGEST_PHRASE
from fleexmon_pipeline.patterns.merging.words import SENTENCE, TELLS, is_capital, words_of
from fleexmon_pipeline.patterns.placeholders import HOLE, Template

MOST_VALUES = 20_000
MOST_PLACES = 4  # remembered of a value
MOST_MEMBERS = 500  # templates of one form that are looked at
ENOUGH_WORDS = 3  # around, for two templates to be one
FEW_NAMES = 4  # templates to be one that differ in names which were met nowhere else
_ANYWHERE: Template = ("a name",)  # the place of names of people, cities, products: of words with a capital
_PARTICLES = frozenset(("van", "der", "den", "de", "la", "von", "di", "del", "'"))

Form = tuple[Template, dict[int, Template]]  # with a hole for each known value, and what stood there


class Values:
    """value -> the places where it takes turns with others; and templates by what they are without such values."""

    def __init__(self) -> None:
        self._places: dict[Template, frozenset[Template]] = {}
        self._longest: dict[str, int] = {}  # first word -> tokens of the longest value
        self._form: dict[Template, Template] = {}
        self._members: defaultdict[Template, dict[Template, None]] = defaultdict(dict)

    def note(self, place: Template, values: Iterable[Template]) -> None:
        if len(self._places) > MOST_VALUES:
            self._places.clear()
            self._longest.clear()
        for value in values:
            if HOLE in value or not 0 < len(value) <= LONGEST_PHRASE or (len(value) == 1 and _is_common(value[0])):
                continue
            places = self._places.get(value, frozenset()) | {place}
            self._places[value] = places if len(places) <= MOST_PLACES else frozenset(sorted(places)[:MOST_PLACES])
            self._longest[value[0]] = max(self._longest.get(value[0], 0), len(value))

    def __contains__(self, value: object) -> bool:
        return value in self._places

    def file(self, template: Template) -> Template | None:
        """The form of `template`, by which `together` finds it from now on; None if there is no known value in it."""
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
        """What the templates of this form and `more` are together, its holes for phrases, and which of them: those that
        differ in values which were met in one place elsewhere."""
        members = [*self._members.get(form, ()), *more][:MOST_MEMBERS]
        if len(members) < 2 or words_of(form) < ENOUGH_WORDS:
            return None
        found = {member: values for member in members for now, values in [self._read(member)] if now == form}
        needed = 2
        for i, token in enumerate(form):
            values = [held[i] for held in found.values() if i in held]
            if token == HOLE and values and (len(set(values)) > 1 or len(values) < len(found)):
                met = Counter(place for value in values for place in self._met(value))
                place = max(met, key=lambda place: (met[place], place))
                found = {m: held for m, held in found.items() if i not in held or place in self._met(held[i])}
                needed = max(needed, FEW_NAMES if place == _ANYWHERE else 2)
        if len(found) < needed:
            return None
        target: list[str] = []
        wide: list[int] = []
        for i, token in enumerate(form):
            values = sorted({held.get(i, (token,)) for held in found.values()})
            if len(values) > 1 and max(map(len, values)) > 1:
                wide.append(len(target))
            target.extend(values[0] if len(values) == 1 else (HOLE,))
        return tuple(target), wide, list(found)

    def _read(self, template: Template) -> Form:
        form: list[str] = []
        found: dict[int, Template] = {}
        i = 0
        while i < len(template):
            if end := self._end(template, i):
                found[len(form)] = template[i:end]
                form.append(HOLE)
                i = end
            else:
                form.append(template[i])
                i += 1
        return tuple(form), found

    def _end(self, template: Template, begin: int) -> int:
        """Where a value that begins here ends; 0 if none does. The first word of a line is none, nor is a key."""
        if not begin:
            return 0
        if end := _end_of_name(template, begin):
            return end
        for end in range(begin + self._longest.get(template[begin], 0), begin, -1):
            if template[begin:end] in self._places and template[end : end + 1] != ("=",):
                return end
        return 0

    def _met(self, value: Template) -> frozenset[Template]:
        places = self._places.get(value, frozenset())
        return places | {_ANYWHERE} if _end_of_name((HOLE, *value), 1) == len(value) + 1 else places


def _end_of_name(template: Template, begin: int) -> int:
    """Where a name that begins here ends: words with a capital inside a sentence, particles between; 0 if none does."""
    before = template[begin - 1]
    if not (before == HOLE or before.islower() or is_capital(before)):
        return 0
    end = begin
    for i in range(begin, min(len(template), begin + LONGEST_PHRASE)):
        if is_capital(template[i]):
            end = i + 1
        elif i == begin or template[i] not in _PARTICLES:
            break
    return end if end > begin else 0


def _is_common(word: str) -> bool:
    return not word[0].isalpha() or TELLS.fullmatch(word) is not None or word.lower() in SENTENCE
