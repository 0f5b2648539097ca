"""Learning what is usual for a node, from counts of the past.

Here: from whole days of a node to its `Baseline`. Its lines by time of day: `daily_profile.py`; what a baseline lets
expect, and what it takes for unusual: `baseline.py`.

An incident of the past must not become usual: every figure is a median, a quantile or a winsorised mean, which a tenth
of bad hours does not move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, PatternBaseline, Series, habits_key
from fleexmon_pipeline.baselines.daily_profile import PEAK, by_day, calendar, profile
from fleexmon_pipeline.baselines.expectation import (
    BLOCK,
    LOAD_SLOTS,
    PRIOR_LINES,
    Expectation,
    judged,
    load_around,
    surprises,
)
from fleexmon_pipeline.baselines.silence import quietness
from fleexmon_pipeline.baselines.slot_grid import (
    GROUPS,
    SLOTS_A_DAY,
    SLOTS_AN_HOUR,
    SlotGrid,
    but_loudest,
    group_of,
    share_left,
    trailing,
)
from fleexmon_pipeline.numerics import Flags, Floats, Ints, dispersion, excess_variance, poisson_derivatives

MIN_SPREAD, MAX_SPREAD = 0.02, 3.0
MIN_BETA, MAX_BETA = 0.3, 2.0


def learn(past: SlotGrid, asked: Iterable[Series]) -> Baseline | None:
    """What is usual, from whole days of the past; None without any line.

    `asked`: the series that limits are wanted for.
    """
    known = past.known
    every = past.lines()
    if not every.any() or not known.any():
        return None
    days = float(known.sum() / SLOTS_A_DAY)
    usual, weekend = profile(past.first, every, known)
    plain = Baseline(days, list(map(float, usual)), weekend, 1.0, dict.fromkeys(GROUPS, (0.0, 1.0)), _levels(past),
                     {}, {}, {}, {}, 0.0, 0.0)  # fmt: skip
    expectation = Expectation(plain, past)
    rates: dict[str, tuple[float, float]] = {}
    for name in ("error", "warn"):
        load = load_around(every - past.group(name), expectation.base, known & (every > 0), LOAD_SLOTS)
        rates[name] = _rate(past.group(name), expectation.base, load, known)
    rest = past.group("rest").sum() / max(every.sum(), 1)
    rates["rest"] = (log(max(rest, 1e-6)), 1.0)
    carry = _carry(every, expectation.base, known)
    baseline = replace(plain, rates=rates, carry=carry)
    asked = sorted(set(asked), key=lambda each: each.name)
    _learn_spread(baseline, past, {each.width for each in asked})
    _learn_patterns(baseline, past, asked)
    _learn_limits(baseline, past, asked)
    return replace(baseline, novelty=_novelty(past, days), quiet=_usual_quiet(past, expectation.base))


def _levels(past: SlotGrid) -> dict[str, float]:
    lines: dict[str, int] = {}
    for (_, level), row in zip(past.keys, past.counts, strict=True):
        lines[level] = lines.get(level, 0) + int(row.sum())
    groups = dict.fromkeys(GROUPS, 0)
    for level, count in lines.items():
        groups[group_of(level)] += count
    return {level: count / max(groups[group_of(level)], 1) for level, count in lines.items()}


def _rate(lines: Ints, base: Floats, load: Floats, known: Flags) -> tuple[float, float]:
    """Offset and power of log(lines) = offset + log(base) + power * log(load), over half hours, large values drawn in.

    The power is drawn towards 1, lines growing with the load, by as much as 20 lines would.
    """
    ends = slice(LOAD_SLOTS - 1, None, LOAD_SLOTS)
    whole = trailing(known.astype(float), LOAD_SLOTS)[ends] == LOAD_SLOTS
    seen, usual = trailing(lines, LOAD_SLOTS)[ends][whole], trailing(base, LOAD_SLOTS)[ends][whole]
    load = np.log(load[ends][whole])
    if not len(seen):
        return log(1e-6), 1.0
    offset, power = (
        log((float(np.minimum(seen, np.quantile(seen, 0.95)).sum()) + 0.5) / max(float(usual.sum()), 1)),
        1.0,
    )
    for _ in range(12):
        mean = np.maximum(usual, 1e-9) * np.exp(offset + power * load)
        drawn = np.minimum(seen, mean + 2.5 * np.sqrt(mean + 0.2 * mean**2) + 1)
        # A typical error's weight falls where the spread outgrows chance.
        weight = 1 / (1 + 0.2 * mean)
        slope, curvature = poisson_derivatives((drawn - mean) * weight, mean * weight, load)
        slope[1] -= 20 * (power - 1)
        curvature += np.diag([0.5, 20.0])
        step = np.clip(np.linalg.solve(curvature, slope), -1, 1)
        offset, power = offset + float(step[0]), min(max(power + float(step[1]), 0.0), 3.0)
    return offset, power


def _carry(every: Ints, base: Floats, known: Flags) -> float:
    """How much of an hour's load is left in the half hour after it: the slope of the one's logarithm on the other's."""
    speaking = known & (every > 0)
    lines, usual = trailing(np.where(speaking, every, 0), SLOTS_AN_HOUR), trailing(np.where(speaking, base, 0), 12)
    after, of_after = trailing(every, LOAD_SLOTS), trailing(base, LOAD_SLOTS)
    before = np.log((lines + PRIOR_LINES) / (usual + PRIOR_LINES))[SLOTS_AN_HOUR - 1 : -LOAD_SLOTS : LOAD_SLOTS]
    then = np.log((after + PRIOR_LINES) / (of_after + PRIOR_LINES))[SLOTS_AN_HOUR - 1 + LOAD_SLOTS :: LOAD_SLOTS]
    size = min(len(before), len(then))
    if size < 20:
        return 0.5
    before, then = np.clip(before[:size], -1, 1), np.clip(then[:size], -1, 1)
    slope = float((before * then).sum() / max((before**2).sum(), 1e-9))
    return min(max(slope, 0.0), 1.0)


