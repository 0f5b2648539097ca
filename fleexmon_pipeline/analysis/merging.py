"""Which templates are one pattern: those that differ in a place which takes many, mostly rare, values.

Here: the rules of merging, on templates without kinds. They were chosen looking at eight public sets of log lines, with
one configuration for all; no rule names a source. Comparing: `likeness.py`,
`phrases.py`; what a template is: `templates.py`; ids and aliases: `patterns.py`.

A template only ever merges into one of its length with more holes, or into a shorter one: no order of events makes a
circle of aliases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from fleexmon_pipeline.analysis.likeness import TELLS, are_names, covers, is_segment, is_word, joined, places, words_of
from fleexmon_pipeline.analysis.masks import VERBS
from fleexmon_pipeline.analysis.phrases import (
    LONGEST_PHRASE,
    MOST_COMPARED,
    MOST_LIKE,
    asked_keys,
    fits_phrase,
    phrase_keys,
    phrases,
)
from fleexmon_pipeline.analysis.placeholders import HOLE, Template
from fleexmon_pipeline.analysis.templates import collapsed

FEW = 4  # values that make a place variable, where five words around it are the same
MANY = 12  # values that make it so whatever their frequency; also the first word's, where fewer words are the same
MANY_OF_FIVE, MANY_OF_EIGHT = 8, 5  # the same beside five and eight words: a sentence has not that many twins
MANY_ROUTES = 50  # segments at one place of a route: a service has dozens of routes, and users without number
RARE = 0.1  # share of a group's lines up to which a value is rare; at least half of the values must be
COMPOSED = 1  # words beside which composed names in one place are values, however frequent
COVARYING = 6  # tokens of templates whose places may vary together, and the share of different values in such a place
COVARIANCE = 0.5
TURNS = 3  # words that take turns in two places
MOST_VALUES = 20_000  # words known to be values
LONGEST = 100  # tokens; longer ones are dumps whose every line differs, and cost most
MOST_TEMPLATES = 30_000  # kept for merging, about 2 KB each
ROUNDS = 12  # a template can open one more hole in every round


_Key = tuple[object, ...]
_Offer = tuple[int, Template]
_Turns = tuple[set[str], _Offer, list[Template]]


class Merger:
    """Live templates with the number of their lines, so indexed that a new one is compared with its like alone.

    Two templates that differ in one place agree in their first or in their second half.
    """

    def __init__(self) -> None:
        self.lines: dict[Template, int] = {}
        self._like: defaultdict[_Key, dict[Template, None]] = defaultdict(dict)
        self._new: set[Template] = set()
        self._values: set[str] = set()
        self._phrased: set[Template] = set()  # templates that have a hole for phrases

    def add(self, template: Template, lines: int, *, settled: bool = False) -> None:
        """Count `lines` of `template`; a new one is looked at by the next `settle`, unless it is known as `settled`."""
        if template in self.lines:
            self.lines[template] += lines
        elif 2 <= len(template) <= LONGEST:
            self.lines[template] = lines
            for key in _keys(template):
                self._like[key][template] = None
            if not settled:
                self._new.add(template)

    def settle(self) -> dict[Template, Template]:
        """Merge what is new with what is like it. What merged into what; a target may itself be a key."""
        merged: dict[Template, Template] = {}
        if not self._new:
            return merged
        new, touched = self._new, set(self._new)
        self._new = set()
        for _ in range(ROUNDS):
            candidates = self._candidates(new)
            best = self._covarying(candidates, new) | self._one_place(candidates, new) or self._crossing(touched | new)
            phrased = {} if best else self._phrases(touched | new)
            best = best or phrased
            if not best:
                break
            new = set()
            for template, (_, offered) in sorted(best.items()):
                target = collapsed(offered, 3) if offered[0] not in VERBS else offered
                if target == template:
                    continue
                if target not in self.lines:
                    new.add(target)
                if phrased:
                    self._phrased.add(target)
                self._move(template, target, merged)
            touched |= new
        for template, target in sorted(self._more_general(touched).items()):
            self._move(template, target, merged)
        self._new = set()
        if len(self.lines) > MOST_TEMPLATES:
            self._forget()
        return merged

    def _move(self, template: Template, target: Template, merged: dict[Template, Template]) -> None:
        while target in merged and target not in self.lines:  # it went on itself in this very round
            target = merged[target]
        if template in self._phrased and len(target) == len(template):
            self._phrased.add(target)
        self.add(target, self._drop(template))
        merged.setdefault(template, target)

    def _drop(self, template: Template) -> int:
        for key in _keys(template):
            like = self._like[key]
            del like[template]
            if not like:
                del self._like[key]
        self._phrased.discard(template)
        return self.lines.pop(template)

    def _forget(self) -> None:
        """Leave the half with most lines; ids and aliases are not touched, only later merges are."""
        for template in sorted(self.lines, key=lambda t: (self.lines[t], t))[: len(self.lines) // 2]:
            self._drop(template)

    def _candidates(self, new: Iterable[Template]) -> set[Template]:
        keys = {key for template in new for key in _like_keys(template)}
        return set().union(*(self._like[key] for key in keys if key in self._like))

    def _one_place(self, candidates: set[Template], new: set[Template]) -> dict[Template, _Offer]:
        """Templates that differ in one place. The more words stand around it, the fewer values are asked for; the
        first word is most often a keyword."""
        groups: defaultdict[tuple[int, Template, Template], list[Template]] = defaultdict(list)
        for template in candidates:
            for i in places(template):
                groups[i, template[:i], template[i + 1 :]].append(template)
        decided: list[_Turns] = []
        undecided: list[_Turns] = []
        for (i, before, after), members in groups.items():
            if len(members) < 2 or new.isdisjoint(members):
                continue
            words = words_of(members[0], i)
            needed = FEW if words < 5 else FEW - 1 if words < 10 else 2
            if i == 0:
                needed = MANY if words < 5 else FEW
            many = MANY if words < 5 else MANY_OF_FIVE if words < 8 else MANY_OF_EIGHT
            if all(is_segment(member[i]) for member in members):
                needed = many = MANY_ROUTES
            around = before[-1] + after[0] if before and after else ""
            quoted = around == "''" or (around == "[]" and len(members) >= FEW)
            named = quoted or (words >= COMPOSED and are_names([member[i] for member in members]))
            if named:
                needed = min(needed, FEW - 1 if i else FEW)
            if not words or len(members) < needed:
                continue
            taken = {member[i] for member in members if i}  # the first word tells statements apart
            sure = len(members) >= many or named or self._mostly_rare(members)
            (decided if sure else undecided).append((taken, (len(members), (*before, HOLE, *after)), members))
        for taken, _, _ in decided:
            self._note_values(taken)
        best: dict[Template, _Offer] = {}
        for taken, offer, members in [*decided, *self._taking_turns(undecided)]:
            self._note_values(taken)
            for member in members:
                best[member] = max(best.get(member, offer), offer)
        return best

    def _note_values(self, words: set[str]) -> None:
        if len(self._values) > MOST_VALUES:
            self._values.clear()
        self._values |= words

    def _taking_turns(self, groups: list[_Turns]) -> Iterator[_Turns]:
        """Of places with a few frequent words each, those whose words take turns in another place too, or were found
        to be values there: such are names, not what tells statements apart."""
        where: defaultdict[str, list[int]] = defaultdict(list)
        for number, (taken, _, _) in enumerate(groups):
            for word in taken:
                where[word].append(number)
        for number, group in enumerate(groups):
            names = {word for word in group[0] if not TELLS.fullmatch(word)}
            if len(names) < max(TURNS, 0.75 * len(group[0])):
                continue
            met = Counter(other for word in names for other in where[word] if other != number)
            if len(names & self._values) >= max(TURNS, len(names) / 2) or any(
                count >= max(TURNS, len(names) / 2) for count in met.values()
            ):
                yield group

    def _phrases(self, touched: set[Template]) -> dict[Template, _Offer]:
        buckets: defaultdict[tuple[str, Template], set[Template]] = defaultdict(set)
        for template in touched & self.lines.keys():
            for key in asked_keys(template):
                if 1 < len(self._like.get(key, ())) <= MOST_LIKE:
                    buckets[key].add(template)
        best: dict[Template, _Offer] = {}
        compared = 0
        for cost, shared in sorted((len(asking) * len(self._like[key]), key) for key, asking in buckets.items()):
            compared += cost
            if compared > MOST_COMPARED:
                break
            for member, offer in phrases(buckets[shared], self._like[shared]).items():
                best[member] = max(best.get(member, offer), offer)
        return best

    def _mostly_rare(self, members: list[Template]) -> bool:
        lines = [self.lines[member] for member in members]
        limit = max(1, RARE * sum(lines))
        return sum(count <= limit for count in lines) >= max(1, len(members) / 2)

    def _covarying(self, candidates: set[Template], new: set[Template]) -> dict[Template, _Offer]:
        """Rare templates of one beginning or end whose places are all the same or mostly different."""
        groups: defaultdict[_Key, list[Template]] = defaultdict(list)
        for template in candidates:
            if len(template) >= COVARYING and self.lines[template] <= FEW:
                for key in _start_keys(template):
                    groups[key].append(template)
        found: dict[Template, _Offer] = {}
        for members in groups.values():
            if len(members) < FEW or new.isdisjoint(members):
                continue
            values = [len(set(column)) for column in zip(*members, strict=True)]
            same = [token for token, count in zip(members[0], values, strict=True) if count == 1]
            if (
                len(same) >= 0.6 * len(values)
                and sum(map(is_word, same)) >= 5
                and all(count == 1 or count >= max(3, COVARIANCE * len(members)) for count in values)
            ):
                target = tuple(token if count == 1 else HOLE for token, count in zip(members[0], values, strict=True))
                found.update((member, (len(members), target)) for member in members if member != target)
        return found

    def _crossing(self, touched: set[Template]) -> dict[Template, _Offer]:
        """Pairs that differ only where one of them has a hole already, each somewhere: both places are variable."""
        found: dict[Template, _Offer] = {}
        for template in touched & self.lines.keys():
            size, first = len(template), template[0]
            if HOLE not in template:
                continue
            for key in ((size, "general", first), (size, "general", HOLE)):
                for other in self._like.get(key, ()):
                    if (target := joined(template, other)) is not None:
                        for member in (template, other):
                            found[member] = max(found.get(member, (0, ())), (target.count(HOLE), target))
        return found

    def _more_general(self, touched: set[Template]) -> dict[Template, Template]:
        """Templates that fit one with more holes, and that one; of several, the one with fewest holes."""
        fits: defaultdict[Template, set[Template]] = defaultdict(set)
        for template in touched & self.lines.keys():
            size, first = len(template), template[0]
            for key in ((size, "general", first), (size, "general", HOLE)):
                for general in self._like.get(key, ()):
                    if covers(general, template):
                        fits[template].add(general)
            if HOLE in template:
                for other in self._like.get((size,) if first == HOLE else (size, "first", first), ()):
                    if covers(template, other):
                        fits[other].add(template)
        met: defaultdict[_Key, list[Template]] = defaultdict(list)
        for template in touched & self.lines.keys():
            met[len(template), "first", template[0]].append(template)
        for general in self._phrased:
            for longer in range(1, LONGEST_PHRASE):
                key = (len(general) + longer, "first", general[0])
                for template in self._like.get(key, ()) if general in touched else met.get(key, ()):
                    if fits_phrase(general, template):
                        fits[template].add(general)
        return {
            template: max(generals, key=lambda g: (sum(token != HOLE for token in g), g))
            for template, generals in fits.items()
        }


def _like_keys(template: Template) -> list[_Key]:
    """What templates that may merge share: one half, or (those whose places vary together) beginning or end."""
    size, half = len(template), len(template) // 2
    keys: list[_Key] = [(size, "left", hash(template[:half])), (size, "right", hash(template[half:]))]
    if size >= COVARYING:
        keys += _start_keys(template)
    return keys


def _start_keys(template: Template) -> list[_Key]:
    size = len(template)
    return [(size, i, j, template[i], template[j]) for i, j in ((0, 1), (0, 2), (-2, -1))]


def _keys(template: Template) -> list[_Key]:
    """All under which a template is found: its like; and for what is more general, length, first token, both."""
    size = len(template)
    keys = [*_like_keys(template), *phrase_keys(template), (size,), (size, "first", template[0])]
    return [*keys, (size, "general", template[0])] if HOLE in template else keys
