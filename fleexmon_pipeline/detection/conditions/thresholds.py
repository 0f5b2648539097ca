"""Fixed thresholds. Once a node is known, crossing one counts only if the figure is also improbable for the node.

Here: conditions of the kinds `ratio`, `repeated` and `threshold`, and the same check for predictors.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.baseline import OfPattern, Series
from fleexmon_pipeline.baselines.expectation import MIN_UNUSUAL, known_or_unseen, limit, share_needed, spread_of
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, group_of, surprise, trailing
from fleexmon_pipeline.baselines.young import certainly_above, is_rise
from fleexmon_pipeline.detection.conditions.coincidence import coincidences
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import GATE_ALARMS, Ratio, Repeated, Threshold
from fleexmon_pipeline.detection.rule_model import Bare, Detector
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.numerics import Flags, Floats
from fleexmon_pipeline.window import DAY

MIN_STILL_HIGH = 1.5  # times the expected at the end of a predictor's hours; below, the rise is already over
MIN_TEXT_SURPRISE = 4.0


def ratio(rule: Ratio, observation: Observation) -> Iterator[Hit]:
    matching = trailing(observation.grid.lines(rule.where.level), rule.width)
    total = trailing(observation.grid.lines(LEVELS), rule.width)
    holds = (total > rule.ratio.total_more_than) & (matching > rule.ratio.more_than * total)
    holds &= (matching / np.maximum(total, 1)) > rule.ratio.more_than
    if not rule.bare:
        holds &= certainly_above(matching, total, rule.ratio.more_than)
    yield from _gated(rule, observation, None, matching, holds, total)


def repeated(rule: Repeated, observation: Observation) -> Iterator[Hit]:
    for pattern, row in observation.grid.patterns(rule.where.level).items():
        lines = trailing(row, rule.width)
        yield from _gated(rule, observation, pattern, lines, lines > rule.count.more_than)


def threshold(rule: Threshold, observation: Observation) -> Iterator[Hit]:
    of_text = rule.where.has_words
    row = observation.text_lines.get(rule.name) if of_text else observation.grid.lines(rule.where.level)
    if row is None:
        return
    lines = trailing(row, rule.width)
    yield from _gated(rule, observation, None, lines, lines > rule.count.more_than)


def _gated(
    rule: Ratio | Repeated | Threshold,
    observation: Observation,
    pattern: str | None,
    lines: Floats,
    holds: Flags,
    total: Floats | None = None,
) -> Iterator[Hit]:
    """Hits where the threshold is crossed (`holds`) and the figure is improbable."""
    if not holds.any():
        return
    if isinstance(rule, Threshold) and rule.where.has_words:
        passes, expected = _text_gate(rule, observation, lines)
    else:
        passes, expected = _gate(rule, observation, rule.series()[0], pattern)
    passes &= ~_by_chance(rule, observation, pattern, holds & passes)
    for slot in np.flatnonzero(holds & passes):
        yield Hit(
            int(slot),
            pattern,
            int(lines[slot]),
            None if expected is None else float(expected[slot]),
            rule.width,
            None if total is None else int(total[slot]),
            of_budget=_share_needed(rule, observation, pattern, int(slot)),
        )


def _by_chance(rule: Bare, observation: Observation, pattern: str | None, slots: Flags) -> Flags:
    """In which of these slots everyday bursts that came together explain the figure."""
    by_chance = np.zeros(observation.grid.slots, bool)
    baseline = observation.baseline
    for series in rule.series() if isinstance(rule, Detector) and not rule.bare else ():
        if baseline is not None and series.name in baseline.limits and series.of_failures:
            alarms = observation.alarms(rule.name, GATE_ALARMS)
            needed = limit(baseline, series, alarms)
            by_chance |= coincidences(observation, series, pattern, slots, needed) > alarms
    return by_chance


def _share_needed(rule: Bare, observation: Observation, pattern: str | None, slot: int) -> float | None:
    baseline = observation.baseline
    if not (isinstance(rule, Detector) and rule.false_alarms) or baseline is None:
        return None
    (series,) = rule.series()
    surprises = observation.surprises(series).get(pattern) if series.name in baseline.limits else None
    alarms = observation.alarms(rule.name, rule.false_alarms)
    return None if surprises is None else share_needed(baseline, series, alarms, float(surprises[slot]))


def _gate(rule: Bare, observation: Observation, series: Series, pattern: str | None) -> tuple[Flags, Floats | None]:
    """Where the figure is improbable for this node, time and load, or too little is known; and the expected figure."""
    slots, baseline, expectation = observation.grid.slots, observation.baseline, observation.expectation
    if rule.bare:
        return np.ones(slots, bool), None
    if baseline is None or expectation is None or series.name not in baseline.limits:
        return _is_rise(observation, series, pattern), None
    surprises = observation.surprises(series).get(pattern)
    if surprises is None:
        surprises = np.zeros(slots)
    if pattern and pattern in baseline.patterns:
        of_pattern = known_or_unseen(baseline, observation.grid, pattern, series.levels)
        expected = expectation.pattern(of_pattern, series.width)
    else:
        expected = np.zeros(slots) if pattern else expectation.levels(series.levels, series.width)
    improbable = surprises >= limit(baseline, series, observation.alarms(rule.name, GATE_ALARMS))
    young = ~observation.has_history(rule.history / DAY)
    if young.any():  # a baseline of few days may be wrong, so the figure must also exceed that of the hours before
        improbable = np.where(young, (surprises >= MIN_UNUSUAL) & _is_rise(observation, series, pattern), improbable)
    return np.asarray(improbable), expected


def _is_rise(observation: Observation, series: Series, pattern: str | None) -> Flags:
    """Where the figure is higher than in the hours just before."""
    grid = observation.grid
    row = grid.patterns(series.levels or LEVELS).get(pattern) if pattern else grid.lines(series.levels)
    if row is None:
        return np.ones(grid.slots, bool)
    return is_rise(row, grid.lines() if series.levels else grid.known.astype(np.int64), series.width)


def _text_gate(rule: Threshold, observation: Observation, lines: Floats) -> tuple[Flags, Floats | None]:
    """`_gate` for rules with texts, by the patterns that contain the text: old lines are not read again."""
    slots, baseline, expectation = observation.grid.slots, observation.baseline, observation.expectation
    if baseline is None or expectation is None or rule.bare:
        return np.ones(slots, bool), None
    expected = np.full(slots, 0.5 * rule.width / (SLOTS_A_DAY * max(baseline.days, 1)))
    for pattern, of_pattern in baseline.patterns.items():
        template = observation.baseline_templates.get(pattern)
        if template is not None and rule.where.has_text(template):
            expected = expected + expectation.pattern(_of_levels(rule, of_pattern), rule.width)
    surprises = surprise(lines, expected, spread_of(baseline, ("error",), 1))
    has_history = observation.has_history(rule.history / DAY)
    return np.asarray(~has_history | (surprises >= MIN_TEXT_SURPRISE)), expected


def _of_levels(rule: Threshold, of_pattern: OfPattern) -> OfPattern:
    groups = {group_of(level) for level in rule.where.level or LEVELS}
    return {group: one for group, one in of_pattern.items() if group in groups}


def stands_out(rule: Bare, observation: Observation, series: Series) -> bool:
    """Whether a predictor's figure is improbable at the grid's end and still high; True if too little is known."""
    baseline, expectation = observation.baseline, observation.expectation
    has_history = observation.has_history(rule.history / DAY)[-1]
    if baseline is None or expectation is None or rule.bare or not has_history or series.name not in baseline.limits:
        return True
    recent = max(series.width // 6, 3)
    lines = trailing(observation.grid.lines(series.levels), recent)[-1]
    still_high = lines >= MIN_STILL_HIGH * expectation.levels(series.levels, recent)[-1]
    improbable = observation.surprises(series)[None][-1] >= limit(baseline, series, GATE_ALARMS)
    return bool(still_high and improbable)