def _learn_spread(baseline: Baseline, past: SlotGrid, widths: set[int]) -> None:
    expectation = Expectation(baseline, past)
    for name in GROUPS:
        lines = past.group(name)
        for width in sorted(widths | {1}):
            seen, mean = but_loudest(lines, width), expectation.group(name, width) * share_left(width)
            baseline.spread[f"{name}/{width}"] = spread(seen, mean, trailing(past.known.astype(float), width) == width)


def spread(seen: Floats, mean: Floats, whole: Flags) -> float:
    """Over-dispersion by moments, the largest squares drawn in."""
    seen, mean = seen[whole], mean[whole]
    if not len(seen) or mean.sum() <= 0:
        return 0.2
    squares = (seen - mean) ** 2
    most = np.quantile(squares / np.maximum(mean + 0.2 * mean**2, 1e-9), 0.98)
    squares = np.minimum(squares, most * np.maximum(mean + 0.2 * mean**2, 1e-9))
    return float(dispersion(*excess_variance(squares, mean), MIN_SPREAD, MAX_SPREAD))


def _learn_patterns(baseline: Baseline, past: SlotGrid, asked: Sequence[Series]) -> None:
    widths = sorted({each.width for each in asked if each.per == "pattern"})
    expectation = Expectation(baseline, past)
    of_group = {name: np.cumsum(past.group(name)[::-1])[::-1] for name in GROUPS}
    of_day, day = calendar(past.first, past.slots)
    rows: dict[tuple[str, str], Ints] = {}
    for (pattern, level), row in zip(past.keys, past.counts, strict=True):
        key = (pattern, group_of(level))
        rows[key] = rows[key] + row if key in rows else row
    for (pattern, group), row in rows.items():
        if not row.any() or (pattern in baseline.patterns and baseline.patterns[pattern].lines >= row.sum()):
            continue  # of a pattern with several levels the most usual speaks
        first = int(np.flatnonzero(row)[0])
        since = first - first % SLOTS_A_DAY  # the day it came in counts whole, or its rate would be that of its burst
        share = float(row.sum() / max(of_group[group][since], 1))
        habits: dict[str, dict[str, float]] = {}
        daily: list[float] = []
        if row.sum() >= 3 * baseline.days:
            habits = {
                str(width): found
                for width in widths
                if (found := _habits(row, expectation.group(group, width) * share, past.known, day, of_day, width))
            }
        known = PatternBaseline(group, int(row.sum()), share, 0.0, habits)
        if row.sum() >= 5 and widths:
            there, above = surprises(baseline, expectation, known, row, widths[0])
            highest: dict[int, float] = {}
            for date, value in zip(day[there].tolist(), above.tolist(), strict=True):
                highest[date] = max(highest.get(date, 0.0), value)
            daily = sorted(highest.values(), reverse=True)
        peak = daily[2] if len(daily) > 2 else 0.0
        baseline.patterns[pattern] = PatternBaseline(group, known.lines, share, peak, habits)
    for each in asked:
        if each.per == "node":
            found = _habits(
                past.lines(each.levels),
                expectation.levels(each.levels, each.width),
                past.known,
                day,
                of_day,
                each.width,
            )
            if found:
                baseline.habits[f"{habits_key(each.levels)}/{each.width}"] = found


