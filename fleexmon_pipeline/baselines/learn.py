"""Learn a node's `Baseline` from counts of whole past days.

Lines by time of day: `daily_profile.py`; using a baseline: `expectation.py`.

A past incident must not become normal. So every figure is a median, a quantile or a winsorised mean, which a tenth of
bad hours does not move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, PatternBaseline, Series, habits_key
from fleexmon_pipeline.baselines.bursts import learn_bursts
from fleexmon_pipeline.baselines.companions import (
    learn_companions,
    learn_starts,
    lines_of_rest,
    open_runs,
    shortfalls,
)
from fleexmon_pipeline.baselines.daily_profile import MIN_HABIT_DAYS, calendar, profile
from fleexmon_pipeline.baselines.expectation import (
    BLOCK,
    MIN_UNUSUAL,
    Expectation,
    load_of,
    pattern_surprises,
    series_surprises,
)
from fleexmon_pipeline.baselines.habits import (
    SECOND_DAY,
    THIRD_DAY,
    dips,
    habits,
    last_week,
    reached,
    reached_again,
    steady_lines,
    weekly_falls,
)
from fleexmon_pipeline.baselines.promises import Promise, learn_promise
from fleexmon_pipeline.baselines.rates import (
    MAX_SPREAD,
    MIN_EXPECTED,
    MIN_SHARE,
    MIN_SPREAD,
    carry,
    lines_an_event,
    rate,
    spread,
)
from fleexmon_pipeline.baselines.silence import quietness
from fleexmon_pipeline.baselines.slot_grid import (
    GROUPS,
    LOAD_SLOTS,
    SLOTS_A_DAY,
    SlotGrid,
    but_loudest,
    group_of,
    share_left,
    trailing,
)
from fleexmon_pipeline.baselines.values.durations import learn_durations, surprises
from fleexmon_pipeline.baselines.values.variety import learn_variety
from fleexmon_pipeline.numerics import Flags, Floats, Ints

# Docs/decisions/0018 explains the methods, such as a Gumbel distribution fitted to two quantiles. The numbers below
# were chosen by judgement, not by experiment.

# Patterns.
MIN_LINES_A_DAY = 3  # of a pattern, to learn habits
MIN_LINES_TO_RATE = 5  # of a pattern, to learn which surprise it often reaches
MIN_SINCE = SLOTS_A_DAY // 4  # slots over which a new pattern's share is learnt, at least
MAX_RARE_LINES = 2  # in its first half hour, of a pattern that came and went

PRIOR_CAPPED = 0.5  # lines, added to capped lines and to expected lines

# The spread of falling series.
MIN_TO_FALL = 20.0  # expected lines of a window
MIN_BELOW = 50  # windows below the expected lines, to learn their spread
NORMAL_MEDIAN = 0.6745  # median of the absolute value of a normal variable

# The extremes of 6 hours.
MIN_BLOCK_COVERAGE = 0.5
UPPER_QUANTILE = 0.85  # past incidents, a few in a fortnight, are above it
MIN_SCALE, MAX_SCALE = 0.3, 2.0
DEFAULT_EXTREMES = (MIN_UNUSUAL, 1.0)


def learn(past: SlotGrid, series: Iterable[Series]) -> Baseline | None:
    """The baseline from whole past days; None without any line.

    series: those that need limits.
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
    along: dict[str, float] = {}
    for name in ("error", "warn"):
        load = load_of(lines - past.group(name), expectation.base, known & (lines > 0), LOAD_SLOTS)
        offset, power, along[name] = rate(past.group(name), expectation.base, load, known, expectation.middle)
        rates[name] = offset, power
    for name in ("rest", "debug"):
        share = past.group(name).sum() / max(lines.sum(), 1)
        rates[name] = (log(max(share, MIN_SHARE)), 1.0)
    baseline = replace(
        plain,
        rates=rates,
        along=along,
        carry=carry(lines, expectation.base, known),
        lines_an_event=lines_an_event(lines, known, expectation.base),
    )
    series = sorted(set(series), key=lambda one: one.name)
    _learn_spread(baseline, past, {one.width for one in series if not one.of_durations})
    _learn_patterns(baseline, past, series)
    _learn_bursts(baseline, past, [one for one in series if one.of_failures])
    _learn_falls(baseline, past, [one for one in series if one.falls and one.per == "node"])
    _learn_capped(baseline, past, [one for one in series if one.capped])
    _learn_companions(baseline, past, [one for one in series if one.per == "companion"])
    _learn_counterparts(baseline, past, [one for one in series if one.per == "counterpart"])
    _learn_starts(baseline, past, [one.width for one in series if one.per == "start"])
    _learn_durations(baseline, past, {one.width for one in series if one.of_durations})
    _learn_variety(baseline, past, {one.width for one in series if one.per == "variety"})
    _learn_limits(baseline, past, series)
    return replace(
        baseline, novelty=_novelty(past, days), quiet=_normal_quiet(past, expectation.base, baseline.lines_an_event)
    )


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


