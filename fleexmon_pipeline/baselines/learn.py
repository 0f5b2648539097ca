"""Learning what is normal for a node, from counts of its past.

Here: from whole days of a node to its `Baseline`. Its lines by time of day: `daily_profile.py`; what a baseline leads
one to expect: `expectation.py`.

An incident of the past must not become normal: every figure is a median, a quantile or a winsorised mean, which a tenth
of bad hours does not move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, PatternBaseline, Series, habits_key
from fleexmon_pipeline.baselines.daily_profile import (
    MIN_HABIT_DAYS,
    MIN_HABIT_LINES,
    PEAK,
    by_day,
    calendar,
    profile,
)
from fleexmon_pipeline.baselines.durations import learn_durations, surprises
from fleexmon_pipeline.baselines.expectation import (
    BLOCK,
    LOAD_SLOTS,
    MIN_UNUSUAL,
    Expectation,
    load_of,
    pattern_surprises,
    series_surprises,
)
from fleexmon_pipeline.baselines.promises import Promise, learn_promise
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

# Docs/decisions/0018 gives the methods: winsorised means, a power law over half hours, a Gumbel distribution fitted to
# two quantiles. The numbers below are by judgement, not by experiment.
MIN_SHARE = 1e-6  # of a node's lines: a group that had none
MIN_EXPECTED = 1e-9  # lines to divide by

# The regression of errors and warnings on the load.
NEWTON_STEPS = 12
MAX_STEP = 1.0  # of offset and power, in one of Newton's steps
START_QUANTILE = 0.95  # half hours above it count as much as it does, where the regression starts
MAX_DEVIATIONS = 2.5  # half hours farther above the expected count are drawn in to it
TYPICAL_SPREAD = 0.2  # over-dispersion of a typical error, assumed before a node's own is known
OFFSET_PRIOR = 0.5  # lines added to what the offset rests on
POWER_PRIOR = 20.0  # lines, likewise: they draw the power towards 1
MAX_POWER = 3.0

# How much of an hour's load persists.
MIN_HALF_HOURS = 20  # to learn it from
DEFAULT_CARRY = 0.5
MAX_LOG_LOAD = 1.0  # on both sides

# The spread of counts.
MIN_SPREAD, MAX_SPREAD = 0.02, 3.0
SPREAD_QUANTILE = 0.98  # of the squared errors: those above it are drawn in to it

# The spread of what falls.
MIN_TO_FALL = 20.0  # lines that are expected of a window
MIN_BELOW = 50  # windows below that, to know how far they stray
NORMAL_MEDIAN = 0.6745  # of the absolute value of a normal variable

# Patterns and habits.
MIN_LINES_A_DAY = 3  # of a pattern that may have habits
MIN_LINES_TO_RATE = 5  # of a pattern, to know which surprise it often reaches
OFTEN_PLACE = (
    2  # counted from 0: the third most surprising day, the third longest silence; two incidents do not move it
)
TWICE = 1  # the second: more lines are no failure, so what came on two days is expected again
MIN_DAYS_WITH_HABIT = 0.6  # share of the days
HABIT_SLACK = 2  # lines above what a habit must be, so that one in a silent hour is none
HABIT_MARGIN = 1.2  # times its median day are expected
WEEKLY_SLACK = 6  # slots, half an hour, by which a weekly job may come sooner or later
LATE_SLOTS = 36  # 3 hours: a baseline serves until 03:00 of the next day
MIN_SINCE = SLOTS_A_DAY // 4  # slots that a pattern is taken to have been there, at least
MAX_RARE_LINES = 2  # in its first half hour, of a pattern that came and went

# Patterns that a clock makes.
MIN_STEADY_HALF_HOURS = 24
MIN_STEADY_LINES = 3  # in half an hour
STEADY_QUANTILE = 0.8  # of the deviations
STEADY_VARIANCE = 0.25  # times that of chance

# The extremes of 6 hours.
MIN_BLOCK_COVERAGE = 0.5
UPPER_QUANTILE = 0.85  # incidents of the past, of which a node has a few a fortnight, lie above it
MIN_SCALE, MAX_SCALE = 0.3, 2.0
DEFAULT_EXTREMES = (MIN_UNUSUAL, 1.0)


def learn(past: SlotGrid, series: Iterable[Series]) -> Baseline | None:
    """What is normal, from whole days of the past; None without any line.

    `series`: those that need limits.
    """
    known = past.known
    lines = past.load()
    if not lines.any() or not known.any():
        return None
    days = float(known.sum() / SLOTS_A_DAY)
    by_clock, weekend = profile(past.first, lines, known)
    plain = Baseline(days, list(map(float, by_clock)), weekend, 1.0, dict.fromkeys(GROUPS, (0.0, 1.0)), _levels(past),
                     {}, {}, {}, {}, past.first + past.slots, {}, {}, _promises(past), 0.0, 0.0)  # fmt: skip
    expectation = Expectation(plain, past)
    rates: dict[str, tuple[float, float]] = {}
    for name in ("error", "warn"):
        load = load_of(lines - past.group(name), expectation.base, known & (lines > 0), LOAD_SLOTS)
        rates[name] = _rate(past.group(name), expectation.base, load, known)
    for name in ("rest", "debug"):
        share = past.group(name).sum() / max(lines.sum(), 1)
        rates[name] = (log(max(share, MIN_SHARE)), 1.0)
    carry = _carry(lines, expectation.base, known)
    baseline = replace(plain, rates=rates, carry=carry)
    series = sorted(set(series), key=lambda one: one.name)
    _learn_spread(baseline, past, {one.width for one in series if not one.of_durations})
    _learn_patterns(baseline, past, series)
    _learn_falls(baseline, past, [one for one in series if one.falls])
    _learn_durations(baseline, past, {one.width for one in series if one.of_durations})
    _learn_limits(baseline, past, series)
    return replace(baseline, novelty=_novelty(past, days), quiet=_normal_quiet(past, expectation.base))


def _levels(past: SlotGrid) -> dict[str, float]:
    lines: dict[str, int] = {}
    for (_, level), row in zip(past.keys, past.counts, strict=True):
        lines[level] = lines.get(level, 0) + int(row.sum())
    groups = dict.fromkeys(GROUPS, 0)
    for level, count in lines.items():
        groups[group_of(level)] += count
    return {level: count / max(groups[group_of(level)], 1) for level, count in lines.items()}


def _promises(past: SlotGrid) -> dict[str, Promise]:
    rows: dict[str, Ints] = {}
    for (name, _), row in zip(past.keys, past.counts, strict=True):
        rows[name] = rows[name] + row if name in rows else row
    learnt = ((name, learn_promise(row, past.known, past.first)) for name, row in rows.items())
    return {name: promise for name, promise in learnt if promise}


def _typical_variance(mean: Floats) -> Floats:
    return np.asarray(mean + TYPICAL_SPREAD * mean**2)


def _rate(lines: Ints, base: Floats, load: Floats, known: Flags) -> tuple[float, float]:
    """Offset and power of log(lines) = offset + log(base) + power * log(load), over half hours, large values drawn in.

    The power is drawn towards 1, where lines grow with the load, by as much as 20 lines would.
    """
    ends = slice(LOAD_SLOTS - 1, None, LOAD_SLOTS)
    whole = trailing(known.astype(float), LOAD_SLOTS)[ends] == LOAD_SLOTS
    seen, expected = trailing(lines, LOAD_SLOTS)[ends][whole], trailing(base, LOAD_SLOTS)[ends][whole]
    load = np.log(load[ends][whole])
    if not len(seen):
        return log(MIN_SHARE), 1.0
    total = float(np.minimum(seen, np.quantile(seen, START_QUANTILE)).sum())
    offset, power = log((total + OFFSET_PRIOR) / max(float(expected.sum()), 1)), 1.0
    for _ in range(NEWTON_STEPS):
        mean = np.maximum(expected, MIN_EXPECTED) * np.exp(offset + power * load)
        drawn_in = np.minimum(seen, mean + MAX_DEVIATIONS * np.sqrt(_typical_variance(mean)) + 1)
        weight = 1 / (1 + TYPICAL_SPREAD * mean)  # falls where the spread outgrows chance
        slope, curvature = poisson_derivatives((drawn_in - mean) * weight, mean * weight, load)
        slope[1] -= POWER_PRIOR * (power - 1)
        curvature += np.diag([OFFSET_PRIOR, POWER_PRIOR])
        step = np.clip(np.linalg.solve(curvature, slope), -MAX_STEP, MAX_STEP)
        offset, power = offset + float(step[0]), min(max(power + float(step[1]), 0.0), MAX_POWER)
    return offset, power


def _carry(lines: Ints, base: Floats, known: Flags) -> float:
    """How much of an hour's load is left in the half hour after it: the slope of the one's logarithm on the other's."""
    speaking = known & (lines > 0)
    before = load_of(lines, base, speaking, SLOTS_AN_HOUR)
    after = load_of(lines, base, np.ones(len(lines), bool), LOAD_SLOTS)
    log_before = np.log(before)[SLOTS_AN_HOUR - 1 : -LOAD_SLOTS : LOAD_SLOTS]
    log_after = np.log(after)[SLOTS_AN_HOUR - 1 + LOAD_SLOTS :: LOAD_SLOTS]
    size = min(len(log_before), len(log_after))
    if size < MIN_HALF_HOURS:
        return DEFAULT_CARRY
    log_before, log_after = (np.clip(load[:size], -MAX_LOG_LOAD, MAX_LOG_LOAD) for load in (log_before, log_after))
    slope = float((log_before * log_after).sum() / max((log_before**2).sum(), 1e-9))
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
        return TYPICAL_SPREAD
    squares = (seen - mean) ** 2
    variance = np.maximum(_typical_variance(mean), MIN_EXPECTED)
    squares = np.minimum(squares, np.quantile(squares / variance, SPREAD_QUANTILE) * variance)
    return float(dispersion(*excess_variance(squares, mean), MIN_SPREAD, MAX_SPREAD))