def _habits(row: Ints, mean: Floats, known: Flags, day: Ints, of_day: Ints, width: int) -> dict[str, float]:
    """Times of day at which most days have many: slot of day → lines of the window then."""
    table = by_day(trailing(row, width), known, day, of_day)
    if table.shape[0] < 4:
        return {}
    usual, table = np.nan_to_num(by_day(mean, known, day, of_day)), np.nan_to_num(table)
    often = np.mean(table > PEAK * usual + 2, axis=0)
    if not (often >= 0.6).any():
        return {}
    typical = np.median(table, axis=0)
    found = np.flatnonzero((often >= 0.6) & (typical >= 3))
    return {str(slot): round(float(typical[slot]) * 1.2, 2) for slot in found}


def _learn_limits(baseline: Baseline, past: SlotGrid, asked: Sequence[Series]) -> None:
    expectation = Expectation(baseline, past)
    for each in asked:
        found = np.zeros(past.slots)
        for _, unlike in judged(baseline, expectation, past, each):
            found = np.maximum(found, unlike)
        baseline.limits[each.name] = _extremes(found, past.known)


def _extremes(unlike: Floats, known: Flags) -> tuple[float, float]:
    """Location and scale of a Gumbel distribution of the largest surprise of 6 hours, from two of its quantiles.

    The upper one is the 85 %: incidents of the past, of which a node has a few a fortnight, lie above it.
    """
    blocks = len(unlike) // BLOCK
    if not blocks:
        return 3.0, 1.0
    whole = known[: blocks * BLOCK].reshape(blocks, BLOCK).mean(axis=1) > 0.5
    highest = unlike[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)[whole]
    if not len(highest):
        return 3.0, 1.0
    middle, upper = np.quantile(highest, [0.5, 0.85])
    low, high = -log(-log(0.5)), -log(-log(0.85))
    scale = min(max(float(upper - middle) / (high - low), MIN_BETA), MAX_BETA)
    return float(middle) - scale * low, scale


def _novelty(past: SlotGrid, days: float) -> float:
    """Error patterns a day that come for the first time and are soon gone, the rare ones of a long tail.

    As many as came so in the second half of the past, or as those seen once tell (Good and Turing), whichever is more.
    One that went on was an incident.
    """
    begin, new, once, lines = past.slots // 2, 0, 0, 0
    for row in past.patterns(("error", "fatal")).values():
        first = int(np.flatnonzero(row)[0])
        new += int(first >= begin and row[first : first + LOAD_SLOTS].sum() < 3)
        once += int(row.sum() == 1)
        lines += int(row.sum())
    return max(new / max(days / 2, 1e-9), once / max(days, 1e-9) if lines else 0.0)


def _usual_quiet(past: SlotGrid, base: Floats) -> float:
    """The third of the days' longest silences."""
    quiet = quietness(past, base)
    _, day = calendar(past.first, past.slots)
    daily = sorted(np.maximum.reduceat(quiet, np.flatnonzero(np.diff(day, prepend=-1))), reverse=True)
    return float(daily[2]) if len(daily) > 2 else 0.0