def _learn_spread(baseline: Baseline, past: SlotGrid, widths: set[int]) -> None:
    expectation = Expectation(baseline, past)
    for name in GROUPS:
        lines = past.group(name)
        for width in sorted(widths | {1}):
            seen, mean = but_loudest(lines, width), expectation.group(name, width) * share_left(width)
            baseline.spread[f"{name}/{width}"] = spread(seen, mean, trailing(past.known.astype(float), width) == width)


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
        of_day_habits: dict[str, dict[str, float]] = {}
        of_week: dict[str, dict[str, float]] = {}
        for width in widths if row.sum() >= MIN_LINES_TO_RATE else ():
            sums, mean = trailing(row, width), expectation.group(group, width) * share
            if lines := last_week(sums, mean):
                of_week[str(width)] = lines
            if row.sum() >= MIN_LINES_A_DAY * baseline.days and (lines := habits(sums, mean, past.known, day, of_day)):
                of_day_habits[str(width)] = lines
        steady = steady_lines(row[first:], past.known[first:])
        pattern = PatternBaseline(int(row.sum()), share, 0.0, steady, of_week, of_day_habits)
        if row.sum() >= MIN_LINES_TO_RATE and widths:
            pattern = _with_peaks(baseline, expectation, pattern, group, row, widths)
        baseline.patterns.setdefault(name, {})[group] = pattern
    for one in series:
        if one.per == "node":
            sums, mean = trailing(past.lines(one.levels), one.width), expectation.levels(one.levels, one.width)
            of_levels = f"{habits_key(one.levels)}/{one.width}"
            if lines := habits(sums, mean, past.known, day, of_day):
                baseline.habits[of_levels] = lines
            if lines := last_week(sums, mean):
                baseline.last_week[of_levels] = lines


