"""Durations that lines state: what is normal for a pattern's median and 95th percentile, and how far above it they are.

Here: learning and surprise, on logarithms. What a line states: `patterns/measures.py`; which rule reports growth:
`detection/conditions/durations.py`.

A pattern is compared with itself alone: its level, the hour of day, and how far its windows stray from both. What has
lasted two days is its level, whatever it was before.
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

HOURS = 24
FIGURES = ("p50", "p95")
# By judgement, but for those that say otherwise. "Made": fleexmon_pipeline_tests/bench/made_durations.py, seeds 1 to 4.
MIN_LINES = 100  # of a pattern, for a baseline
MIN_SLOTS = 24  # with lines
MIN_WINDOW_LINES = 10  # of a window that is judged
ACCEPTED_AFTER = 2 * SLOTS_A_DAY
FLOOR = 0.05  # of the usual 95th percentile: added, so that 2 ms instead of 1 are no news among 100
DAYS_TO_TRUST = 2.0  # after so many days the season is learnt by half
MAX_SEASON = 1.5  # logarithm, on both sides
MIN_SPREAD, MAX_SPREAD = 0.04, 1.0
MIN_WITHIN = 0.05
SAMPLING = {"p50": 1.25, "p95": 2.1}  # times the spread of lines over the root of their number, where they are normal
NORMAL_95, NORMAL_MEDIAN = 1.645, 0.6745  # quantiles of a normal variable, and of its absolute value
MIN_LINES_TO_SPREAD = 8  # of a slot
OFTEN_TIMES = 1.25  # times the surprise that the pattern reached on three days


# -- learning ---------------------------------------------------------------------------------------------------------


def learn_durations(of_pattern: Sketches, first: int, widths: Collection[int]) -> DurationBaseline | None:
    """From whole days of the past; None where there is too little. widths: slots of the windows that rules look at."""
    spoke = of_pattern.lines > 0
    if of_pattern.lines.sum() < MIN_LINES or spoke.sum() < MIN_SLOTS:
        return None
    floor = max(FLOOR * float(np.median(of_pattern.p95[spoke])), 1e-6)
    hours = _hours(first, len(spoke))
    recent = spoke & (np.arange(len(spoke)) >= len(spoke) - ACCEPTED_AFTER)
    days = float(spoke.sum()) / SLOTS_A_DAY  # a number of numpy cannot be stored as JSON
    levels: dict[str, float] = {}
    seasons: dict[str, list[float]] = {}
    for figure in FIGURES:
        logs = _logs(of_pattern, figure, floor)
        level = _weighted_median(logs[spoke], of_pattern.lines[spoke])
        season = _season(logs - level, of_pattern.lines, hours, days)
        if recent.any():
            left = (logs - np.array(season)[hours])[recent]
            level = max(level, _weighted_median(left, of_pattern.lines[recent]))
        levels[figure], seasons[figure] = level, season
    within = _within(
        of_pattern, _logs(of_pattern, "p50", floor) - levels["p50"] - np.array(seasons["p50"])[hours], floor
    )
    plain = DurationBaseline(floor, levels, seasons, within)
    day = (first + np.arange(len(spoke))) // SLOTS_A_DAY
    for figure in FIGURES:
        residuals = _logs(of_pattern, figure, floor) - _normal(plain, first, len(spoke), figure)
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
    """By hour of day, from that hour and those beside it, drawn in where few days are known."""
    trust = days / (days + DAYS_TO_TRUST)
    season = []
    spoke = lines > 0
    residuals, lines, hours = residuals[spoke], lines[spoke], hours[spoke]
    for hour in range(HOURS):
        near = ((hours - hour + 1) % HOURS) <= 2
        value = trust * _weighted_median(residuals[near], lines[near]) if near.any() else 0.0
        season.append(round(min(max(value, -MAX_SEASON), MAX_SEASON), 3))
    return season


def _within(of_pattern: Sketches, residuals: Floats, floor: float) -> float:
    """The spread of single lines: from slots with enough lines to see it, or from how slots with few lines stray."""
    many = of_pattern.lines >= MIN_LINES_TO_SPREAD
    if of_pattern.lines[many].sum() >= MIN_LINES:
        spread = (_logs(of_pattern, "p95", floor) - _logs(of_pattern, "p50", floor))[many] / NORMAL_95
        return max(_weighted_median(spread, of_pattern.lines[many]), MIN_WITHIN)
    spoke = of_pattern.lines > 0
    stray = np.abs(residuals[spoke]) * np.sqrt(of_pattern.lines[spoke]) / SAMPLING["p50"]
    return max(float(np.median(stray)) / NORMAL_MEDIAN, MIN_WITHIN)


def _spread(above: Floats, lines: Floats, sampling: float) -> float:
    """Of windows, without what the number of their lines explains: from the upper side, where growth is."""
    if len(above) < 2:
        return MAX_SPREAD / 2
    middle, upper = np.quantile(above, [0.5, 0.84])
    variance = float(upper - middle) ** 2 - sampling**2 / float(np.median(lines))
    return min(max(float(variance**0.5) if variance > 0 else 0.0, MIN_SPREAD), MAX_SPREAD)


# -- judging ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slower:
    """Of one figure of all patterns with a baseline: rows of patterns, at the end of each slot."""

    patterns: list[str]
    surprise: Floats  # standard deviations above what is normal; 0 where there are too few lines
    value: Floats
    expected: Floats
    lines: Floats  # without the loudest slots
    times: Floats  # of the expected value
    recent_times: Floats  # the same in the last third of the window

    @property
    def together(self) -> Floats:
        """The surprise of all patterns as one: where a database is slow, everything is, each a little."""
        judged = (self.surprise != 0).sum(axis=0)
        return np.asarray(self.surprise.sum(axis=0) / np.sqrt(np.maximum(judged, 1)))


def slower(
    baseline: Baseline, grid: SlotGrid, groups: Collection[str], figure: str, width: int, *, recent: bool = True
) -> Slower:
    """recent: whether it matters how windows end; where not, their last third is taken to be like the whole."""
    normal: list[tuple[str, DurationBaseline, Sketches]] = [
        (pattern, known.durations, of_pattern)
        for (pattern, group), of_pattern in grid.durations.items()
        if group in groups
        and (known := baseline.patterns.get(pattern, {}).get(group)) is not None
        and known.durations is not None
    ]
    names = [pattern for pattern, _, _ in normal]
    if not normal:
        none = np.zeros((0, grid.slots))
        return Slower(names, none, none, none, none, none, none)
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
    usual = np.exp(expected)
    return Slower(
        names,
        surprise,
        np.maximum(np.exp(above) * usual - floors, 0.0),
        np.maximum(usual - floors, 0.0),
        lines,
        np.exp(above),
        np.exp(np.where(recent_lines > 0, recently, above)),
    )


def surprises(baseline: Baseline, grid: SlotGrid, groups: Collection[str], width: int) -> dict[str, Floats]:
    """At the end of each slot the largest surprise of any pattern ("duration"), and that of all as one ("durations");
    the larger of both figures."""
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
    """Of the windows that end with each slot: how far above normal (a logarithm), and lines. Without the slots that are
    farthest above, as many as `loudest` says: a pause of some seconds is common, and an incident lasts. Windows with
    fewer than `min_lines` are left out: they have none."""
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
    """One standard deviation of a window of so many lines."""
    sampling = SAMPLING[figure] * baseline.within
    spread = baseline.spreads[f"{figure}/{width}"]
    return np.asarray(np.sqrt(spread**2 + sampling**2 / np.maximum(lines, 1.0)))
