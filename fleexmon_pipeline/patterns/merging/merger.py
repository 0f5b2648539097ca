"""Merge templates that differ only in values, as their number shows.

Here: which templates are compared, and the merge itself, on templates without kinds. The rules, none of which depends
on a source: single words `single_words.py`, names `phrases.py`, texts `free_texts.py`, values known from other
positions `known_values.py`, requests `routes.py`, more general templates `words.py` and `wide_placeholders.py`. What a
template is: `patterns/templates.py`; ids and aliases: `patterns/miner.py`.

A template only merges into a shorter one, or into one of its length with more placeholders, so aliases never form a
cycle. MAX_COMPARED and MAX_FITTED bound the work per batch, whatever the lines are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from fleexmon_pipeline.patterns.merging.free_texts import Texts, is_verb, spans, words_around
from fleexmon_pipeline.patterns.merging.index_keys import field_key, keys_of, like_keys, spelling_key, text_key
from fleexmon_pipeline.patterns.merging.known_values import Values
from fleexmon_pipeline.patterns.merging.optional_fields import field_pairs
from fleexmon_pipeline.patterns.merging.phrases import MAX_ALIKE, MAX_COMPARED, is_phrase, phrases, search_keys
from fleexmon_pipeline.patterns.merging.reasons import Reasons
from fleexmon_pipeline.patterns.merging.routes import Routes, is_route, share_request
from fleexmon_pipeline.patterns.merging.single_words import (
    Key,
    Offer,
    better,
    differing_in_one_position,
    varying_together,
)
from fleexmon_pipeline.patterns.merging.spellings import spelling_pairs
from fleexmon_pipeline.patterns.merging.wide_placeholders import (
    MAX_FITTED,
    PHRASE,
    ROUTE,
    TEXT,
    TITLE,
    WORDS,
    Wide,
    filled_placeholder,
    without_index,
)
from fleexmon_pipeline.patterns.merging.words import covers, joined
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template
from fleexmon_pipeline.patterns.templates import normal

MAX_TOKENS = 100  # of a template that may merge; longer ones are dumps that all differ, and cost most
MAX_TEMPLATES = 30_000  # kept for merging, about 3 kB each
MAX_LINEAGE = 3  # successive merges that are followed when aliases are learnt
ROUNDS = 12  # a template can get one more placeholder per round
MIN_WORDS_BEFORE = 5  # before a final colon, for any text to fit after it once one text did


class Merger:
    """The live templates and their numbers of lines, indexed so that a new one is only compared with similar ones.

    Two templates that differ in one position agree in their first or in their second half.
    """

    def __init__(self) -> None:
        self.lines: dict[Template, int] = {}
        self._index: defaultdict[Key, dict[Template, None]] = defaultdict(dict)
        self._new: set[Template] = set()
        self._shorter: dict[Template, Template] = {}  # template to the one with its adjacent placeholders joined
        self._wide = Wide()
        reasons = Reasons()
        self._values = Values(reasons)
        self._texts = Texts(reasons)
        self._routes = Routes()

    def add(self, template: Template, lines: int, *, settled: bool = False) -> None:
        """Count `lines` of `template`. The next `settle` compares a new one, unless it is `settled` already."""
        if template in self.lines:
            self.lines[template] += lines
        elif 2 <= len(template) <= MAX_TOKENS:
            self.lines[template] = lines
            for key in keys_of(template):
                self._index[key][template] = None
            self._texts.note(template)
            self._routes.note(template)
            if not settled:
                self._new.add(template)

    def learn(self, merged: Sequence[tuple[Template, Template]]) -> None:
        """Learn from merges of another process which words are values and which placeholders are wide."""
        for template, target in merged:
            if normal(template)[0] == target != template and len(template) <= MAX_TOKENS:
                self.add(template, 0, settled=True)
                self._shorter[template] = target
        for _ in range(MAX_LINEAGE):  # a merge in two steps reveals its wide placeholders in two passes
            for template, target in merged:
                fitted = filled_placeholder(target, template)
                if fitted is not None and (len(fitted[1]) > 1 or self._width(target, *fitted) == ROUTE):
                    self._wide.open(target, fitted[0], self._width(target, *fitted))
                self._wide.carry(template, target, fitted and fitted[0])
                if fitted is not None:
                    self._values.note(target, [fitted[1]])
        for target in self._wide.placeholders.keys() - self.lines.keys():
            self._wide.drop(target)

    def _width(self, target: Template, at: int, text: Template) -> int:
        if at and is_route(text) and target[at - 1][0] != "/":
            return ROUTE
        return PHRASE if is_phrase(text) else TITLE if at and is_verb(target[at - 1]) else TEXT

    def settle(self) -> dict[Template, Template]:
        """Merge new templates with similar ones. Returns template → target; a target may itself be a key."""
        merged: dict[Template, Template] = {}
        if not self._new:
            return merged
        new, touched = self._new, set(self._new)
        self._new = set()
        for _ in range(ROUNDS):
            offers, width = self._offers(new, touched)
            new = set()
            for template, (_, target, at) in sorted(offers.items()):
                if target == template:
                    continue
                if target not in self.lines:
                    new.add(target)
                if at is not None:
                    self._wide.open(target, at, TITLE if width == TEXT and is_verb(target[at - 1]) else width)
                self._move(template, target, merged, at)
            if not offers:
                new = self._shorten(touched, merged)
                if not new:
                    break
            touched |= new
        for template, target in sorted(self._more_general(touched | self._wide.widened).items()):
            self._move(template, target, merged)
        self._new = set()
        self._wide.widened.clear()
        if len(self.lines) > MAX_TEMPLATES:
            self._forget()
        return merged

    def _offers(self, new: set[Template], touched: set[Template]) -> tuple[dict[Template, Offer], int]:
        """Template → offer, from the first rule that finds any, and the width of its new placeholders.

        Later rules only see what earlier ones left.
        """
        live = {template for template in touched & self.lines.keys() if template not in self._shorter}
        if offers := self._routes.offers(live):
            return offers, ROUTE
        if offers := self._single_words(self._candidates(new), new) or _about_one(self._crossing(touched)):
            return offers, 1
        if offers := _about_one(self._free_texts(live)):
            return offers, TEXT
        return _about_one(self._phrases(live)) or _about_one(self._known(live)), PHRASE

    def _move(
        self, template: Template, target: Template, merged: dict[Template, Template], at: int | None = None
    ) -> None:
        while target in merged and target not in self.lines:  # the target itself moved in this round
            target, at = merged[target], None
        self._wide.carry(template, target, at)
        if template[-1] != PLACEHOLDER == target[-1] and target[-2] == ":" and words_around(target) >= MIN_WORDS_BEFORE:
            self._wide.open(target, len(target) - 1, TEXT)
        lines = self._drop(template)
        merged.setdefault(template, target)
        self.add(target, lines)
        while target := self._shorter.get(target, ()):
            self.add(target, lines)

    def _drop(self, template: Template) -> int:
        for key in keys_of(template):
            like = self._index[key]
            del like[template]
            if not like:
                del self._index[key]
        self._wide.drop(template)
        self._values.drop(template)
        self._routes.drop(template)
        self._shorter.pop(template, None)
        return self.lines.pop(template)

    def _forget(self) -> None:
        """Keep the half with most lines. Ids and aliases stay; only later merges are affected."""
        for template in sorted(self.lines, key=lambda t: (self.lines[t], t))[: len(self.lines) // 2]:
            self._drop(template)

    def _shorten(self, touched: set[Template], merged: dict[Template, Template]) -> set[Template]:
        """Merge templates with adjacent placeholders into the form that the masks would give them.

        They stay as targets.
        """
        new = set()
        for template in sorted(touched & self.lines.keys() - self._shorter.keys()):
            target, positions = normal(template)
            if target == template:
                continue
            if target not in self.lines:
                new.add(target)
            self.add(target, self.lines[template])
            if target in self.lines:
                self._shorter[template] = target
                merged.setdefault(template, target)
                for joint in _joined_positions(template, positions):
                    self._wide.open(target, joint, WORDS)
                for position, width in self._wide.placeholders.get(template, {}).items():
                    if (new_position := positions.get(position)) is not None and target[new_position] == PLACEHOLDER:
                        self._wide.open(target, new_position, width)
        return new

    def _candidates(self, new: Iterable[Template]) -> set[Template]:
        keys = {key for template in new for key in like_keys(template)}
        return {t for key in keys for t in self._index.get(key, ()) if t not in self._shorter}

    def _single_words(self, candidates: set[Template], new: set[Template]) -> dict[Template, Offer]:
        offers = _about_one(varying_together(candidates, new, self.lines))
        for member, (offer, values) in differing_in_one_position(candidates, new, self.lines).items():
            if not share_request(member, offer[1], route=False):
                continue
            self._values.note(offer[1], [(value,) for value in values])
            offers[member] = offer
        return offers

    def _crossing(self, touched: set[Template]) -> dict[Template, Offer]:
        """Pairs of which each has a placeholder where the other one has a word: both positions vary."""
        offers: dict[Template, Offer] = {}
        with_placeholders = sorted(template for template in touched & self.lines.keys() if PLACEHOLDER in template)
        pairs = ((template, other) for template in with_placeholders for other in self._generals(template))
        for template, other in islice(pairs, MAX_COMPARED):
            if (target := joined(template, other)) is not None:
                for member in (template, other):
                    better(offers, member, (target.count(PLACEHOLDER), target, None))
        return offers

    def _free_texts(self, live: set[Template]) -> dict[Template, Offer]:
        """Templates that differ in a free text; of several such texts the shortest counts."""
        contexts = {(template[:i], template[j:]) for template in live for i, j in spans(template)}
        groups = [(self._index.get(text_key(*context), {}), context) for context in contexts]
        best: dict[Template, Offer] = {}
        compared = 0
        for like, (before, after) in sorted((g for g in groups if len(g[0]) > 1), key=lambda g: (len(g[0]), g[1])):
            compared += len(like)
            if compared > 2 * MAX_TEMPLATES:
                break
            texts = {member: member[len(before) : len(member) - len(after)] for member in like}
            free = self._texts.varying_texts(before, after, set(texts.values()))
            if not free:
                continue
            offer = (len(texts), (*before, PLACEHOLDER, *after), len(before))
            self._values.note(offer[1], free)
            for member, text in texts.items():
                if text in free:
                    best[member] = max(best.get(member, offer), offer, key=lambda o: (len(o[1]), *o[:2]))
        return {member: offer for member, offer in best.items() if member != offer[1]}

    def _phrases(self, live: set[Template]) -> dict[Template, Offer]:
        buckets: defaultdict[tuple[str, Template], set[Template]] = defaultdict(set)
        for template in live:
            for key in search_keys(template):
                if 1 < len(self._index.get(key, ())) <= MAX_ALIKE:
                    buckets[key].add(template)
        best: dict[Template, Offer] = {}
        compared = 0
        for cost, shared in sorted((len(members) * len(self._index[key]), key) for key, members in buckets.items()):
            compared += cost
            if compared > MAX_COMPARED:
                break
            for member, offer, phrase in phrases(buckets[shared], self._index[shared]):
                self._values.note(offer[1], [phrase])
                better(best, member, offer)
        return best

    def _known(self, live: set[Template]) -> dict[Template, Offer]:
        """Templates that differ only in values known from other positions."""
        offers: dict[Template, Offer] = {}
        for form in sorted({form for template in live if (form := self._values.index(template)) is not None}):
            if (merge := self._values.merge_by_values(form, [form] if form in self.lines else [])) is not None:
                target, wide, members = merge
                for position, width in wide.items():
                    self._wide.open(target, position, width)
                for member in members:
                    better(offers, member, (len(members), target, None))
        return {member: offer for member, offer in offers.items() if member != offer[1]}

    def _generals(self, template: Template) -> Iterable[Template]:
        """Templates of the same length with placeholders, which `template` may fit."""
        size, first = len(template), template[0]
        yield from self._index.get((size, "general", first), ())
        if first != PLACEHOLDER:
            yield from self._index.get((size, "general", PLACEHOLDER), ())

    def _more_general(self, touched: set[Template]) -> dict[Template, Template]:
        """Template → the more general one that it fits; of several, the one with most words."""
        fitting: defaultdict[Template, set[Template]] = defaultdict(set)
        live = touched & self.lines.keys()
        for general, template in islice(self._pairs(live), 5 * MAX_COMPARED):
            if covers(general, template):
                fitting[template].add(general)
        for template in live:
            if (plain := without_index(template)) != template:
                fitting[template] |= {g for g in self._generals(plain) if g != template and covers(g, plain)}
                if plain in self.lines:
                    fitting[template].add(plain)
        for general, template in field_pairs(live, lambda sentence: self._index.get(field_key(sentence), {})):
            fitting[template].add(general)
        for general, template in spelling_pairs(live, lambda spelled: self._index.get(spelling_key(spelled), {})):
            fitting[template].add(general)
        compared = 0
        for general, template in self._wide_pairs(live):
            compared += len(general) * len(template)
            if compared > MAX_FITTED:
                break
            if self._wide.fits(general, template, self._values):
                fitting[template].add(general)
        best: dict[Template, Template] = {}
        for template, generals in fitting.items():
            if alike := [general for general in generals if share_request(template, general, route=False)]:
                best[template] = max(alike, key=lambda g: (sum(token != PLACEHOLDER for token in g), g))
        return best

    def _pairs(self, live: set[Template]) -> Iterable[tuple[Template, Template]]:
        """Pairs of a template with placeholders and one of its length that may fit it; at least one is new."""
        for template in sorted(live):
            for general in self._generals(template):
                yield general, template
            if PLACEHOLDER in template:
                alike = (len(template),) if template[0] == PLACEHOLDER else (len(template), "first", template[0])
                yield from ((template, other) for other in self._index.get(alike, ()))

    def _wide_pairs(self, live: set[Template]) -> Iterable[tuple[Template, Template]]:
        """Pairs of a template with wide placeholders and one that may fit it; at least one is new."""
        for template in sorted(live - self._shorter.keys()):
            for general in self._wide.candidates_for(template):
                if general in self.lines:
                    yield general, template
        for general in sorted(live & self._wide.placeholders.keys()):
            longest = max(TEXT, *self._wide.placeholders[general].values()) + general.count(PLACEHOLDER)
            for size in range(len(general), len(general) + longest):
                for template in self._index.get((size, "first", general[0]), ()):
                    if template not in live and template not in self._shorter:
                        yield general, template


def _about_one(offers: dict[Template, Offer]) -> dict[Template, Offer]:
    """The offers that do not hide which request a line is about."""
    return {member: offer for member, offer in offers.items() if share_request(member, offer[1], route=True)}


def _joined_positions(template: Template, positions: dict[int, int]) -> set[int]:
    """The new positions in which several placeholders of a template became one."""
    new_position = Counter(
        positions[position] for position, token in enumerate(template) if token == PLACEHOLDER and position in positions
    )
    return {position for position, number in new_position.items() if number > 1}
