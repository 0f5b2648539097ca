"""Values found in one position and recognised in others: words and phrases.

Here: these values, and templates that differ only in them. `merger.py` finds the values.
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
MAX_POSITIONS = 4  # remembered per value
MAX_MEMBERS = 500  # templates of one form that are compared
MIN_WORDS_AROUND = 3  # for two templates to merge
MIN_REASONS = 5  # different ones in a position that does not announce a reason; fewer may name the event
MIN_NAMES = 4  # templates needed to merge if they differ in names not seen elsewhere, or in their first word
_ANYWHERE: Template = ("a name",)  # the position of all capitalised names: people, cities, products
_REASON: Template = ("a reason",)  # the position of all known reasons
_PARTICLES = frozenset(("van", "der", "den", "de", "la", "von", "di", "del", "'"))

_ValueMerge = tuple[Template, dict[int, int], list[Template]]  # target, its wide placeholders, members
Form = tuple[Template, dict[int, Template]]  # the template with placeholders for known values, and these values


class Values:
    """Values with the positions in which they vary, and templates indexed by their form without such values."""

    def __init__(self, reasons: Reasons) -> None:
        self._reasons = reasons
        self._positions: dict[Template, frozenset[Template]] = {}
        self._longest: dict[str, int] = {}  # first word to the number of tokens of the longest value
        self._form: dict[Template, Template] = {}
        self._members: defaultdict[Template, dict[Template, None]] = defaultdict(dict)

    def note(self, position: Template, values: Iterable[Template]) -> None:
        if len(self._positions) > MAX_VALUES:
            self._positions.clear()
            self._longest.clear()
        for value in values:
            if (
                PLACEHOLDER in value
                or not 0 < len(value) <= MAX_PHRASE_TOKENS
                or (len(value) == 1 and _is_common(value[0]))
            ):
                continue
            positions = self._positions.get(value, frozenset()) | {position}
            self._positions[value] = (
                positions if len(positions) <= MAX_POSITIONS else frozenset(sorted(positions)[:MAX_POSITIONS])
            )
            self._longest[value[0]] = max(self._longest.get(value[0], 0), len(value))

    def __contains__(self, value: object) -> bool:
        return value in self._positions

    def index(self, template: Template) -> Template | None:
        """Index `template` by its form for `merge_by_values`. Returns the form; None if it holds no known value."""
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

    def merge_by_values(self, form: Template, more: Iterable[Template]) -> _ValueMerge | None:
        """The merge of the templates of this form and `more`; None if they do not merge.

        Members differ only in values that vary in one common position elsewhere, or in reasons.
        """
        members = [*self._members.get(form, ()), *more][:MAX_MEMBERS]
        if len(members) < 2:
            return None
        read = ((member, *self._read(member)) for member in members)
        values_of = {member: values for member, current, values in read if current == form}
        needed = 2
        of_reasons: set[int] = set()
        for i, token in enumerate(form):
            values = [held[i] for held in values_of.values() if i in held]
            is_varied = len(values) < len(values_of)  # some member has a placeholder in this position
            if token == PLACEHOLDER and values and (is_varied or len(set(values)) > 1):
                if (
                    position := self._shared_position(values, of_many=is_varied or len(set(values)) >= MIN_REASONS)
                ) is None:
                    return None
                values_of = {
                    m: held for m, held in values_of.items() if i not in held or position in self._positions_of(held[i])
                }
                if position == _REASON:
                    of_reasons.add(i)
                if position == _ANYWHERE or not i:
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

    def _shared_position(self, values: Sequence[Template], *, of_many: bool) -> Template | None:
        """The position in which most of these values vary; that of reasons counts only if they are `of_many`."""
        seen = Counter(position for value in values for position in self._positions_of(value))
        if not of_many:
            del seen[_REASON]
        return max(seen, key=lambda position: (seen[position], position == _REASON, position), default=None)

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
        """The end of a value that starts at `begin`; 0 if none does.

        A key is not a value, nor is a first word whose capital only begins a sentence.
        """
        if is_before_verb(template[:begin]) or (not begin and is_capital(template[0])):
            return 0
        for end in range(begin + self._longest.get(template[begin], 0), begin, -1):
            if template[begin:end] in self._positions and template[end : end + 1] != ("=",):
                return end
        return begin and (self._reasons.end(template, begin) or _end_of_name(template, begin))

    def _positions_of(self, value: Template) -> frozenset[Template]:
        positions = self._positions.get(value, frozenset())
        if value in self._reasons:
            positions |= {_REASON}
        return positions | {_ANYWHERE} if _end_of_name((PLACEHOLDER, *value), 1) == len(value) + 1 else positions


def _end_of_name(template: Template, begin: int) -> int:
    """The end of a name that starts at `begin`; 0 if none does. Names are capitalised words inside a sentence, with
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
