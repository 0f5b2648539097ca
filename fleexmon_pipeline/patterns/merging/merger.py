"""Which templates are one pattern: those that differ in what is shown, by counting, to be values.

Here: what is compared with what, and what becomes of it, on templates without kinds. The rules, of which none names a
source: single words `single_words.py`, names `phrases.py`, texts `free_texts.py`, values known from elsewhere
`known_values.py`, what fits a more general template `words.py` and `wide_placeholders.py`. What a template is:
`patterns/templates.py`; ids, aliases: `patterns/miner.py`.

A template only ever merges into one of its length with more holes, or into a shorter one: no order of events makes a
circle of aliases. What is compared at once is bounded whatever the lines are: MOST_COMPARED, MOST_FITTED.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from fleexmon_pipeline.patterns.merging.free_texts import Texts, is_verb, spans, words_around
from fleexmon_pipeline.patterns.merging.index_keys import field_key, keys_of, like_keys, text_key
from fleexmon_pipeline.patterns.merging.known_values import Values
from fleexmon_pipeline.patterns.merging.optional_fields import field_pairs
from fleexmon_pipeline.patterns.merging.phrases import MOST_COMPARED, MOST_LIKE, asked_keys, is_phrase, phrases
from fleexmon_pipeline.patterns.merging.single_words import Key, Offer, better, one_place, varying_together
from fleexmon_pipeline.patterns.merging.wide_placeholders import (
    MOST_FITTED,
    PHRASE,
    TEXT,
    TITLE,
    Wide,
    what_fitted,
    without_index,
)
from fleexmon_pipeline.patterns.merging.words import covers, joined
from fleexmon_pipeline.patterns.placeholders import HOLE, Template
from fleexmon_pipeline.patterns.templates import normal

LONGEST = 100  # tokens; longer ones are dumps whose every line differs, and cost most
MOST_TEMPLATES = 30_000  # kept for merging, about 3 KB each
LONGEST_LINEAGE = 3  # merges one after the other that are followed when they are learnt
ROUNDS = 12  # a template can open one more hole in every round
SENTENCE_BEFORE = 5  # words before a colon at the end, after which a text was found: any text may stand there


class Merger:
    """Live templates with the number of their lines, so indexed that a new one is compared with its like alone.

    Two templates that differ in one place agree in their first or in their second half.
    """

    def __init__(self) -> None:
        self.lines: dict[Template, int] = {}
        self._like: defaultdict[Key, dict[Template, None]] = defaultdict(dict)
        self._new: set[Template] = set()
        self._shorter: dict[Template, Template] = {}  # what it went on to, as its neighbouring holes are one
        self._wide = Wide()
        self._values = Values()
        self._texts = Texts()

    def add(self, template: Template, lines: int, *, settled: bool = False) -> None:
        """Count `lines` of `template`; a new one is looked at by the next `settle`, unless it is known as `settled`."""
        if template in self.lines:
            self.lines[template] += lines
        elif 2 <= len(template) <= LONGEST:
            self.lines[template] = lines
            for key in keys_of(template):
                self._like[key][template] = None
            self._texts.note(template)
            if not settled:
                self._new.add(template)

    def learn(self, merged: Sequence[tuple[Template, Template]]) -> None:
        """Take note of what merged into what in another process: what is a value, and which holes are wide."""
        for template, target in merged:
            if normal(template)[0] == target != template and len(template) <= LONGEST:
                self.add(template, 0, settled=True)
                self._shorter[template] = target
        for _ in range(LONGEST_LINEAGE):  # what merged in two steps tells its wide holes in two
            for template, target in merged:
                fitted = what_fitted(target, template)
                if fitted is not None and len(fitted[1]) > 1:
                    self._wide.open(target, fitted[0], self._width(target, *fitted))
                self._wide.carry(template, target, fitted and fitted[0])
                if fitted is not None:
                    self._values.note(target, [fitted[1]])
        for target in self._wide.holes.keys() - self.lines.keys():
            self._wide.drop(target)

    def _width(self, target: Template, at: int, text: Template) -> int:
        return PHRASE if is_phrase(text) else TITLE if at and is_verb(target[at - 1]) else TEXT

    def settle(self) -> dict[Template, Template]:
        """Merge what is new with what is like it. What merged into what; a target may itself be a key."""
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
        for template, target in sorted(self._more_general(touched).items()):
            self._move(template, target, merged)
        self._new = set()
        if len(self.lines) > MOST_TEMPLATES:
            self._forget()
        return merged

    def _offers(self, new: set[Template], touched: set[Template]) -> tuple[dict[Template, Offer], int]:
        """What merges into what, by the first rule that finds something, and how wide the holes are that it opens: the
        later ones see what the earlier ones left."""
        candidates = self._candidates(new)
        live = {template for template in touched & self.lines.keys() if template not in self._shorter}
        if offers := self._single_words(candidates, new) or self._crossing(touched):
            return offers, 1
        if offers := self._free_texts(live):
            return offers, TEXT
        return self._phrases(live) or self._known(live), PHRASE

    def _move(
        self, template: Template, target: Template, merged: dict[Template, Template], at: int | None = None
    ) -> None:
        while target in merged and target not in self.lines:  # it went on itself in this very round
            target, at = merged[target], None
        self._wide.carry(template, target, at)
        if template[-1] != HOLE == target[-1] and target[-2] == ":" and words_around(target) >= SENTENCE_BEFORE:
            self._wide.open(target, len(target) - 1, TEXT)
        lines = self._drop(template)
        merged.setdefault(template, target)
        self.add(target, lines)
        while target := self._shorter.get(target, ()):
            self.add(target, lines)

    def _drop(self, template: Template) -> int:
        for key in keys_of(template):
            like = self._like[key]
            del like[template]
            if not like:
                del self._like[key]
        self._wide.drop(template)
        self._values.drop(template)
        self._shorter.pop(template, None)
        return self.lines.pop(template)

    def _forget(self) -> None:
        """Leave the half with most lines; ids and aliases are not touched, only later merges are."""
        for template in sorted(self.lines, key=lambda t: (self.lines[t], t))[: len(self.lines) // 2]:
            self._drop(template)

    def _shorten(self, touched: set[Template], merged: dict[Template, Template]) -> set[Template]:
        """Let what has neighbouring holes go on to what masks would have made of it; it stays to be merged into."""
        new = set()
        for template in sorted(touched & self.lines.keys() - self._shorter.keys()):
            target, places = normal(template)
            if target == template:
                continue
            if target not in self.lines:
                new.add(target)
            self.add(target, self.lines[template])
            if target in self.lines:
                self._shorter[template] = target
                merged.setdefault(template, target)
                for place, width in self._wide.holes.get(template, {}).items():
                    if (there := places.get(place)) is not None and target[there] == HOLE:
                        self._wide.open(target, there, width)
        return new

    def _candidates(self, new: Iterable[Template]) -> set[Template]:
        keys = {key for template in new for key in like_keys(template)}
        return {t for key in keys for t in self._like.get(key, ()) if t not in self._shorter}

    def _single_words(self, candidates: set[Template], new: set[Template]) -> dict[Template, Offer]:
        found = varying_together(candidates, new, self.lines)
        for member, (offer, taken) in one_place(candidates, new, self.lines).items():
            self._values.note(offer[1], [(token,) for token in taken])
            found[member] = offer
        return found

    def _crossing(self, touched: set[Template]) -> dict[Template, Offer]:
        """Pairs that differ only where one of them has a hole already, each somewhere: both places are variable."""
        found: dict[Template, Offer] = {}
        with_holes = sorted(template for template in touched & self.lines.keys() if HOLE in template)
        pairs = ((template, other) for template in with_holes for other in self._generals(template))
        for template, other in islice(pairs, MOST_COMPARED):
            if (target := joined(template, other)) is not None:
                for member in (template, other):
                    better(found, member, (target.count(HOLE), target, None))
        return found

    def _free_texts(self, live: set[Template]) -> dict[Template, Offer]:
        """Templates that differ in a text between delimiters; of several, the shortest text counts."""
        asked = {(template[:i], template[j:]) for template in live for i, j in spans(template)}
        groups = [(self._like.get(text_key(*place), {}), place) for place in asked]
        best: dict[Template, Offer] = {}
        compared = 0
        for like, (before, after) in sorted((g for g in groups if len(g[0]) > 1), key=lambda g: (len(g[0]), g[1])):
            compared += len(like)
            if compared > 2 * MOST_TEMPLATES:
                break
            texts = {member: member[len(before) : len(member) - len(after)] for member in like}
            free = self._texts.free(before, after, set(texts.values()))
            if not free:
                continue
            offer = (len(texts), (*before, HOLE, *after), len(before))
            self._values.note(offer[1], free)
            for member, text in texts.items():
                if text in free:
                    known = best.get(member, offer)
                    best[member] = max(known, offer, key=lambda o: (len(o[1]), *o[:2]))
        return {member: offer for member, offer in best.items() if member != offer[1]}

    def _phrases(self, live: set[Template]) -> dict[Template, Offer]:
        buckets: defaultdict[tuple[str, Template], set[Template]] = defaultdict(set)
        for template in live:
            for key in asked_keys(template):
                if 1 < len(self._like.get(key, ())) <= MOST_LIKE:
                    buckets[key].add(template)
        best: dict[Template, Offer] = {}
        compared = 0
        for cost, shared in sorted((len(asking) * len(self._like[key]), key) for key, asking in buckets.items()):
            compared += cost
            if compared > MOST_COMPARED:
                break
            for member, offer, phrase in phrases(buckets[shared], self._like[shared]):
                self._values.note(offer[1], [phrase])
                better(best, member, offer)
        return best

    def _known(self, live: set[Template]) -> dict[Template, Offer]:
        """Templates that differ in values alone which are known from elsewhere."""
        found: dict[Template, Offer] = {}
        for form in sorted({form for template in live if (form := self._values.file(template)) is not None}):
            if (together := self._values.together(form, [form] if form in self.lines else [])) is not None:
                target, wide, members = together
                for place in wide:
                    self._wide.open(target, place, PHRASE)
                for member in members:
                    better(found, member, (len(members), target, None))
        return {member: offer for member, offer in found.items() if member != offer[1]}

    def _generals(self, template: Template) -> Iterable[Template]:
        """Templates of the same length with holes that `template` may fit."""
        size, first = len(template), template[0]
        yield from self._like.get((size, "general", first), ())
        if first != HOLE:
            yield from self._like.get((size, "general", HOLE), ())

    def _more_general(self, touched: set[Template]) -> dict[Template, Template]:
        """Templates that fit one with more holes, and that one; of several, the one with most words."""
        fitting: defaultdict[Template, set[Template]] = defaultdict(set)
        live = touched & self.lines.keys()
        for general, template in islice(self._pairs(live), 5 * MOST_COMPARED):
            if covers(general, template):
                fitting[template].add(general)
        for template in live:
            if (plain := without_index(template)) != template:
                fitting[template] |= {g for g in self._generals(plain) if g != template and covers(g, plain)}
                if plain in self.lines:
                    fitting[template].add(plain)
        for general, template in field_pairs(live, lambda sentence: self._like.get(field_key(sentence), {})):
            fitting[template].add(general)
        compared = 0
        for general, template in self._wide_pairs(live):
            compared += len(general) * len(template)
            if compared > MOST_FITTED:
                break
            if self._wide.fits(general, template, self._values):
                fitting[template].add(general)
        return {
            template: max(generals, key=lambda g: (sum(token != HOLE for token in g), g))
            for template, generals in fitting.items()
            if generals
        }

    def _pairs(self, live: set[Template]) -> Iterable[tuple[Template, Template]]:
        """A template with holes and one of its length that may fit it, of which one at least is new."""
        for template in sorted(live):
            for general in self._generals(template):
                yield general, template
            if HOLE in template:
                alike = (len(template),) if template[0] == HOLE else (len(template), "first", template[0])
                yield from ((template, other) for other in self._like.get(alike, ()))

    def _wide_pairs(self, live: set[Template]) -> Iterable[tuple[Template, Template]]:
        """A template with wide holes and one that may fit it, of which one at least is new."""
        for template in sorted(live - self._shorter.keys()):
            for general in self._wide.around(template):
                if general in self.lines:
                    yield general, template
        for general in sorted(live & self._wide.holes.keys()):
            longest = max(TEXT, *self._wide.holes[general].values()) + general.count(HOLE)
            for size in range(len(general), len(general) + longest):
                for template in self._like.get((size, "first", general[0]), ()):
                    if template not in live and template not in self._shorter:
                        yield general, template