def _learn_bursts(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """Learn the everyday bursts of failures, of the node and of each pattern."""
    expectation = Expectation(baseline, past)
    _, day = calendar(past.first, past.slots)
    widths = sorted({one.width for one in series if one.per == "node"})
    for levels in {one.levels for one in series if one.per == "node"}:
        mean = expectation.levels(levels, 1)
        if bursts := learn_bursts(past.lines(levels), mean, past.known, day, widths):
            baseline.bursts[habits_key(levels)] = bursts
    widths = sorted({one.width for one in series if one.per == "pattern"})
    for group in sorted({group for one in series if one.per == "pattern" for group in one.groups}):
        of_group = {level for _, level in past.keys if group_of(level) == group}
        for name, row in past.patterns(of_group).items():
            pattern = baseline.patterns[name][group]
            mean = expectation.pattern({group: pattern}, 1)
            if bursts := learn_bursts(row, mean, past.known, day, widths):
                baseline.patterns[name][group] = replace(pattern, bursts=bursts)


def _learn_falls(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """Learn pauses, and the spread of traffic below the lines expected from the hours before. Not below a daily level:
    a colour that is live every other day deviates from it by everything it has."""
    expectation = Expectation(baseline, past)
    of_day, day = calendar(past.first, past.slots)
    for one in series:
        seen, mean = (
            trailing(expectation.of_traffic(one.levels), one.width),
            expectation.at_least(one.levels, one.width),
        )
        baseline.dips[one.name] = dips(seen, mean, past.known, day, of_day)
        mean = Expectation(baseline, past).at_least(one.levels, one.width)
        below = (mean >= MIN_TO_FALL) & (seen < mean)
        if below.sum() >= MIN_BELOW:
            short = ((mean - seen) / np.maximum(mean, MIN_EXPECTED))[below]
            beyond_chance = float(np.median(short**2)) / NORMAL_MEDIAN**2
            beyond_chance -= baseline.lines_an_event * float(np.median(1 / mean[below]))
            baseline.spread[one.name] = min(max(beyond_chance, MIN_SPREAD), MAX_SPREAD)
        for _, of_series in series_surprises(baseline, expectation, past, one):
            baseline.weekly_falls[one.name] = weekly_falls(seen, mean, of_series)


def _learn_capped(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """Learn the share of the expected lines that is left when slots are capped, and its spread, which is mostly that of
    chance, however bursty the lines are."""
    expectation = Expectation(baseline, past)
    for one in series:
        lines, expected = expectation.capped(one.levels), expectation.levels(one.levels, 1)
        share = min((float(lines.sum()) + PRIOR_CAPPED) / (float(expected.sum()) + PRIOR_CAPPED), 1.0)
        seen, mean = trailing(lines, one.width), share * expectation.levels(one.levels, one.width)
        baseline.capped[one.name] = share
        baseline.spread[one.name] = spread(seen, mean, trailing(past.known.astype(float), one.width) == one.width)


def _learn_companions(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """Learn which messages come together. Steady patterns are left out: they seem to accompany everything."""
    if not series:
        return
    steady = {name for name, groups in baseline.patterns.items() if "rest" in groups and groups["rest"].steady}
    rows = {name: row for name, row in lines_of_rest(past).items() if name not in steady}
    baseline.companions.update(learn_companions(rows, past.known))
    _, day = calendar(past.first, past.slots)
    for one in series:
        for name, short in shortfalls(baseline.companions, rows, one.width):
            baseline.companions[name].peaks[str(one.width)] = reached(day, short)


def _learn_counterparts(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    """Which messages of other nodes come with those of this node that have no companion here."""
    if not series or not past.fleet:
        return
    own = lines_of_rest(past)
    clocked = {name for name, groups in baseline.patterns.items() if "rest" in groups and groups["rest"].steady}
    alone = own.keys() - baseline.companions.keys() - baseline.promises.keys() - clocked
    fleet = {name: row * past.known for name, row in past.fleet.items()}
    rows = {name: fleet[name] for name in alone if name in fleet}
    elsewhere = {name: row for name, row in fleet.items() if name not in own}
    baseline.counterparts.update(learn_companions(rows, past.known, elsewhere))
    _, day = calendar(past.first, past.slots)
    for one in series:
        for name, short in shortfalls(baseline.counterparts, fleet, one.width):
            baseline.counterparts[name].peaks[str(one.width)] = reached(day, short)


def _learn_starts(baseline: Baseline, past: SlotGrid, widths: Sequence[int]) -> None:
    """Learn which messages end runs. Scheduled messages are left out: two jobs of the same hour come one for one."""
    if not widths:
        return
    rows = {name: row for name, row in lines_of_rest(past).items() if name not in baseline.promises}
    _, day = calendar(past.first, past.slots)
    for name, start in learn_starts(rows, past.known).items():
        for width in widths:
            start.open[str(width)] = reached(day, open_runs(rows[name], rows[start.of], past.known, width))
        baseline.starts[name] = start


def _learn_durations(baseline: Baseline, past: SlotGrid, widths: set[int]) -> None:
    for (name, group), of_pattern in past.durations.items():
        pattern = baseline.patterns.get(name, {}).get(group)
        if pattern is not None and (durations := learn_durations(of_pattern, past.first, widths)) is not None:
            baseline.patterns[name][group] = replace(pattern, durations=durations)


def _learn_variety(baseline: Baseline, past: SlotGrid, widths: set[int]) -> None:
    for (name, group), of_pattern in past.varieties.items() if widths else ():
        pattern = baseline.patterns.get(name, {}).get(group)
        if pattern is not None and (variety := learn_variety(of_pattern, past.first, widths)):
            baseline.patterns[name][group] = replace(pattern, variety=variety)


def _with_peaks(
    baseline: Baseline,
    expectation: Expectation,
    pattern: PatternBaseline,
    group: str,
    row: Ints,
    widths: Sequence[int],
) -> PatternBaseline:
    """The baseline with the surprises that the pattern reached before. Info on two days; others on three, because two
    days may have been incidents. For non-failures by window: half an hour of a crawler surprises more than a
    quarter."""
    harmless = group in ("rest", "warn")
    day = (baseline.day - len(row) + np.arange(len(row))) // SLOTS_A_DAY
    peaks = {}
    for width in widths if harmless else widths[:1]:
        slots, surprises = pattern_surprises(baseline, expectation, {group: pattern}, row, width)
        rank = _rank_of_traffic(baseline) if group == "rest" else THIRD_DAY
        peak = reached_again(day[slots], surprises, rank) if harmless else reached(day[slots], surprises)
        peaks[str(width)] = peak
    return replace(pattern, peaks=peaks) if harmless else replace(pattern, peak=peaks[str(widths[0])])


def _rank_of_traffic(baseline: Baseline) -> int:
    """The rank of the day whose surprise info messages may reach again. Until habits are known, the most surprising: in
    the few nights so far, a nightly job may stand out only once, depending on how it falls into slots."""
    return SECOND_DAY if baseline.days >= MIN_HABIT_DAYS else 0


def _learn_limits(baseline: Baseline, past: SlotGrid, series: Sequence[Series]) -> None:
    expectation = Expectation(baseline, past)
    _, day = calendar(past.first, past.slots)
    of_durations: dict[tuple[frozenset[str], int], dict[str, Floats]] = {}
    for one in series:
        highest = np.zeros(past.slots)
        if one.of_durations:
            key = frozenset(one.groups), one.width
            if key not in of_durations:
                of_durations[key] = surprises(baseline, past, *key)
            highest = of_durations[key][one.per]
        else:
            for _, surprise in series_surprises(baseline, expectation, past, one):
                highest = np.maximum(highest, surprise)
        baseline.limits[one.name] = _extremes(highest, past.known)
        if one.per == "node":
            baseline.peaks[one.name] = reached_again(day, highest, _rank_of_traffic(baseline))
        elif one.per == "durations":
            baseline.peaks[one.name] = reached(day, highest)


def _extremes(surprises: Floats, known: Flags) -> tuple[float, float]:
    """Location and scale of a Gumbel distribution of the largest surprise in 6 hours, from two quantiles."""
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
    """New error patterns a day that soon end: the long tail of rare errors.

    The larger of two estimates: the number in the second half of the past, and the one from patterns seen once (Good
    and Turing). A new pattern that continued was an incident.
    """
    begin, new, once, lines = past.slots // 2, 0, 0, 0
    for row in past.patterns(("error", "fatal")).values():
        first = int(np.flatnonzero(row)[0])
        new += int(first >= begin and row[first : first + LOAD_SLOTS].sum() <= MAX_RARE_LINES)
        once += int(row.sum() == 1)
        lines += int(row.sum())
    return max(new / max(days / 2, 1e-9), once / max(days, 1e-9) if lines else 0.0)


def _normal_quiet(past: SlotGrid, base: Floats, events: float) -> float:
    """The longest silence of the day with the third longest one."""
    quiet = quietness(past, base, lines_an_event=events)
    _, day = calendar(past.first, past.slots)
    daily = sorted(np.maximum.reduceat(quiet, np.flatnonzero(np.diff(day, prepend=-1))), reverse=True)
    return float(daily[THIRD_DAY]) if len(daily) > THIRD_DAY else 0.0
