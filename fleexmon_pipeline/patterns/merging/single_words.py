"""Templates that differ in one place, or in several that vary together: single words that are values.

Here: what shows that such a place is variable. Names of several words: `phrases.py`; texts: `free_texts.py`; values
known from elsewhere: `known_values.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from fleexmon_pipeline.patterns.masks import VERBS
from fleexmon_pipeline.patterns.merging.words import MESSAGES, are_names, is_segment, places, tells, words_of
from fleexmon_pipeline.patterns.placeholders import HOLE, Template

FEW = 4  # values that make a place variable: three words around are enough, if they are the same
SOME, MANY = 6, 12  # with two words, and one, around; also for the first word, where fewer than five are the same
TURNS = 3  # words that take turns in two places
MANY_ROUTES = 50  # segments at one place of a route: a service has dozens of routes, and users without number
RARE = 0.1  # share of a group's lines up to which a value is rare; if half of the values are, fewer will do
VARYING = 6  # tokens of templates whose places may vary together
SHARED = 0.6  # of these tokens are the same in all, among them
WORDS_SHARED = 3
DIFFERENT = 0.3  # of the group's values in each of the other places are different, and three at least

Key = tuple[object, ...]
Offer = tuple[int, Template, int | None]  # by how many; into what; which hole stands for more than one token

_VERBS = VERBS | {HOLE}  # of requests in quotes, as in access logs; a line that begins with one is about its route
_Place = tuple[Offer, set[str], list[Template]]  # what its templates merge into; the values in it; its templates


def better(found: dict[Template, Offer], member: Template, offer: Offer) -> None:
    """Keep the offer by most, for a template that may merge into several."""
    found[member] = max(found.get(member, offer), offer, key=lambda o: o[:2])


def start_keys(template: Template) -> list[Key]:
    """What templates share whose places may vary together: two tokens at the beginning or the end."""
    if len(template) < VARYING:
        return []
    return [(len(template), i, j, template[i], template[j]) for i, j in ((0, 1), (0, 2), (-2, -1))]


def one_place(
    candidates: Iterable[Template], new: set[Template], lines: Mapping[Template, int]
) -> dict[Template, tuple[Offer, set[str]]]:
    """Templates that differ in one place only: offers, and the values met in the place."""
    groups: defaultdict[tuple[int, Template, Template], list[Template]] = defaultdict(list)
    for template in candidates:
        for i in places(template):
            groups[i, template[:i], template[i + 1 :]].append(template)
    sure: list[_Place] = []
    unsure: list[_Place] = []
    for (i, before, after), members in groups.items():
        if len(members) < 2 or new.isdisjoint(members):
            continue
        taken = {member[i] for member in members}
        words = words_of(members[0], i)
        if not words or (len(members) < MANY and tells(taken)) or len(members) < _needed(i, taken, words):
            continue
        known = taken if i else set()  # the first word tells statements apart
        place: _Place = ((len(members), (*before, HOLE, *after), None), known, members)
        rare = _mostly_rare([lines[member] for member in members])
        enough = FEW if words >= 3 or (i and taken <= _VERBS) else SOME if words == 2 else MANY
        if rare or are_names(taken) or len(members) >= enough:
            sure.append(place)
        else:
            unsure.append(place)
    best: dict[Template, tuple[Offer, set[str]]] = {}
    for offer, known, members in [*sure, *_taking_turns(unsure)]:
        for member in members:
            best[member] = max(best.get(member, (offer, known)), (offer, known), key=lambda found: found[0][:2])
    return best


def _needed(place: int, taken: set[str], words: int) -> int:
    """How many values make a place variable: the more words stand around it, the fewer; the first word is most often a
    keyword."""
    if all(map(is_segment, taken)):
        return MANY_ROUTES
    few = FEW if words < 5 else FEW - 1 if words < 10 else 2
    if place == 0:
        few = FEW if words >= 5 else MANY
    return min(few, FEW - 1 if place else FEW) if are_names(taken) else few


def _mostly_rare(lines: list[int]) -> bool:
    limit = max(1, RARE * sum(lines))
    return sum(number <= limit for number in lines) >= max(1, len(lines) / 2)


def _taking_turns(unsure: list[_Place]) -> Iterator[_Place]:
    """Of places with a few frequent words each, those whose words take turns in another such place too."""
    where: defaultdict[str, list[int]] = defaultdict(list)
    for number, (_, taken, _) in enumerate(unsure):
        for word in taken:
            where[word].append(number)
    for number, place in enumerate(unsure):
        met = Counter(other for word in place[1] for other in where[word] if other != number)
        if any(count >= max(TURNS, len(place[1]) / 2) for count in met.values()):
            yield place


def _are_members(columns: list[set[str]], target: Template) -> bool:
    """Whether what differs are members of JSON objects, one token each and none the message."""
    places = [i for i, column in enumerate(columns) if len(column) > 1]
    return target[0] == "{" and all(
        target[i - 1] in ":{," and target[i - 2] not in MESSAGES and i + 1 not in places for i in places
    )


def varying_together(
    candidates: Iterable[Template], new: set[Template], lines: Mapping[Template, int]
) -> dict[Template, Offer]:
    """Rare templates of one beginning or end whose places are all the same or mostly different."""
    groups: defaultdict[Key, list[Template]] = defaultdict(list)
    for template in candidates:
        if lines[template] <= FEW:
            for key in start_keys(template):
                groups[key].append(template)
    found: dict[Template, Offer] = {}
    for members in groups.values():
        if len(members) < FEW or new.isdisjoint(members):
            continue
        columns = [set(column) for column in zip(*members, strict=True)]
        different = [column for column in columns if len(column) > 1]
        target = tuple(next(iter(column)) if len(column) == 1 else HOLE for column in columns)
        if (
            len(different) <= (1 - SHARED) * len(columns)
            and (words_of(target) >= WORDS_SHARED or _are_members(columns, target))
            and all(len(column) >= max(3, DIFFERENT * len(members)) for column in different)
            and not any(map(tells, different))
        ):
            found.update((member, (len(members), target, None)) for member in members if member != target)
    return found