def _learn_patterns(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """Shares, peaks and habits of patterns, and the habits of the levels that node series have."""
    widths = sorted({one.width for one in series if one.per == "pattern"})
    expectation = Expectation(baseline, past)
    group_lines_from = {name: np.cumsum(past.group(name)[::-1])[::-1] for name in GROUPS}
    of_day, day = calendar(past.first, past.slots)
    rows: dict[tuple[str, str], Ints] = {}
    for (name, level), row in zip(past.keys, past.counts, strict=True):
        key = (name, group_of(level))
        rows[key] = rows[key] + row if key in rows else row
    for (name, group), row in rows.items():
        if not row.any():
            continue
        first = int(np.flatnonzero(row)[0])
        since = min(
            first, max(past.slots - MIN_SINCE, 0)
        )  # of a shorter time the rate would be that of its first burst
        share = float(row.sum() / max(group_lines_from[group][since], 1))
        habits: dict[str, dict[str, float]] = {}
        last_week: dict[str, dict[str, float]] = {}
        if row.sum() >= MIN_LINES_A_DAY * baseline.days:
            by_width = (
                (width, _habits(row, expectation.group(group, width) * share, past.known, day, of_day, width))
                for width in widths
            )
            habits = {str(width): lines for width, lines in by_width if lines}
        if row.sum() >= MIN_LINES_TO_RATE:
            for width in widths:
                mean = expectation.group(group, width) * share
                if lines := _last_week(trailing(row, width), mean):
                    last_week[str(width)] = lines
        steady = _steady(row[first:], past.known[first:])
        pattern = PatternBaseline(int(row.sum()), share, 0.0, steady, last_week, habits)
        if row.sum() >= MIN_LINES_TO_RATE and widths:
            pattern = _with_peaks(baseline, expectation, pattern, group, row, widths)
        baseline.patterns.setdefault(name, {})[group] = pattern
    for one in series:
        if one.per == "node":
            mean = expectation.levels(one.levels, one.width)
            if lines := _habits(past.lines(one.levels), mean, past.known, day, of_day, one.width):
                baseline.habits[f"{habits_key(one.levels)}/{one.width}"] = lines
            if lines := _last_week(trailing(past.lines(one.levels), one.width), mean):
                baseline.last_week[f"{habits_key(one.levels)}/{one.width}"] = lines


def _learn_falls(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """How far traffic lies below what the hours before let expect, where it does: the median of that. A colour that is
    live every other day strays by all it has from any level, and by little from the hours before."""
    expectation = Expectation(baseline, past)
    for one in series:
        seen, mean = (
            trailing(expectation.of_traffic(one.levels), one.width),
            expectation.at_least(one.levels, one.width),
        )
        below = (mean >= MIN_TO_FALL) & (seen < mean)
        if below.sum() >= MIN_BELOW:
            short = ((mean - seen) / np.maximum(mean, MIN_EXPECTED))[below]
            beyond_chance = float(np.median(short**2)) / NORMAL_MEDIAN**2 - float(np.median(1 / mean[below]))
            baseline.spread[one.name] = min(max(beyond_chance, MIN_SPREAD), MAX_SPREAD)


def _learn_durations(baseline: Baseline, past: SlotGrid, widths: set[int]) -> None:
    for (name, group), of_pattern in past.durations.items():
        pattern = baseline.patterns.get(name, {}).get(group)
        if pattern is not None and (durations := learn_durations(of_pattern, past.first, widths)) is not None:
            baseline.patterns[name][group] = replace(pattern, durations=durations)


def _with_peaks(
    baseline: Baseline,
    expectation: Expectation,
    pattern: PatternBaseline,
    group: str,
    row: Ints,
    widths: Sequence[int],
) -> PatternBaseline:
    """What the pattern reached before: of information on two days, of others on three, since two may have been
    incidents. By the window, where it is no failure: half an hour of a crawler surprises more than a quarter."""
    harmless = group in ("rest", "warn")
    day = (baseline.day - len(row) + np.arange(len(row))) // SLOTS_A_DAY
    peaks = {}
    for width in widths if harmless else widths[:1]:
        slots, surprises = pattern_surprises(baseline, expectation, {group: pattern}, row, width)
        peaks[str(width)] = _peak(day[slots], surprises, TWICE if group == "rest" else OFTEN_PLACE)
    return replace(pattern, peaks=peaks) if harmless else replace(pattern, peak=peaks[str(widths[0])])


def _steady(row: Ints, known: Flags) -> float:
    """Lines a slot of a pattern that comes by the clock (a health check, a heartbeat); 0 for all others.

    Its counts vary less than chance would have them.
    """
    whole = len(row) // LOAD_SLOTS * LOAD_SLOTS
    counts = row[:whole].reshape(-1, LOAD_SLOTS).sum(axis=1)[known[:whole].reshape(-1, LOAD_SLOTS).all(axis=1)]
    if len(counts) < MIN_STEADY_HALF_HOURS or np.median(counts) < MIN_STEADY_LINES:
        return 0.0
    typical = float(np.median(counts))
    stray = float(np.quantile(np.abs(counts - typical), STEADY_QUANTILE))  # restarts and incidents lie above it
    return typical / LOAD_SLOTS if stray**2 <= STEADY_VARIANCE * typical else 0.0


def _peak(days: Ints, surprises: Floats, place: int = OFTEN_PLACE) -> float:
    """The surprise of the third most surprising day, or of the one in another place."""
    highest: dict[int, float] = {}
    for day, value in zip(days.tolist(), surprises.tolist(), strict=True):
        highest[day] = max(highest.get(day, 0.0), value)
    daily = sorted(highest.values(), reverse=True)
    return daily[place] if len(daily) > place else 0.0


def _habits(row: Ints, mean: Floats, known: Flags, day: Ints, of_day: Ints, width: int) -> dict[str, float]:
    """Times of day at which most days have many lines: slot of day → lines of the window that ends with it."""
    table = by_day(trailing(row, width), known, day, of_day)
    if table.shape[0] < MIN_HABIT_DAYS:
        return {}
    expected, table = np.nan_to_num(by_day(mean, known, day, of_day)), np.nan_to_num(table)
    frequent = np.mean(table > PEAK * expected + HABIT_SLACK, axis=0) >= MIN_DAYS_WITH_HABIT
    if not frequent.any():
        return {}
    typical = np.median(table, axis=0)
    slots = np.flatnonzero(frequent & (typical >= MIN_HABIT_LINES))
    return {str(slot): round(float(typical[slot]) * HABIT_MARGIN, 2) for slot in slots}


def _last_week(sums: Floats, mean: Floats) -> dict[str, float]:
    """Where the same time 7 or 14 days before had many more lines than expected: slots since the day began → lines.

    A weekly job is on one day of seven, so no habit of most days; and it starts some minutes sooner or later.
    """
    found: dict[str, float] = {}
    for back in (7 * SLOTS_A_DAY, 14 * SLOTS_A_DAY):
        start = len(sums) - back
        if start < 0:
            continue
        since = max(start - WEEKLY_SLACK, 0)
        until = min(start + SLOTS_A_DAY + LATE_SLOTS + WEEKLY_SLACK, len(sums))
        then, expected = sums[since:until], mean[since:until]
        many = (then > PEAK * expected + HABIT_SLACK) & (then >= MIN_HABIT_LINES)
        for slot in np.flatnonzero(many).tolist():
            lines = round(float(then[slot]) * HABIT_MARGIN, 2)
            for near in range(-WEEKLY_SLACK, WEEKLY_SLACK + 1):
                key = str(slot + since - start + near)
                found[key] = max(found.get(key, 0.0), lines)
    return found


def _learn_limits(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    expectation = Expectation(baseline, past)
    _, day = calendar(past.first, past.slots)
    for one in series:
        highest = np.zeros(past.slots)
        if one.of_durations:
            highest = surprises(baseline, past, one)
        else:
            for _, surprise in series_surprises(baseline, expectation, past, one):
                highest = np.maximum(highest, surprise)
        baseline.limits[one.name] = _extremes(highest, past.known)
        if one.per == "node":
            baseline.peaks[one.name] = _peak(day, highest, TWICE)
        elif one.per == "durations":
            baseline.peaks[one.name] = _peak(day, highest)


def _extremes(surprises: Floats, known: Flags) -> tuple[float, float]:
    """Location and scale of a Gumbel distribution of the largest surprise of 6 hours, from two of its quantiles."""
    blocks = len(surprises) // BLOCK
    if not blocks:
        return DEFAULT_EXTREMES
    whole = known[: blocks * BLOCK].reshape(blocks, BLOCK).mean(axis=1) > MIN_BLOCK_COVERAGE
    highest = surprises[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)[whole]
    if not len(highest):
        return DEFAULT_EXTREMES
    middle, upper = np.quantile(highest, [0.5, UPPER_QUANTILE])
    low, high = -log(-log(0.5)), -log(-log(UPPER_QUANTILE))
    scale = min(max(float(upper - middle) / (high - low), MIN_SCALE), MAX_SCALE)
    return float(middle) - scale * low, scale


def _novelty(past: SlotGrid, days: float) -> float:
    """Error patterns a day that come for the first time and are soon gone: the long tail of rare ones.

    As many as came that way in the second half of the past, or as those seen once suggest (Good and Turing), whichever
    is more. A pattern that went on was an incident.
    """
    begin, new, once, lines = past.slots // 2, 0, 0, 0
    for row in past.patterns(("error", "fatal")).values():
        first = int(np.flatnonzero(row)[0])
        new += int(first >= begin and row[first : first + LOAD_SLOTS].sum() <= MAX_RARE_LINES)
        once += int(row.sum() == 1)
        lines += int(row.sum())
    return max(new / max(days / 2, 1e-9), once / max(days, 1e-9) if lines else 0.0)


def _normal_quiet(past: SlotGrid, base: Floats) -> float:
    """The third longest of the days' longest silences."""
    quiet = quietness(past, base)
    _, day = calendar(past.first, past.slots)
    daily = sorted(np.maximum.reduceat(quiet, np.flatnonzero(np.diff(day, prepend=-1))), reverse=True)
    return float(daily[OFTEN_PLACE]) if len(daily) > OFTEN_PLACE else 0.0
