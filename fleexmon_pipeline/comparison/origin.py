"""Where an incident began: rank nodes by the signs of trouble that they show, and by how early.

Here: the ranking, without a database. A sign is a pattern that is new to the node or more frequent than normal, one
whose lines come later in their requests than normal, or fewer lines than normal. What comes late is a sign of both
nodes that it lies between: a node at fault is one of both wherever requests wait. A sign weighs most if no node ever
had it, little if many nodes share it, and less the later it began. `read_origin.py` reads the counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from typing import Literal

import numpy as np

from fleexmon_pipeline.numerics import deviance
from fleexmon_pipeline.patterns.measures import MIN_STEP

Kind = Literal["new", "more", "fewer", "silent", "slower"]
Key = tuple[str, str, str]  # node, resolved pattern, level

# By judgement, not by experiment, but STRONG (0.3, 0.5 and 0.7 were tried): docs/decisions/0033 and 0065 say on which
# worlds.
NEW_WEIGHT = 2.0  # of a pattern that no node ever had, and of silence on a node that never was silent
LEVEL_WEIGHTS: Mapping[str, float] = {"fatal": 1.0, "error": 1.0, "warn": 0.5, "info": 0.1}
SLOWER_WEIGHT = 0.5  # of 0.3 to 1, chosen on services 6 and 7: what waits is not at fault itself
MIN_STEP_SLOTS, MIN_STEP_SPREAD = 24, 0.1  # slots of the past with steps, and the spread of their logarithms
MIN_TIMES = 2.0  # as long as normal
MIN_DEVIATIONS = 1.5  # standard deviations from normal that make a sign
HALF_LIFE_SECONDS = 600.0  # a sign that begins so much later than the first strong one weighs half
STRONG = 0.7  # of the heaviest sign's weight: among many nodes some weak sign always comes first, by chance
PRIOR_LINES = 0.5  # added to the lines of the past, so that a new pattern has a rate above 0
SPREAD = 0.05  # over-dispersion of a window's events
MAX_FEWER = 0.5  # of the expected lines
MIN_SILENT_LINES = 10.0  # expected in slots that have none
MIN_EVENTS = 3.0  # expected, of lines that come together: none of three is chance once in 20


@dataclass(frozen=True)
class SlotCount:
    """Lines of one pattern in one slot of the window."""

    node: str
    pattern: str
    level: str
    slot: int
    lines: int
    first: float  # time of the first line, in seconds since 1970
    step: float | None = None  # milliseconds since the previous line of their requests, on average, if they have steps
    after: str | None = None  # the other node whose line came before the longest step


@dataclass(frozen=True)
class PastSteps:
    """Steps to the lines of a node's pattern over the slots of the past; logarithms as `log_step` makes them."""

    slots: int
    sum: float
    squares: float


@dataclass(frozen=True)
class PastCount:
    """Lines of a node's pattern over the known slots of the past."""

    lines: int
    squares: int  # sum of the squared counts of its slots
    steps: PastSteps | None = None


@dataclass(frozen=True)
class Volume:
    """All lines of a node by known slot of the window, and how many its past lets expect."""

    slots: Sequence[int]
    lines: Sequence[int]
    expected: Sequence[float]
    past_slots: int  # known slots of the past
    was_silent: bool  # some slot of the past had no line
    lines_an_event: float = 1.0  # that come together, as `baselines.rates.lines_an_event` measures it


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
    step: float | None = None  # of "slower": milliseconds, on average
    normal_step: float | None = None
    lines_of: str | None = None  # of "slower": the other node whose lines come late, after a line of this one


@dataclass(frozen=True)
class Suspect:
    node: str
    share: float  # of the weight of all nodes
    signs: Sequence[Sign]  # heaviest first


def rank(
    counts: Iterable[SlotCount], past: Mapping[Key, PastCount], volumes: Mapping[str, Volume], *, slot_seconds: int
) -> list[Suspect]:
    """The most suspicious node first; nodes without any sign are left out."""
    by_key: defaultdict[Key, list[SlotCount]] = defaultdict(list)
    for count in counts:
        if count.level in LEVEL_WEIGHTS and count.node in volumes:
            by_key[count.node, count.pattern, count.level].append(count)
    known_patterns = {pattern for _, pattern, _ in past}
    signs = [
        sign
        for key, slots in by_key.items()
        if (sign := _more_frequent(key, slots, past.get(key), volumes[key[0]], new=key[1] not in known_patterns))
    ]
    for key, slots in by_key.items():
        signs += _slower(key, [slot for slot in slots if slot.step is not None], past.get(key))
    for node, volume in volumes.items():
        sign = _silent(node, volume, slot_seconds) or _fewer(node, volume, slot_seconds)
        signs += [sign] if sign else []
    return _ranked(signs, len(volumes))


def _more_frequent(
    key: Key, counts: Sequence[SlotCount], past: PastCount | None, volume: Volume, *, new: bool
) -> Sign | None:
    """More lines than expected. It began in the first slot that alone has more lines than a normal slot."""
    node, pattern, level = key
    past_slots = max(volume.past_slots, 1)
    rate = ((past.lines if past else 0) + PRIOR_LINES) / past_slots
    # Lines that come in bursts are as many events as bursts: the variance of a slot over its mean.
    burst = max((past.squares / past_slots - rate**2) / rate, 1.0) if past and past.lines else 1.0
    count, expected = sum(slot.lines for slot in counts), rate * max(len(volume.slots), 1)
    deviations = _deviations(count / burst, expected / burst, SPREAD)
    if count <= expected or deviations < MIN_DEVIATIONS:
        return None
    ordered = sorted(counts, key=lambda slot: slot.slot)
    began = next((slot for slot in ordered if slot.lines > 2 * rate + 1 or new), ordered[0]).first
    weight = deviations * LEVEL_WEIGHTS[level] * (NEW_WEIGHT if new else 1.0)
    return Sign(node, "new" if new else "more", pattern, level, count, expected, began, 1, weight)


