"""Somebody's thresholds: where they are crossed, and only where that is improbable as well once the node is known.

Here: conditions of the guide's rules and of predictors. Rates, new patterns, silence: `rates.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.baseline import PatternBaseline, Series
from fleexmon_pipeline.baselines.expectation import limit, spread_of
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, group_of, surprise, trailing
from fleexmon_pipeline.detection.observation import Finding, Scene
from fleexmon_pipeline.detection.rule_model import Ratio, Repeated, Spike, Threshold, Trend
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.numerics import Flags, Floats
from fleexmon_pipeline.window import DAY, SLOT

GATE_ALARMS = 0.003  # a day: how often chance may pass the gate of a threshold rule
STILL = 1.5  # times the usual in the last minutes of a predictor's hours: what is over is no prediction
TEXT_SURPRISE = 4.0


def ratio(rule: Ratio, scene: Scene) -> Iterator[Finding]:
    width = rule.ratio.within // SLOT
    errors = trailing(scene.grid.lines(rule.where.level), width)
    total = trailing(scene.grid.lines(LEVELS), width)
    holds = (total > rule.ratio.total_more_than) & (errors > rule.ratio.more_than * total)
    holds &= (errors / np.maximum(total, 1)) > rule.ratio.more_than
    if not holds.any():
        return
    unlike, expected = _gate(rule, scene, Series(rule.where.level, "node", width), None)
    for slot in np.flatnonzero(holds & unlike):
        yield Finding(int(slot), None, int(errors[slot]), _at(expected, int(slot)), width, int(total[slot]))


def repeated(rule: Repeated, scene: Scene) -> Iterator[Finding]:
    width = rule.count.within // SLOT
    for pattern, row in scene.grid.patterns(rule.where.level).items():
        lines = trailing(row, width)
        holds = lines > rule.count.more_than
        if not holds.any():
            continue
        unlike, expected = _gate(rule, scene, Series(rule.where.level, "pattern", width), pattern)
        for slot in np.flatnonzero(holds & unlike):
            yield Finding(int(slot), pattern, int(lines[slot]), _at(expected, int(slot)), width)


def threshold(rule: Threshold, scene: Scene) -> Iterator[Finding]:
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
        unlike, expected = _gate(rule, scene, Series(rule.where.level, "node", width), None)
    for slot in np.flatnonzero(holds & unlike):
        yield Finding(int(slot), None, int(lines[slot]), _at(expected, int(slot)), width)


def _at(expected: Floats | None, slot: int) -> float | None:
    return None if expected is None else float(expected[slot])


def _gate(
    rule: Ratio | Repeated | Threshold, scene: Scene, asked: Series, pattern: str | None
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


def _has_group(rule: Threshold, past: PatternBaseline) -> bool:
    return rule.where.level is None or past.group in {group_of(level) for level in rule.where.level}


def stands_out(rule: Trend | Spike, scene: Scene, asked: Series) -> bool:
    """Whether a predictor's figure is improbable at the grid's end and goes on; true where too little is known."""
    baseline, expectation = scene.baseline, scene.expectation
    known = scene.has_history(rule.history / DAY)[-1]
    if baseline is None or expectation is None or rule.bare or not known or asked.name not in baseline.limits:
        return True
    unlike = scene.judged(asked)[None]
    lately = max(asked.width // 6, 3)
    lines = trailing(scene.grid.lines(asked.levels), lately)[-1]
    goes_on = lines >= STILL * expectation.levels(asked.levels, lately)[-1]
    return bool(goes_on and unlike[-1] >= limit(baseline, asked, GATE_ALARMS))
