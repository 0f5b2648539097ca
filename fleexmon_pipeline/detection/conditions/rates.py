"""What one node's lines show that they usually do not: conditions of rules, judged on arrays.

Here: which condition a kind has, and those of rates, new patterns and silence: at the end of which slots they hold, and
with what figures. Thresholds: `thresholds.py`. Sums and surprise: `baselines/slot_grid.py`; what is usual:
`baselines/baseline.py`; the texts a firing shows, the rows behind it: `detection/evaluate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.expectation import limit, unseen
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, trailing
from fleexmon_pipeline.detection.observation import Finding, Scene
from fleexmon_pipeline.detection.rule_model import (
    Rate,
)
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.numerics import Flags, Floats, Ints
from fleexmon_pipeline.window import DAY, SLOT

MORE_OF_ALL = 1.4  # times its usual share of the lines: in mere traffic, every message has more


# -- rates ----------------------------------------------------------------------------------------------------------


def rate(rule: Rate, scene: Scene) -> Iterator[Finding]:
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
        asked = Series(rule.where.level, rule.rate.per, within // SLOT)
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
