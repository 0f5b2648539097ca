"""Which templates are one pattern: those that differ in a place which takes many, mostly rare, values.

Here: the rules of merging, on templates without kinds. They were chosen looking at eight public sets of log lines, with
one configuration for all; no rule names a source. What a template is: `masks.py`; ids and aliases: `patterns.py`.

A template only ever merges into one of its length with more holes: no order of events makes a circle of aliases.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from fleexmon_pipeline.analysis.masks import HOLE, Template

FEW = 4  # values that make a place variable, where five words around it are the same
MANY = 12  # values that make it so whatever their frequency, and where fewer words are the same at the first place
RARE = 0.1  # share of a group's lines up to which a value is rare; at least half of the values must be
LONGEST = 100  # tokens; longer ones are dumps whose every line differs, and cost most
MOST_TEMPLATES = 50_000  # kept for merging, about 2 KB each
ROUNDS = 5  # a template can open one more hole in every round

# com.example.Update, eth_rx_queue: composed names are more a value than a word.
_NAME = re.compile(rf"{HOLE}|\w+(?:[.]\w+){{2,}}|\w+(?:_\w+){{2,}}|\w+(?:-\w+){{2,}}")

_Key = tuple[object, ...]
_Offer = tuple[int, Template]


def _is_word(token: str) -> bool:
    return token[:1].isalpha()


def _is_value(token: str) -> bool:
    return len(token) > 1 or token.isalnum()


class Merger:
    """Live templates with the number of their lines, so indexed that a new one is compared with its like alone.

    Two templates that differ in one place agree in their first or in their second half.
    """

    def __init__(self) -> None:
        self.lines: dict[Template, int] = {}
        self._like: defaultdict[_Key, dict[Template, None]] = defaultdict(dict)
        self._new: set[Template] = set()

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
        new, touched = self._new, set(self._new)
        self._new = set()
        for _ in range(ROUNDS):
            candidates = self._candidates(new)
            best = self._covarying(candidates, new) | self._one_place(candidates, new)
            if not best:
                break
            new = set()
            for template, (_, target) in sorted(best.items()):
                if target not in self.lines:
                    new.add(target)
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
        self.add(target, self._drop(template))
        merged.setdefault(template, target)

    def _drop(self, template: Template) -> int:
        for key in _keys(template):
            like = self._like[key]
            del like[template]
            if not like:
                del self._like[key]
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
            for i in _places(template):
                groups[i, template[:i], template[i + 1 :]].append(template)
        best: dict[Template, _Offer] = {}
        for (i, before, after), members in groups.items():
            if len(members) < 2 or new.isdisjoint(members):
                continue
            words = sum(map(_is_word, before)) + sum(map(_is_word, after))
            needed = FEW if words < 5 else FEW - 1 if words < 10 else 2
            if i == 0:
                needed = MANY if words < 5 else FEW
            if not words or len(members) < needed:
                continue
            composed = words >= 5 and all(_NAME.fullmatch(member[i]) for member in members)
            if len(members) < MANY and not composed and not self._mostly_rare(members):
                continue
            offer = (len(members), (*before, HOLE, *after))
            for member in members:
                best[member] = max(best.get(member, offer), offer)
        return best

    def _mostly_rare(self, members: list[Template]) -> bool:
        lines = [self.lines[member] for member in members]
        limit = max(1, RARE * sum(lines))
        return sum(count <= limit for count in lines) >= max(1, len(members) / 2)

    def _covarying(self, candidates: set[Template], new: set[Template]) -> dict[Template, _Offer]:
        """Long rare templates of one beginning whose places are all the same or (nearly) all new."""
        groups: defaultdict[tuple[int, Template], list[Template]] = defaultdict(list)
        for template in candidates:
            if len(template) >= 8 and self.lines[template] <= FEW:
                groups[len(template), template[:2]].append(template)
        found: dict[Template, _Offer] = {}
        for members in groups.values():
            if len(members) < FEW or new.isdisjoint(members):
                continue
            values = [len(set(column)) for column in zip(*members, strict=True)]
            same = [token for token, count in zip(members[0], values, strict=True) if count == 1]
            if (
                len(same) >= 0.6 * len(values)
                and sum(map(_is_word, same)) >= 5
                and all(count == 1 or count >= 0.75 * len(members) for count in values)
            ):
                target = tuple(token if count == 1 else HOLE for token, count in zip(members[0], values, strict=True))
                found.update((member, (len(members), target)) for member in members if member != target)
        return found

    def _more_general(self, touched: set[Template]) -> dict[Template, Template]:
        """Templates that fit one with more holes, and that one; of several, the one with fewest holes."""
        fits: defaultdict[Template, set[Template]] = defaultdict(set)
        for template in touched & self.lines.keys():
            size, first = len(template), template[0]
            for key in ((size, "general", first), (size, "general", HOLE)):
                for general in self._like.get(key, ()):
                    if _covers(general, template):
                        fits[template].add(general)
            if HOLE in template:
                for other in self._like.get((size,) if first == HOLE else (size, "first", first), ()):
                    if _covers(template, other):
                        fits[other].add(template)
        return {
            template: max(generals, key=lambda g: (sum(token != HOLE for token in g), g))
            for template, generals in fits.items()
        }


def _like_keys(template: Template) -> list[_Key]:
    """What templates that may merge share: one half, or (long ones, whose places vary together) the beginning."""
    size, half = len(template), len(template) // 2
    keys: list[_Key] = [(size, "left", hash(template[:half])), (size, "right", hash(template[half:]))]
    if size >= 8:
        keys.append((size, "start", *template[:2]))
    return keys


def _keys(template: Template) -> list[_Key]:
    """All under which a template is found: its like; and for what is more general, length, first token, both."""
    size = len(template)
    keys = [*_like_keys(template), (size,), (size, "first", template[0])]
    return [*keys, (size, "general", template[0])] if HOLE in template else keys


def _places(template: Template) -> Iterator[int]:
    """Where a value may stand: not a placeholder, not punctuation, not the key of a `key=value`."""
    last = len(template) - 1
    for i, token in enumerate(template):
        is_key = i < last and (template[i + 1] == "=" or (template[i + 1] == ":" and i > 0))
        if token != HOLE and not is_key and _is_value(token):
            yield i


def _covers(general: Template, template: Template) -> bool:
    if general == template:
        return False
    words = 0
    for x, y in zip(general, template, strict=True):
        if x == y:
            words += _is_word(x)
        elif x != HOLE or not _is_value(y):
            return False
    return words >= 2
