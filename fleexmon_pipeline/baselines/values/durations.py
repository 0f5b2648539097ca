"""Durations in lines: the baseline of a pattern's median and 95th percentile, and how far above it windows are.

Here: learning and surprise, on logarithms. Reading durations from lines: `patterns/measures.py`; the rule:
`detection/conditions/durations.py`.

A pattern is only compared with itself: its level, the hour of day, and the spread of its windows. After two days, a
higher level is accepted as normal.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fleexmon_pipeline.baselines.baseline import Baseline, DurationBaseline
from fleexmon_pipeline.baselines.expectation import NOT_UNUSUAL
from fleexmon_pipeline.baselines.habits import reached
from fleexmon_pipeline.baselines.slot_grid import (
    SLOTS_A_DAY,
    SLOTS_AN_HOUR,
    Sketches,
    SlotGrid,
    loudest,
    share_left,
    trailing,
)
from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline.patterns.measures import MIN_STEP

HOURS = 24
FIGURES = ("p50", "p95")
# Chosen by judgement.
MIN_LINES = 100  # of a pattern, for a baseline
MIN_SLOTS = 24  # with lines
MIN_WINDOW_LINES = 6  # for a window to be evaluated
ACCEPTED_AFTER = 2 * SLOTS_A_DAY
FLOOR = 0.05  # share of the typical 95th percentile, added to durations: 2 ms instead of 1 do not matter beside 100
DAYS_TO_TRUST = 2.0  # after this many days, the season counts by half
MAX_SEASON = 1.5  # logarithm, on both sides
MIN_SPREAD, MAX_SPREAD = 0.04, 1.0
MIN_WITHIN = 0.05
SAMPLING = {"p50": 1.25, "p95": 2.1}  # standard error of each figure, in spreads of lines over the root of their number
NORMAL_95, NORMAL_MEDIAN = 1.645, 0.6745  # quantiles of a normal variable, and of its absolute value
MIN_LINES_TO_SPREAD = 8  # in a slot
OFTEN_TIMES = 1.25  # times the surprise reached on three days, which the pattern must exceed


# -- learning ---------------------------------------------------------------------------------------------------------


def learn_durations(of_pattern: Sketches, first: int, widths: Collection[int]) -> DurationBaseline | None:
    """The baseline from whole past days; None with too little data. widths: windows of the rules, in slots."""
    has_lines = of_pattern.lines > 0
    if of_pattern.lines.sum() < MIN_LINES or has_lines.sum() < MIN_SLOTS:
        return None
    least = MIN_STEP if of_pattern.steps else 1e-6
    floor = max(FLOOR * float(np.median(of_pattern.p95[has_lines])), least)
    hours = _hours(first, len(has_lines))
    recent = has_lines & (np.arange(len(has_lines)) >= len(has_lines) - ACCEPTED_AFTER)
    days = float(has_lines.sum()) / SLOTS_A_DAY  # float, because JSON does not support numbers of numpy
    levels: dict[str, float] = {}
    seasons: dict[str, list[float]] = {}
    figures = FIGURES[:1] if of_pattern.steps else FIGURES
    for figure in figures:
        logs = _logs(of_pattern, figure, floor)
        level = _weighted_median(logs[has_lines], of_pattern.lines[has_lines])
        season = _season(logs - level, of_pattern.lines, hours, days)
        if recent.any():
            left = (logs - np.array(season)[hours])[recent]
            level = max(level, _weighted_median(left, of_pattern.lines[recent]))
        levels[figure], seasons[figure] = level, season
    within = _within(
        of_pattern, _logs(of_pattern, "p50", floor) - levels["p50"] - np.array(seasons["p50"])[hours], floor
    )
    plain = DurationBaseline(floor, levels, seasons, within, steps=of_pattern.steps)
    day = (first + np.arange(len(has_lines))) // SLOTS_A_DAY
    for figure in figures:
        residuals = _logs(of_pattern, figure, floor) - _normal(plain, first, len(has_lines), figure)
        for width in sorted(widths):
            key = f"{figure}/{width}"
            min_lines = MIN_WINDOW_LINES * share_left(width)
            above, lines = _windows(residuals, of_pattern.lines, width, min_lines)
            enough = lines >= min_lines
            above, lines = above[enough], lines[enough]
            plain.spreads[key] = _spread(above, lines, SAMPLING[figure] * within)
            plain.peaks[key] = round(reached(day[enough], above / _scale(plain, lines, figure, width)), 3)
    return plain


def _hours(first: int, slots: int) -> Ints:
    return (first + np.arange(slots)) % SLOTS_A_DAY // SLOTS_AN_HOUR


def _logs(of_pattern: Sketches, figure: str, floor: float) -> Floats:
    values: Floats = np.log(getattr(of_pattern, figure) + floor)
    return values


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _season(residuals: Floats, lines: Floats, hours: Ints, days: float) -> list[float]:
    """The season by hour of day, from that hour and its neighbours, reduced if few days are known."""
    trust = days / (days + DAYS_TO_TRUST)
    season = []
    has_lines = lines > 0
    residuals, lines, hours = residuals[has_lines], lines[has_lines], hours[has_lines]
    for hour in range(HOURS):
        near = ((hours - hour + 1) % HOURS) <= 2
        value = trust * _weighted_median(residuals[near], lines[near]) if near.any() else 0.0
        season.append(round(min(max(value, -MAX_SEASON), MAX_SEASON), 3))
    return season


def _within(of_pattern: Sketches, residuals: Floats, floor: float) -> float:
    """The spread of single lines: from slots with enough lines, else from the deviations of slots with few lines."""
    many = of_pattern.lines >= MIN_LINES_TO_SPREAD
    if of_pattern.lines[many].sum() >= MIN_LINES:
        spread = (_logs(of_pattern, "p95", floor) - _logs(of_pattern, "p50", floor))[many] / NORMAL_95
        return max(_weighted_median(spread, of_pattern.lines[many]), MIN_WITHIN)
    has_lines = of_pattern.lines > 0
    stray = np.abs(residuals[has_lines]) * np.sqrt(of_pattern.lines[has_lines]) / SAMPLING["p50"]
    return max(float(np.median(stray)) / NORMAL_MEDIAN, MIN_WITHIN)


def _spread(above: Floats, lines: Floats, sampling: float) -> float:
    """The spread of windows beyond their sampling error, from the upper side, because the rule looks for growth."""
    if len(above) < 2:
        return MAX_SPREAD / 2
    middle, upper = np.quantile(above, [0.5, 0.84])
    variance = float(upper - middle) ** 2 - sampling**2 / float(np.median(lines))
    return min(max(float(variance**0.5) if variance > 0 else 0.0, MIN_SPREAD), MAX_SPREAD)


# -- evaluating -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slower:
    """One figure of all patterns with a baseline: rows are patterns, columns are slots at whose end windows end."""

    patterns: list[str]
    surprise: Floats  # standard deviations above the baseline; 0 with too few lines
    value: Floats
    expected: Floats
    lines: Floats  # without the loudest slots
    steps: list[bool]  # of each pattern: steps to its lines, not durations that they state
    times: Floats  # of the expected value
    recent_times: Floats  # the same in the last third of the window

    @property
    def together(self) -> Floats:
        """The surprise of all patterns together: if a database is slow, every pattern is slightly slower."""
        evaluated = (self.surprise != 0).sum(axis=0)
        return np.asarray(self.surprise.sum(axis=0) / np.sqrt(np.maximum(evaluated, 1)))


def slower(
    baseline: Baseline, grid: SlotGrid, groups: Collection[str], figure: str, width: int, *, recent: bool = True
) -> Slower:
    """Compare all patterns with their baselines. recent: also compute the last third of each window; if False, it is
    taken to be like the whole."""
    normal: list[tuple[str, DurationBaseline, Sketches]] = [
        (pattern, known.durations, of_pattern)
        for (pattern, group), of_pattern in grid.durations.items()
        if group in groups
        and (known := baseline.patterns.get(pattern, {}).get(group)) is not None
        and known.durations is not None
        and known.durations.steps == of_pattern.steps
        and figure in known.durations.levels
    ]
    names = [pattern for pattern, _, _ in normal]
    if not normal:
        none = np.zeros((0, grid.slots))
        return Slower(names, none, none, none, none, [], none, none)
    floors = np.array([[durations.floor] for _, durations, _ in normal])
    expected = np.array([_normal(durations, grid.first, grid.slots, figure) for _, durations, _ in normal])
    stated = np.array([of_pattern.lines for _, _, of_pattern in normal])
    residuals = np.array([_logs(of_pattern, figure, durations.floor) for _, durations, of_pattern in normal]) - expected
    above, lines = _windows(residuals, stated, width, MIN_WINDOW_LINES * share_left(width))
    recently, recent_lines = _windows(residuals, stated, max(width // 3, 1), 1.0) if recent else (above, lines)
    scale = np.array([_scale(normal[row][1], lines[row], figure, width) for row in range(len(normal))])
    often = np.array([[OFTEN_TIMES * durations.peaks.get(f"{figure}/{width}", 0.0)] for _, durations, _ in normal])
    surprise = np.where(lines >= MIN_WINDOW_LINES * share_left(width), above / scale, 0.0)
    surprise = np.where(surprise > often, surprise, np.minimum(surprise, NOT_UNUSUAL))
    typical = np.exp(expected)
    return Slower(
        names,
        surprise,
        np.maximum(np.exp(above) * typical - floors, 0.0),
        np.maximum(typical - floors, 0.0),
        lines,
        [durations.steps for _, durations, _ in normal],
        np.exp(above),
        np.exp(np.where(recent_lines > 0, recently, above)),
    )


def surprises(baseline: Baseline, grid: SlotGrid, groups: Collection[str], width: int) -> dict[str, Floats]:
    """At the end of each slot, the largest surprise of a single pattern ("duration") and of all together ("durations"),
    each the larger of both figures."""
    highest = {per: np.zeros(grid.slots) for per in ("duration", "durations")}
    for figure in FIGURES:
        grown = slower(baseline, grid, groups, figure, width, recent=False)
        if grown.patterns:
            highest["duration"] = np.maximum(highest["duration"], grown.surprise.max(axis=0))
            highest["durations"] = np.maximum(highest["durations"], grown.together)
    return highest


def _normal(baseline: DurationBaseline, first: int, slots: int, figure: str) -> Floats:
    season = np.array(baseline.seasons[figure])[_hours(first, slots)]
    return np.asarray(baseline.levels[figure] + season)


def _windows(residuals: Floats, stated: Floats, width: int, min_lines: float) -> tuple[Floats, Floats]:
    """For the window that ends with each slot: the mean residual (a logarithm), and its lines. The slots with the
    largest residuals are left out, as many as `loudest` says: a pause of some seconds is common, while an incident
    lasts. Windows with fewer than `min_lines` get 0 lines."""
    weighted = residuals * stated
    sums, lines = trailing(weighted, width), trailing(stated, width)
    if out := loudest(width):
        enough = lines >= min_lines
        before = np.zeros((*weighted.shape[:-1], width - 1))
        windows, weights = (
            sliding_window_view(np.concatenate([before, values], axis=-1), width, axis=-1)[enough]
            for values in (weighted, stated)
        )
        sums, lines = sums * enough, lines * enough
        rows = np.arange(len(windows))
        for _ in range(out):
            highest = windows.argmax(axis=-1)
            sums[enough] -= windows[rows, highest]
            lines[enough] -= weights[rows, highest]
            windows[rows, highest] = -np.inf
    return np.asarray(sums / np.maximum(lines, 1.0)), np.asarray(lines)


def _scale(baseline: DurationBaseline, lines: Floats, figure: str, width: int) -> Floats:
    """The standard deviation of windows with these numbers of lines."""
    sampling = SAMPLING[figure] * baseline.within
    spread = baseline.spreads[f"{figure}/{width}"]
    return np.asarray(np.sqrt(spread**2 + sampling**2 / np.maximum(lines, 1.0)))
