"""Names of different length: `Customer Bob deleted` and `Customer Carol van der Berg deleted` are one pattern.

Here: find templates with the same start and end that differ in a phrase between these. The other rules of merging, and
the merge itself: `merger.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from fleexmon_pipeline.patterns.merging.heads import leading
from fleexmon_pipeline.patterns.merging.single_words import Offer
from fleexmon_pipeline.patterns.merging.words import SENTENCE, is_before_verb, is_status
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

MAX_PHRASE_TOKENS = 6  # of a name, a product or a reason
MIN_PHRASES = 4  # different ones, of different length, show that a position varies; a placeholder counts twice
MIN_PHRASES_AT_END = 6  # the same at the end of a line, where statements differ most
MAX_ALIKE = 150  # templates that a new one is compared with; if more are similar, the lines are data, not sentences
MAX_COMPARED = 20_000  # pairs per batch, the rarest starts and ends first: random words cost most and find nothing

_VERB = re.compile("[a-z]{3,}(?:ed|ing)")
_PUNCTUATION = frozenset('=,;()[]{}"')

_Key = tuple[str, Template]


def phrase_keys(template: Template) -> list[_Key]:
    """Keys that templates share which differ in a phrase: a little less than half, from the left or the right."""
    half = (len(template) - MAX_PHRASE_TOKENS) // 2
    sizes = range(max(1, half - 2), max(1, half + 2) + 1)
    return [key for size in sizes for key in (("begin", template[:size]), ("end", template[-size:]))]


def search_keys(template: Template) -> list[_Key]:
    size = max(1, (len(template) - MAX_PHRASE_TOKENS) // 2)
    return [("begin", template[:size]), ("end", template[-size:])]


def phrases(new: Iterable[Template], like: Iterable[Template]) -> Iterator[tuple[Template, Offer, Template]]:
    """Each template that may merge, its offer weighted by the number of phrases in the position, and its phrase."""
    groups: defaultdict[tuple[Template, Template], set[Template]] = defaultdict(set)
    everyone = list(like)
    for template in new:
        shared: defaultdict[tuple[int, int], list[Template]] = defaultdict(list)
        for other in everyone:
            if abs(len(other) - len(template)) < MAX_PHRASE_TOKENS and other != template:
                shared[_in_common(template, other)].append(other)
        for begin, end in shared:
            if 0 < len(template) - begin - end <= MAX_PHRASE_TOKENS + 2:
                members = groups[template[:begin], template[len(template) - end :]]
                members.add(template)
                for (left, right), others in shared.items():
                    if left >= begin and right >= end:
                        members.update(others)
    for (before, after), members in groups.items():
        middles = {member: member[len(before) : len(member) - len(after)] for member in members}
        named = {member: middle for member, middle in middles.items() if is_phrase(middle)}
        if not _is_varying_position(before, after, set(named)):
            continue
        offer: Offer = (len(named), (*before, PLACEHOLDER, *after), len(before))
        for member, phrase in named.items():
            if member != offer[1]:
                yield member, offer, phrase


def _in_common(one: Template, other: Template) -> tuple[int, int]:
    most = min(len(one), len(other))
    begin = 0
    while begin < most and one[begin] == other[begin]:
        begin += 1
    end = 0
    most -= begin
    while end < most and one[-1 - end] == other[-1 - end]:
        end += 1
    return begin, end


def is_phrase(middle: Template) -> bool:
    """Words that belong together, or a placeholder that replaced such words before."""
    if middle == (PLACEHOLDER,):
        return True
    words = _inner(middle)
    return (
        0 < len(words) <= MAX_PHRASE_TOKENS
        and (words != middle or SENTENCE.isdisjoint(words))
        and words[0][0].isalnum()
        and not any(map(_VERB.fullmatch, words))
        and (PLACEHOLDER not in words or words[0][0].isupper() or words != middle)
        and _PUNCTUATION.isdisjoint(words)
        and not any(map(is_status, words))
    )


def _inner(middle: Template) -> Template:
    quoted = len(middle) > 2 and middle[0] == middle[-1] == '"'
    return middle[1:-1] if quoted else middle


def _is_varying_position(before: Template, after: Template, members: set[Template]) -> bool:
    if (
        not before
        or before[-1] == PLACEHOLDER
        or is_before_verb(before)
        or len({len(member) for member in members}) < 2
    ):
        return False
    last = not any(token[:1].isalnum() or token == PLACEHOLDER for token in after)
    if _words(before[leading(before) :]) + _words(after) < (3 if last else 2):
        return False
    longer = [_inner(m[len(before) : len(m) - len(after)]) for m in members if len(m) > len(before) + len(after) + 1]
    if len(longer) == 1 and not longer[0][0][0].isupper():
        return False
    if any(2 * len({phrase[end] for phrase in longer}) <= len(longer) for end in (0, -1) if len(longer) > 1):
        return False  # `invalid user root`, `invalid user test`: the phrases share words of the sentence
    merged_before = 2 if (*before, PLACEHOLDER, *after) in members else 0
    return len(members) + merged_before >= (MIN_PHRASES_AT_END if last else MIN_PHRASES)


def _words(template: Template) -> int:
    """Number of words that form sentences. A word before a colon or an equals sign is a key or a logger."""
    followed = zip(template, (*template[1:], ""), strict=False)
    return sum(token[:1].isalpha() and after not in (":", "=") for token, after in followed)
