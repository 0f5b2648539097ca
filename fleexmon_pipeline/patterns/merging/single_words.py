"""Single words that are values: templates that differ in one position, or in several that vary together.

Here: which evidence shows that a position varies. Names of several words: `phrases.py`; texts: `free_texts.py`; values
known from other positions: `known_values.py`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from fleexmon_pipeline.patterns.merging.heads import head_of
from fleexmon_pipeline.patterns.merging.words import (
    MESSAGES,
    are_names,
    distinguish,
    introduces,
    is_before_verb,
    is_segment,
    positions,
    request_of,
    words_of,
)
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template
from fleexmon_pipeline.patterns.requests import VERBS

MIN_VALUES = 4  # different words show that a position varies, with three equal words around it
MIN_VALUES_TWO_WORDS, MIN_VALUES_ONE_WORD = 6, 12  # the same with two words and one word around it
MIN_TURNS = 3  # words that alternate in two positions
MIN_SEGMENTS = 50  # different ones in one position of a route: a service has dozens of routes, but any number of users
# A value with at most this share of a group's lines is rare. If half of the values are rare, fewer values are enough.
MAX_RARE_SHARE = 0.1
MIN_VARYING_TOKENS = 6  # of a template in which several positions may vary together
MIN_SHARED = 0.6  # share of its tokens that are the same in the whole group
MIN_WORDS_SHARED = 3  # among these
MIN_DIFFERENT = 0.3  # share of the group's values that differ in each other position; at least three

# Packages and their members, `com.acme.mail`: two different ones are enough. Constants, `x.SCREEN_OFF`, are states.
_IN_PACKAGE = re.compile(r"(?:[a-z]\w*\.){2,}(?:[a-z]\w*|[A-Z]\w*[a-z]\w*)")

Key = tuple[object, ...]
Offer = tuple[int, Template, int | None]  # supporting templates; target; the wide placeholder, if any

_VERBS = VERBS | {PLACEHOLDER}  # of requests in quotes; a line that starts with a verb is about its route
_Position = tuple[Offer, set[str], list[Template]]  # offer for its templates; values in it; its templates


def better(offers: dict[Template, Offer], member: Template, offer: Offer) -> None:
    """Keep the offer with most support."""
    offers[member] = max(offers.get(member, offer), offer, key=lambda o: o[:2])


def start_keys(template: Template) -> list[Key]:
    """Keys that templates share in which several positions vary together: two tokens at the end or after the head."""
    size, head = len(template), head_of(template)
    if size - head < MIN_VARYING_TOKENS:
        return []
    return [(size, i, j, template[i], template[j]) for i, j in ((head, head + 1), (head, head + 2), (-2, -1))]


def differing_in_one_position(
    candidates: Iterable[Template], new: set[Template], lines: Mapping[Template, int]
) -> dict[Template, tuple[Offer, set[str]]]:
    """Templates that differ in one position only: their offers, and the values in that position."""
    groups: defaultdict[tuple[int, Template, Template], list[Template]] = defaultdict(list)
    for template in candidates:
        for i in positions(template):
            groups[i, template[:i], template[i + 1 :]].append(template)
    clear: list[_Position] = []
    doubtful: list[_Position] = []
    for (i, before, after), members in groups.items():
        if len(members) < 2 or new.isdisjoint(members):
            continue
        values = {member[i] for member in members}
        words, is_first = words_of(members[0], i), i == head_of(members[0])
        introduced = words >= 3 and introduces(before, values)
        is_logger = after[:1] in ((":",), ("]",))
        if (
            not words
            or is_before_verb(before)
            or (len(members) < MIN_VALUES_ONE_WORD and distinguish(values, before[-1] if i else ""))
            or len(members) < _needed(values, words, is_first=i == 0 or is_logger, introduced=introduced)
        ):
            continue
        # A first word distinguishes statements; one after a head does so unless it takes turns with others.
        is_clear = len(members) >= _needed(values, words, is_first=is_first, introduced=introduced)
        known = values if i else set()
        position: _Position = ((len(members), (*before, PLACEHOLDER, *after), None), known, members)
        rare = _mostly_rare([lines[member] for member in members])
        enough = (
            MIN_VALUES
            if words >= 3 or (not is_first and values <= _VERBS)
            else MIN_VALUES_TWO_WORDS
            if words == 2
            else MIN_VALUES_ONE_WORD
        )
        if is_clear and (rare or introduced or are_names(values) or len(members) >= enough):
            clear.append(position)
        else:
            doubtful.append(position)
    best: dict[Template, tuple[Offer, set[str]]] = {}
    for offer, known, members in [*clear, *_alternating(doubtful)]:
        for member in members:
            best[member] = max(best.get(member, (offer, known)), (offer, known), key=lambda choice: choice[0][:2])
    return best


def _needed(values: set[str], words: int, *, is_first: bool, introduced: bool) -> int:
    """How many values show that a position varies: the more words around it, the fewer. The first word after the head
    is usually a keyword."""
    if all(map(is_segment, values)):
        return MIN_SEGMENTS
    if not is_first and words >= 2 and all(map(_IN_PACKAGE.fullmatch, values)):
        return 2
    needed = MIN_VALUES if words < 5 else MIN_VALUES - 1 if words < 10 else 2
    if introduced:
        return min(needed, MIN_VALUES - 1)
    if is_first:  # settings and functions are the subject of their statement, units and services are not
        return MIN_VALUES if words >= 5 or are_names(values, of_things=True) else MIN_VALUES_ONE_WORD
    return min(needed, MIN_VALUES - 1) if are_names(values) else needed


def _mostly_rare(lines: list[int]) -> bool:
    limit = max(1, MAX_RARE_SHARE * sum(lines))
    return sum(number <= limit for number in lines) >= max(1, len(lines) / 2)


def _alternating(doubtful: list[_Position]) -> Iterator[_Position]:
    """Positions with a few frequent words each, many of which also alternate in another such position."""
    where: defaultdict[str, list[int]] = defaultdict(list)
    for number, (_, values, _) in enumerate(doubtful):
        for word in values:
            where[word].append(number)
    for number, position in enumerate(doubtful):
        shared = Counter(other for word in position[1] for other in where[word] if other != number)
        if any(count >= max(MIN_TURNS, len(position[1]) / 2) for count in shared.values()):
            yield position


def _are_members(columns: list[set[str]], target: Template) -> bool:
    """Whether all differences are members of a JSON object, one token each, and none is the message."""
    positions = [i for i, column in enumerate(columns) if len(column) > 1]
    return (
        target[0] == "{"
        and target[2] == ":"
        and all(target[i - 1] in ":{," and target[i - 2] not in MESSAGES and i + 1 not in positions for i in positions)
    )


def varying_together(
    candidates: Iterable[Template], new: set[Template], lines: Mapping[Template, int]
) -> dict[Template, Offer]:
    """Rare templates with the same start or end, in which each position is either the same or mostly different."""
    groups: defaultdict[Key, list[Template]] = defaultdict(list)
    for template in candidates:
        if lines[template] <= MIN_VALUES:
            request = request_of(template)
            for key in start_keys(template):
                groups[key, request].append(template)
    offers: dict[Template, Offer] = {}
    for members in groups.values():
        if len(members) < MIN_VALUES or new.isdisjoint(members):
            continue
        columns = [set(column) for column in zip(*members, strict=True)]
        different = [i for i, column in enumerate(columns) if len(column) > 1]
        head = min(map(head_of, members))
        target = tuple(next(iter(column)) if len(column) == 1 else PLACEHOLDER for column in columns)
        if (
            len(different) <= (1 - MIN_SHARED) * (len(columns) - head)
            and (words_of(target, head=head) >= MIN_WORDS_SHARED or _are_members(columns, target))
            and all(len(columns[i]) >= max(3, MIN_DIFFERENT * len(members)) for i in different)
            and not any(distinguish(columns[i], target[i - 1] if i else "") for i in different)
            and not any(is_before_verb(target[:i]) for i in different)
        ):
            offers.update((member, (len(members), target, None)) for member in members if member != target)
    return offers
