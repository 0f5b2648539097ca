"""Which node and which pattern began an incident: nodes ranked by what was wrong with them, and when it began.

Here: the ranking, without a database. A sign is a pattern that is new or more frequent than the node's own usual rate,
or fewer lines than usual. Signs that no node ever had weigh most; those that many nodes share weigh little; what began
later weighs less. What fills the figures: `read_origin.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Literal

import numpy as np

from fleexmon_pipeline.numerics import deviance

Kind = Literal["new", "more", "fewer", "silent"]
Key = tuple[str, str, str]  # node, resolved pattern, level

# By judgement, not by experiment; docs/decisions/0033 says on which worlds the ranking was tried.
NEW_WEIGHT = 2.0  # of what no node ever had, and of silence where there was none
LEVEL_WEIGHTS: Mapping[str, float] = {"fatal": 1.0, "error": 1.0, "warn": 0.5, "info": 0.1}
MIN_DEVIATIONS = 1.5  # of a sign
HALF_LIFE_SECONDS = 600.0  # a sign that begins so much later than the first one weighs half
PRIOR_LINES = 0.5  # of a pattern that a node's past lacks
MIN_SPREAD, MAX_SPREAD, NEW_SPREAD = 0.05, 5.0, 0.05  # over-dispersion of a slot
MAX_FEWER, VOLUME_SPREAD = 0.5, 0.05  # of the expected lines; over-dispersion of their sum
MIN_SILENT_LINES = 10.0  # expected in slots that have none


@dataclass(frozen=True)
class Seen:
    """Lines of one slot of the window."""

    node: str
    pattern: str
    level: str
    slot: int
    lines: int
    first: float  # seconds since 1970


@dataclass(frozen=True)
class Usual:
    """Of a node's pattern, over the slots of the past that are known."""

    lines: int
    squares: int  # sum of the squared counts of its slots


@dataclass(frozen=True)
class Volume:
    """All lines of a node by slot of the window, and those its past lets expect; without slots that are not known."""

    slots: Sequence[int]
    lines: Sequence[int]
    expected: Sequence[float]
    past_slots: int  # known slots of the past
    was_silent: bool  # a slot without any line is nothing new


@dataclass(frozen=True)
class Sign:
    node: str
    kind: Kind
    pattern: str | None  # None: all lines of the node
    level: str | None
    lines: int
    expected: float
    began: float  # seconds since 1970
    nodes: int  # how many nodes have it
    weight: float


@dataclass(frozen=True)
class Suspect:
    node: str
    share: float  # of the weight of all nodes
    signs: Sequence[Sign]  # heaviest first


def rank(
    seen: Iterable[Seen], usual: Mapping[Key, Usual], volumes: Mapping[str, Volume], *, slot_seconds: int
) -> list[Suspect]:
    """The most suspicious node first; nodes without any sign are left out."""
    by_key: defaultdict[Key, list[Seen]] = defaultdict(list)
    for one in seen:
        if one.level in LEVEL_WEIGHTS and one.node in volumes:
            by_key[one.node, one.pattern, one.level].append(one)
    anywhere = {pattern for _, pattern, _ in usual}
    signs = [
        sign
        for key, lines in by_key.items()
        if (sign := _louder(key, lines, usual.get(key), volumes[key[0]], new=key[1] not in anywhere))
    ]
    for node, volume in volumes.items():
        sign = _silent(node, volume, slot_seconds) or _fewer(node, volume, slot_seconds)
        signs += [sign] if sign else []
    return _ranked(signs, len(volumes))


def _louder(key: Key, lines: Sequence[Seen], usual: Usual | None, volume: Volume, *, new: bool) -> Sign | None:
    """More lines than usual. It began in the first slot that has more than the usual slot's lines by itself."""
    node, pattern, level = key
    past = max(volume.past_slots, 1)
    rate = ((usual.lines if usual else 0) + PRIOR_LINES) / past
    spread = NEW_SPREAD
    if usual and usual.lines:
        excess = usual.squares / past - rate**2 - rate
        spread = float(np.clip(excess / rate**2, MIN_SPREAD, MAX_SPREAD))
    count, expected = sum(one.lines for one in lines), rate * max(len(volume.slots), 1)
    deviations = _deviations(count, expected, spread)
    if count <= expected or deviations < MIN_DEVIATIONS:
        return None
    ordered = sorted(lines, key=lambda one: one.slot)
    began = next((one for one in ordered if one.lines > 2 * rate + 1 or new), ordered[0]).first
    weight = deviations * LEVEL_WEIGHTS[level] * (NEW_WEIGHT if new else 1.0)
    return Sign(node, "new" if new else "more", pattern, level, count, expected, began, 1, weight)


def _silent(node: str, volume: Volume, slot_seconds: int) -> Sign | None:
    """The longest run of slots without a line, where many were expected."""
    longest: list[int] = []
    run: list[int] = []
    for place, lines in enumerate(volume.lines):
        run = [*run, place] if lines == 0 else []
        longest = max(longest, run, key=lambda places: sum(volume.expected[index] for index in places))
    expected = sum(volume.expected[place] for place in longest)
    if expected < MIN_SILENT_LINES:
        return None
    weight = sqrt(2 * expected) * (1.0 if volume.was_silent else NEW_WEIGHT)
    return Sign(node, "silent", None, None, 0, expected, volume.slots[longest[0]] * slot_seconds, 1, weight)


def _fewer(node: str, volume: Volume, slot_seconds: int) -> Sign | None:
    """Half of the lines or less, from some slot until the end of the window."""
    most: Sign | None = None
    for place, slot in enumerate(volume.slots):
        count, expected = sum(volume.lines[place:]), sum(volume.expected[place:])
        if expected >= MIN_SILENT_LINES and count <= expected * MAX_FEWER:
            weight = _deviations(count, expected, VOLUME_SPREAD)
            if most is None or weight > most.weight:
                most = Sign(node, "fewer", None, None, count, expected, slot * slot_seconds, 1, weight)
    return most


def _deviations(count: int, expected: float, spread: float) -> float:
    return sqrt(float(deviance(np.array([float(count)]), np.array([expected]), spread)[0]))


def _ranked(signs: Sequence[Sign], nodes: int) -> list[Suspect]:
    having: defaultdict[str | None, set[str]] = defaultdict(set)
    for sign in signs:
        having[sign.pattern].add(sign.node)
    first = min((sign.began for sign in signs), default=0.0)
    by_node: defaultdict[str, list[Sign]] = defaultdict(list)
    for sign in signs:
        shared = len(having[sign.pattern])
        rarity = log((nodes + 1) / shared) / log(nodes + 1)
        weight = sign.weight * rarity * 0.5 ** ((sign.began - first) / HALF_LIFE_SECONDS)
        by_node[sign.node].append(
            Sign(
                sign.node, sign.kind, sign.pattern, sign.level, sign.lines, sign.expected, sign.began, shared, weight
            )
        )  # fmt: skip
    scores = {node: sqrt(sum(sign.weight**2 for sign in own)) for node, own in by_node.items()}
    every = sum(scores.values()) or 1.0
    return [
        Suspect(node, scores[node] / every, sorted(by_node[node], key=lambda sign: (-sign.weight, sign.began)))
        for node in sorted(scores, key=lambda name: (-scores[name], name))
    ]
