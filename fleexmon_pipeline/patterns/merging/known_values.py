"""Words and phrases that proved to be values in one position and are recognised in others.

Here: those values, and templates that differ only in them. Where they are found: `merger.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from fleexmon_pipeline.patterns.merging.phrases import MAX_PHRASE_TOKENS
from fleexmon_pipeline.patterns.merging.reasons import Reasons
from fleexmon_pipeline.patterns.merging.wide_placeholders import PHRASE, WORDS
from fleexmon_pipeline.patterns.merging.words import DISTINGUISHING, SENTENCE, is_before_verb, is_capital, words_of
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

MAX_VALUES = 20_000
MAX_PLACES = 4  # remembered per value
MAX_MEMBERS = 500  # templates of one form that are compared
MIN_WORDS_AROUND = 3  # for two templates to merge
MIN_REASONS = 5  # different ones in a place that announces none; fewer say what happened
MIN_NAMES = 4  # templates needed to merge if they differ in names seen nowhere else, or in their first word
_ANYWHERE: Template = ("a name",)  # the position of all capitalised names: people, cities, products
_REASON: Template = ("a reason",)  # the position of all known reasons
_PARTICLES = frozenset(("van", "der", "den", "de", "la", "von", "di", "del", "'"))

_Together = tuple[Template, dict[int, int], list[Template]]  # the target, its wide placeholders, the members
Form = tuple[Template, dict[int, Template]]  # with a placeholder per known value, and what stood there


class Values:
    """Values with the positions where they alternate with others, and templates by their form without such values."""

    def __init__(self, reasons: Reasons) -> None:
        self._reasons = reasons
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

    def together(self, form: Template, more: Iterable[Template]) -> _Together | None:
        """What those of this form and `more` merge into, and the members: those that differ in values that share a
        position elsewhere, or in reasons."""
        members = [*self._members.get(form, ()), *more][:MAX_MEMBERS]
        if len(members) < 2:
            return None
        read = ((member, *self._read(member)) for member in members)
        values_of = {member: values for member, current, values in read if current == form}
        needed = 2
        of_reasons: set[int] = set()
        for i, token in enumerate(form):
            values = [held[i] for held in values_of.values() if i in held]
            is_varied = len(values) < len(values_of)  # a member has a placeholder there
            if token == PLACEHOLDER and values and (is_varied or len(set(values)) > 1):
                if (place := self._shared_place(values, of_many=is_varied or len(set(values)) >= MIN_REASONS)) is None:
                    return None
                values_of = {
                    m: held for m, held in values_of.items() if i not in held or place in self._places_of(held[i])
                }
                if place == _REASON:
                    of_reasons.add(i)
                if place == _ANYWHERE or not i:
                    needed = MIN_NAMES
        if len(values_of) < needed or words_of(form) < (1 if of_reasons else MIN_WORDS_AROUND):
            return None
        target: list[str] = []
        wide: dict[int, int] = {}
        for i, token in enumerate(form):
            values = sorted({held.get(i, (token,)) for held in values_of.values()})
            if len(values) > 1 and max(map(len, values)) > 1:
                wide[len(target)] = WORDS if i in of_reasons else PHRASE
            target.extend(values[0] if len(values) == 1 else (PLACEHOLDER,))
        return tuple(target), wide, list(values_of)

    def _shared_place(self, values: Sequence[Template], *, of_many: bool) -> Template | None:
        """Where most of these values alternate; where reasons are given, if they are `of_many`."""
        seen = Counter(place for value in values for place in self._places_of(value))
        if not of_many:
            del seen[_REASON]
        return max(seen, key=lambda place: (seen[place], place == _REASON, place), default=None)

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
        """Where a value that starts here ends; 0 if none does. A key is none, nor is a first word that only begins a
        sentence."""
        if is_before_verb(template[:begin]) or (not begin and is_capital(template[0])):
            return 0
        for end in range(begin + self._longest.get(template[begin], 0), begin, -1):
            if template[begin:end] in self._places and template[end : end + 1] != ("=",):
                return end
        return begin and (self._reasons.end(template, begin) or _end_of_name(template, begin))

    def _places_of(self, value: Template) -> frozenset[Template]:
        places = self._places.get(value, frozenset())
        if value in self._reasons:
            places |= {_REASON}
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