def _silent(node: str, volume: Volume, slot_seconds: int) -> Sign | None:
    """The run of slots without a line in which most lines were expected."""
    longest: list[int] = []
    run: list[int] = []
    for index, lines in enumerate(volume.lines):
        run = [*run, index] if lines == 0 else []
        longest = max(longest, run, key=lambda indexes: sum(volume.expected[index] for index in indexes))
    expected = sum(volume.expected[index] for index in longest)
    events = expected / volume.lines_an_event
    if expected < MIN_SILENT_LINES or events < MIN_EVENTS:
        return None
    weight = sqrt(2 * events) * (1.0 if volume.was_silent else NEW_WEIGHT)
    return Sign(node, "silent", None, None, 0, expected, volume.slots[longest[0]] * slot_seconds, 1, weight)


def _fewer(node: str, volume: Volume, slot_seconds: int) -> Sign | None:
    """Half of the expected lines or less, from some slot until the end of the window."""
    heaviest: Sign | None = None
    for index, slot in enumerate(volume.slots):
        count, expected = sum(volume.lines[index:]), sum(volume.expected[index:])
        together = volume.lines_an_event
        if expected >= max(MIN_SILENT_LINES, MIN_EVENTS * together) and count <= expected * MAX_FEWER:
            weight = _deviations(count / together, expected / together, SPREAD)
            if heaviest is None or weight > heaviest.weight:
                heaviest = Sign(node, "fewer", None, None, count, expected, slot * slot_seconds, 1, weight)
    return heaviest


def log_step(milliseconds: float) -> float:
    return log(milliseconds + MIN_STEP)


def _slower(key: Key, counts: Sequence[SlotCount], past: PastCount | None) -> list[Sign]:
    """Longer steps to a pattern's lines, from some slot until the end of the window: a sign of their node, and of other
    nodes that these lines came after, in proportion to how much longer."""
    if past is None or past.steps is None or past.steps.slots < MIN_STEP_SLOTS:
        return []
    node, pattern, level = key
    normal = past.steps.sum / past.steps.slots
    spread = max(sqrt(max(past.steps.squares / past.steps.slots - normal**2, 0.0)), MIN_STEP_SPREAD)
    ordered = sorted(counts, key=lambda slot: slot.slot)
    longer = [log_step(slot.step or 0.0) - normal for slot in ordered]
    begin, deviations = 0, 0.0
    for index in range(len(ordered)):
        since = longer[index:]
        if (mean := sum(since) / len(since)) >= log(MIN_TIMES) and mean / spread * sqrt(len(since)) > deviations:
            begin, deviations = index, mean / spread * sqrt(len(since))
    if deviations < MIN_DEVIATIONS:
        return []
    slots, longer = ordered[begin:], longer[begin:]
    lines, mean = sum(slot.lines for slot in slots), sum(longer) / len(longer)
    own = Sign(
        node, "slower", pattern, level, lines, lines, slots[0].first, 1, SLOWER_WEIGHT * deviations,
        step=exp(normal + mean) - MIN_STEP, normal_step=exp(normal) - MIN_STEP,
    )  # fmt: skip
    after: defaultdict[str, float] = defaultdict(float)
    for slot, by in zip(slots, longer, strict=True):
        after[slot.after or node] += max(by, 0.0)
    return [own] + [
        replace(own, node=other, lines_of=node, weight=own.weight * sqrt(by / sum(after.values())))
        for other, by in after.items()
        if other != node and by > 0
    ]


def _deviations(count: float, expected: float, spread: float) -> float:
    return sqrt(float(deviance(np.array([count]), np.array([expected]), spread)[0]))


def _ranked(signs: Sequence[Sign], nodes: int) -> list[Suspect]:
    """Weigh each sign by how many nodes share it and how late it began, and sum up by node."""
    nodes_with: defaultdict[str | None, set[str]] = defaultdict(set)
    for sign in signs:
        nodes_with[sign.pattern].add(sign.lines_of or sign.node)
    heaviest = max((sign.weight for sign in signs), default=0.0)
    first = min((sign.began for sign in signs if sign.weight >= STRONG * heaviest), default=0.0)
    by_node: defaultdict[str, list[Sign]] = defaultdict(list)
    for sign in signs:
        sharing = len(nodes_with[sign.pattern])
        rarity = log((nodes + 1) / sharing) / log(nodes + 1)
        weight = sign.weight * rarity * 0.5 ** (max(sign.began - first, 0.0) / HALF_LIFE_SECONDS)
        by_node[sign.node].append(replace(sign, nodes=sharing, weight=weight))
    scores = {node: sqrt(sum(sign.weight**2 for sign in own)) for node, own in by_node.items()}
    total = sum(scores.values()) or 1.0
    return [
        Suspect(node, scores[node] / total, sorted(by_node[node], key=lambda sign: (-sign.weight, sign.began)))
        for node in sorted(scores, key=lambda name: (-scores[name], name))
    ]
