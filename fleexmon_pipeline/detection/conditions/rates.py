"""What one node's lines show that they usually do not: conditions of rules, judged on arrays.

Here: which condition a kind has, and those of rates, new patterns and silence: at the end of which slots they hold, and
with what figures. Thresholds: `thresholds.py`. Sums and surprise: `grid.py`; what is usual: `baseline.py`; the texts a
firing shows, the rows behind it: `evaluate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.detection.baseline import Asked, limit, unseen
from fleexmon_pipeline.detection.grid import SLOTS_A_DAY, SLOTS_AN_HOUR, Flags, Floats, Ints, trailing
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
from fleexmon_pipeline.detection.scene import Finding, Scene
from fleexmon_pipeline.detection.thresholds import ratio, repeated, threshold
from fleexmon_pipeline.window import DAY, SLOT

MORE_OF_ALL = 1.4  # times its usual share of the lines: in mere traffic, every message has more
RARE_NOVELTY = 0.02  # unknown error patterns a day; a node that has more is asked for a second line


def conditions(rule: Detector, scene: Scene) -> Iterator[Finding]:
    """Where the rule holds, for all slots of the grid; whoever asks takes those that it judges."""
    match rule:
        case Ratio():
            yield from ratio(rule, scene)
        case Repeated():
            yield from repeated(rule, scene)
        case Threshold():
            yield from threshold(rule, scene)
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


def width_of(rule: Detector) -> int:
    """Slots of the longest window that a rule looks at."""
    match rule:
        case Ratio():
            return rule.ratio.within // SLOT
        case Repeated() | Threshold():
            return rule.count.within // SLOT
        case Rate():
            return max(rule.rate.at_least) // SLOT
        case New():
            return rule.new.within // SLOT
        case Silence():
            return 1


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
