"""What one node's lines show that they usually do not: conditions of rules, judged on arrays.

Here: at the end of which slots a condition holds, and with what figures. Sums and surprise: `grid.py`; what is usual:
`baseline.py`; the texts a firing shows, the rows behind it: `evaluate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fleexmon_pipeline.detection.baseline import (
    Asked,
    Baseline,
    Expectation,
    Past,
    judged,
    limit,
    quietness,
    spread_of,
    unseen,
)
from fleexmon_pipeline.detection.grid import (
    SLOTS_A_DAY,
    SLOTS_AN_HOUR,
    Flags,
    Floats,
    Grid,
    Ints,
    group_of,
    joined,
    surprise,
    trailing,
)
from fleexmon_pipeline.detection.rule import (
    LEVELS,
    Detector,
    New,
    Rate,
    Ratio,
    Repeated,
    Rule,
    Silence,
    Spike,
    Threshold,
    Trend,
)
from fleexmon_pipeline.window import DAY, SLOT

GATE_ALARMS = 0.003  # a day: how often chance may pass the gate of a threshold rule
LEAST_QUIET = 5.0  # -log10 of the chance that a node is silent by chance
MORE_QUIET = 1.3  # times the longest usual silence
STILL = 1.5  # times the usual in the last minutes of a predictor's hours: what is over is no prediction
TEXT_SURPRISE = 4.0
MORE_OF_ALL = 1.4  # times its usual share of the lines: in mere traffic, every message has more
RARE_NOVELTY = 0.02  # unknown error patterns a day; a node that has more is asked for a second line


@dataclass(frozen=True)
class Finding:
    """A condition holds at the end of a slot of the grid."""

    slot: int  # index in the grid
    pattern: str | None
    count: int
    expected: float | None  # where a baseline said so
    width: int  # slots of the window
    total: int | None = None


@dataclass
class Scene:
    """All that rules may know of one node in some slots."""

    grid: Grid
    baseline: Baseline | None  # None: nothing is known of its past yet
    since: int | None  # number of the first slot in which it ever answered
    templates: Mapping[str, str]
    first_seen: Mapping[str, int]  # pattern → number of the slot in which it first came, at any node
    texts: Mapping[str, Ints] = field(default_factory=dict)  # rule → its lines by slot
    past_templates: Mapping[str, str] = field(default_factory=dict)  # of the baseline's patterns
    before: Grid | None = None  # up to the grid, from before a silence that is older than it, or as old
    unlearnt: int = 0  # number of the slot from which on a silence has left what is usual as it was
    _judged: dict[str, dict[str | None, Floats]] = field(default_factory=dict, repr=False)

    @cached_property
    def expectation(self) -> Expectation | None:
        return Expectation(self.baseline, self.grid) if self.baseline else None

    def has_history(self, days: float) -> Flags:
        """At the end of which slots the node has been known for so long."""
        if self.since is None:
            return np.zeros(self.grid.slots, bool)
        ends = self.grid.first + np.arange(self.grid.slots) + 1
        return np.asarray(ends - self.since >= days * SLOTS_A_DAY)

    def judged(self, asked: Asked) -> dict[str | None, Floats]:
        """The surprise of a series; worked out once for all rules that ask for it."""
        if asked.name not in self._judged and self.baseline and self.expectation:
            self._judged[asked.name] = dict(judged(self.baseline, self.expectation, self.grid, asked))
        return self._judged.get(asked.name, {})

    @cached_property
    def silent(self) -> tuple[Flags, Floats]:
        """At the end of which slots the node is silent that should speak; empty slots so far."""
        grid = joined(self.before, self.grid) if self.before else self.grid
        base = None if self.baseline is None else _unmasked(self.baseline, grid)
        least = max(LEAST_QUIET, MORE_QUIET * self.baseline.quiet) if self.baseline else LEAST_QUIET
        quiet, run = (found[-self.grid.slots :] for found in (quietness(grid, base, self.unlearnt), _runs(grid)))
        return np.asarray((quiet >= least) & (run >= 2) & self.grid.empty & self.grid.known), run


def _unmasked(baseline: Baseline, grid: Grid) -> Floats:
    """Lines a slot by time of day, whether the slot is known or not."""
    known = np.ones(grid.slots, bool)
    return Expectation(baseline, Grid(grid.node, grid.first, known, grid.empty, [], grid.counts[:0])).base


def _runs(grid: Grid) -> Floats:
    found, run = np.zeros(grid.slots), 0
    for slot in range(grid.slots):
        run = run + 1 if grid.empty[slot] else run if not grid.known[slot] else 0
        found[slot] = run
    return found


def conditions(rule: Detector, scene: Scene) -> Iterator[Finding]:
    """Where the rule holds, for all slots of the grid; whoever asks takes those that it judges."""
    match rule:
        case Ratio():
            yield from _ratio(rule, scene)
        case Repeated():
            yield from _repeated(rule, scene)
        case Threshold():
            yield from _threshold(rule, scene)
        case Rate():
            yield from _rate(rule, scene)
        case New():
            yield from _new(rule, scene)
        case Silence():
            yield from _silence(rule, scene)


def asked_by(rule: Rule) -> list[Asked]:  # noqa: PLR0911  a case a kind
    """The series that a baseline must know limits of."""
    match rule:
        case Ratio():
            return [Asked(rule.where.level, "node", rule.ratio.within // SLOT)]
        case Repeated():
            return [Asked(rule.where.level, "pattern", rule.count.within // SLOT)]
        case Threshold():
            return [Asked(rule.where.level, "node", rule.count.within // SLOT)] if not rule.where.has_words else []
        case Rate():
            return [Asked(rule.where.level, rule.rate.per, within // SLOT) for within in rule.rate.at_least]
        case Trend():
            return [Asked(rule.where.level, "node", rule.trend.hours * SLOTS_AN_HOUR)]
        case Spike():
            return [Asked(None, "node", SLOTS_AN_HOUR)]
        case _:
            return []


# -- thresholds -----------------------------------------------------------------------------------------------------


def _ratio(rule: Ratio, scene: Scene) -> Iterator[Finding]:
    width = rule.ratio.within // SLOT
    errors = trailing(scene.grid.lines(rule.where.level), width)
    total = trailing(scene.grid.lines(LEVELS), width)
    holds = (total > rule.ratio.total_more_than) & (errors > rule.ratio.more_than * total)
    holds &= (errors / np.maximum(total, 1)) > rule.ratio.more_than
    if not holds.any():
        return
    unlike, expected = _gate(rule, scene, Asked(rule.where.level, "node", width), None)
    for slot in np.flatnonzero(holds & unlike):
        yield Finding(int(slot), None, int(errors[slot]), _at(expected, int(slot)), width, int(total[slot]))


def _repeated(rule: Repeated, scene: Scene) -> Iterator[Finding]:
    width = rule.count.within // SLOT
    for pattern, row in scene.grid.patterns(rule.where.level).items():
        lines = trailing(row, width)
        holds = lines > rule.count.more_than
        if not holds.any():
            continue
        unlike, expected = _gate(rule, scene, Asked(rule.where.level, "pattern", width), pattern)
        for slot in np.flatnonzero(holds & unlike):
            yield Finding(int(slot), pattern, int(lines[slot]), _at(expected, int(slot)), width)


def _threshold(rule: Threshold, scene: Scene) -> Iterator[Finding]:
    width = rule.count.within // SLOT
    of_text = rule.where.has_words
    row = scene.texts.get(rule.name) if of_text else scene.grid.lines(rule.where.level)
    if row is None:
        return
    lines = trailing(row, width)
    holds = lines > rule.count.more_than
    if not holds.any():
        return
    if of_text:
        unlike, expected = _text_gate(rule, scene, lines, width)
    else:
        unlike, expected = _gate(rule, scene, Asked(rule.where.level, "node", width), None)
    for slot in np.flatnonzero(holds & unlike):
        yield Finding(int(slot), None, int(lines[slot]), _at(expected, int(slot)), width)


def _at(expected: Floats | None, slot: int) -> float | None:
    return None if expected is None else float(expected[slot])


def _gate(
    rule: Ratio | Repeated | Threshold, scene: Scene, asked: Asked, pattern: str | None
) -> tuple[Flags, Floats | None]:
    """Where the figure is improbable for this node, time and load, or too little is known to say so."""
    every = np.ones(scene.grid.slots, bool)
    baseline, expectation = scene.baseline, scene.expectation
    if baseline is None or expectation is None or rule.bare or asked.name not in baseline.limits:
        return every, None
    unlike = scene.judged(asked).get(pattern)
    if unlike is None:
        unlike = np.zeros(scene.grid.slots)
    past = baseline.patterns.get(pattern) if pattern else None
    expected = expectation.pattern(past, asked.width) if past else expectation.levels(asked.levels, asked.width)
    if pattern and past is None:
        expected = np.zeros(scene.grid.slots)
    known = scene.has_history(rule.history / DAY)
    return np.asarray(~known | (unlike >= limit(baseline, asked, GATE_ALARMS))), expected


def _text_gate(rule: Threshold, scene: Scene, lines: Floats, width: int) -> tuple[Flags, Floats | None]:
    """The same by the patterns that have the text: lines of the past are not read again."""
    baseline, expectation = scene.baseline, scene.expectation
    if baseline is None or expectation is None or rule.bare:
        return np.ones(scene.grid.slots, bool), None
    mean = np.full(scene.grid.slots, 0.5 * width / (SLOTS_A_DAY * max(baseline.days, 1)))
    for pattern, past in baseline.patterns.items():
        text = scene.past_templates.get(pattern)
        if text is not None and rule.where.has_text(text) and _has_group(rule, past):
            mean = mean + expectation.pattern(past, width)
    unlike = surprise(lines, mean, spread_of(baseline, ("error",), 1))
    known = scene.has_history(rule.history / DAY)
    return np.asarray(~known | (unlike >= TEXT_SURPRISE)), mean


def _has_group(rule: Threshold, past: Past) -> bool:
    return rule.where.level is None or past.group in {group_of(level) for level in rule.where.level}


def stands_out(rule: Trend | Spike, scene: Scene) -> bool:
    """Whether a predictor's figure is improbable at the grid's end and goes on; true where too little is known."""
    (asked,) = asked_by(rule)
    baseline, expectation = scene.baseline, scene.expectation
    known = scene.has_history(rule.history / DAY)[-1]
    if baseline is None or expectation is None or rule.bare or not known or asked.name not in baseline.limits:
        return True
    unlike = scene.judged(asked)[None]
    lately = max(asked.width // 6, 3)
    lines = trailing(scene.grid.lines(asked.levels), lately)[-1]
    goes_on = lines >= STILL * expectation.levels(asked.levels, lately)[-1]
    return bool(goes_on and unlike[-1] >= limit(baseline, asked, GATE_ALARMS))


# -- rates ----------------------------------------------------------------------------------------------------------


def _rate(rule: Rate, scene: Scene) -> Iterator[Finding]:
    """More than usual, and still so; of several windows the one that stands out most."""
    baseline, expectation, grid = scene.baseline, scene.expectation, scene.grid
    if baseline is None or expectation is None:
        return
    known = scene.has_history(rule.history / DAY)
    if not known.any():
        return
    best: dict[str | None, tuple[Floats, Ints]] = {}
    rows: dict[str | None, Ints] = {}
    alarms = rule.rate.false_alarms / len(rule.rate.at_least)
    of_patterns = grid.patterns(rule.where.level or LEVELS) if rule.rate.per == "pattern" else {}
    for within, least_lines in rule.rate.at_least.items():
        asked = Asked(rule.where.level, rule.rate.per, within // SLOT)
        if asked.name not in baseline.limits:
            continue
        least = limit(baseline, asked, alarms)
        for pattern, unlike in scene.judged(asked).items():
            above = unlike - least
            if not (above >= 0).any():
                continue
            row = rows[pattern] = of_patterns[pattern] if pattern else grid.lines(rule.where.level)
            above = np.where(_enough(rule, scene, pattern, row, asked.width, least_lines) & known, above, -np.inf)
            score, width = best.get(pattern, (np.full(grid.slots, -np.inf), np.zeros(grid.slots, np.int64)))
            better = above > score
            best[pattern] = np.where(better, above, score), np.where(better, asked.width, width)
    for pattern, (score, widths) in best.items():
        for slot in np.flatnonzero((score >= 0) & ~_young(scene, pattern)):
            width = int(widths[slot])
            lines = float(trailing(rows[pattern], width)[slot])
            yield Finding(int(slot), pattern, int(lines), float(_mean(scene, rule, pattern, width)[slot]), width)


def _mean(scene: Scene, rule: Rate, pattern: str | None, width: int) -> Floats:
    assert scene.baseline is not None and scene.expectation is not None  # noqa: S101, PT018  asked for after it was
    if pattern is None:
        return scene.expectation.levels(rule.where.level, width)
    past = scene.baseline.patterns.get(pattern) or unseen(scene.baseline, scene.grid, pattern)
    return scene.expectation.pattern(past, width) if past else np.zeros(scene.grid.slots)


def _enough(rule: Rate, scene: Scene, pattern: str | None, row: Ints, width: int, least: int) -> Flags:
    """Enough lines, times the usual, and so in the last third of the window: what is over is not told for hours."""
    lines, mean = trailing(row, width), _mean(scene, rule, pattern, width)
    held = max(width // 3, min(width, 3))
    lately = trailing(row, held) >= rule.rate.times * _mean(scene, rule, pattern, held)
    holds = (lines >= least) & (lines >= rule.rate.times * mean) & lately
    past = scene.baseline.patterns.get(pattern) if pattern and scene.baseline else None
    if past is not None and past.group == "rest":
        holds &= lines >= MORE_OF_ALL * past.share * trailing(scene.grid.group("rest"), width)
    return np.asarray(holds)


def _young(scene: Scene, pattern: str | None) -> Flags:
    """Where the pattern is less than a day old at all nodes: a matter of the rules for new patterns."""
    first = scene.first_seen.get(pattern) if pattern else None
    slots = scene.grid.first + np.arange(scene.grid.slots)
    return slots < first + SLOTS_A_DAY if first is not None else np.zeros(scene.grid.slots, bool)


# -- new patterns, silence ------------------------------------------------------------------------------------------


def _new(rule: New, scene: Scene) -> Iterator[Finding]:
    """A pattern that no node ever had, while it is less than a day old."""
    baseline, grid = scene.baseline, scene.grid
    known = scene.has_history(rule.history / DAY)
    if baseline is None or not known.any():
        return
    least = rule.new.at_least
    if rule.new.wary and baseline.novelty > RARE_NOVELTY:
        least = max(least, 2)
    width = rule.new.within // SLOT
    slots = grid.first + np.arange(grid.slots)
    for pattern, row in grid.patterns(rule.where.level).items():
        first = scene.first_seen.get(pattern)
        if first is None or first + SLOTS_A_DAY <= grid.first:
            continue
        lines = trailing(row, width)
        holds = (slots >= first) & (slots < first + SLOTS_A_DAY) & (lines >= least) & known
        for slot in np.flatnonzero(holds):
            yield Finding(int(slot), pattern, int(lines[slot]), None, width)


def _silence(rule: Silence, scene: Scene) -> Iterator[Finding]:
    del rule
    silent, run = scene.silent
    for slot in np.flatnonzero(silent):
        yield Finding(int(slot), None, 0, None, int(run[slot]))
