"""Expected lines of a window, by a baseline, and how improbable the window is.

Here: expected lines by time of day and load, the surprise of a series, and the limit that it must reach. The stored
figures: `baseline.py`; learning them: `learn.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from math import exp, expm1, log

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, OfPattern, PatternBaseline, Series, habits_key, series_name
from fleexmon_pipeline.baselines.companions import excess, lines_of_rest, shortfalls
from fleexmon_pipeline.baselines.daily_profile import MIN_RATE, PEAK
from fleexmon_pipeline.baselines.slot_grid import (
    GROUPS,
    LOAD_SLOTS,
    SLOTS_A_DAY,
    SLOTS_AN_HOUR,
    SlotGrid,
    but_loudest,
    group_of,
    share_left,
    shortfall,
    surprise,
    trailing,
)
from fleexmon_pipeline.baselines.values.variety import stands_still
from fleexmon_pipeline.numerics import Flags, Floats, Ints, is_weekend

# Docs/decisions/0018 explains the half hours and the blocks of 6 hours. The other numbers were chosen by judgement, not
# by experiment.
PRIOR_LINES = 10.0  # added to both sides of a load, so that ten lines more or less do not change it much
MIN_LOAD = 0.6  # traffic that returns to normal is not a spike
HOURS_BEFORE = 3  # before a window, whose load decides how many lines it should have
MIN_TRAFFIC = 0.5  # share of info lines from which on they alone measure a node's load
PAIRED = ("companion", "counterpart", "start", "variety")  # series that are not counts of lines alone
BLOCK = 72  # slots, 6 hours: extremes of the past are counted by block
MIN_SEEN = 2  # lines of a pattern outside its loudest slot: a single line is not a rate
MIN_UNUSUAL = 3.0  # the lowest limit
NOT_UNUSUAL = 2.99  # cap, below every limit, for surprises that a pattern has reached before
OFTEN_TIMES = 1.25  # times the surprise reached on two days, which a non-failure must exceed
PEAK_MARGIN = 0.3  # surprise by which a pattern must exceed its own peak
UNSEEN_LINES = 0.5  # assumed past lines of a pattern that had none
PEER_LINES = 2  # a pattern known from another node is as certain as with two lines on this node
MAX_FALSE_ALARMS = 0.5  # per block
MIN_EXPONENT = -50.0  # below it, a probability cannot be told from 0
CAP_DEVIATIONS = 2.5  # standard deviations above the expected lines up to which a slot counts
CAP_SPREAD = 0.2  # over-dispersion of a slot, as for a typical error in `rates.py`
MAX_SHORTFALL = 4.5  # of a limit on what falls: lines cannot become fewer than none


class Expectation:
    """Expected lines at the end of each slot of a grid, from its baseline and the lines before that end only."""

    def __init__(self, baseline: Baseline, grid: SlotGrid) -> None:
        self.baseline, self._grid = baseline, grid
        self._slots = np.arange(grid.first, grid.first + grid.slots)
        self.of_day = self._slots % SLOTS_A_DAY
        by_clock = np.array(baseline.profile)[self.of_day]
        by_clock = by_clock * np.where(is_weekend(self._slots // SLOTS_A_DAY), baseline.weekend, 1.0)
        self.base: Floats = by_clock * grid.known
        self.middle = max(float(np.mean(baseline.profile)), MIN_RATE)
        self._known = grid.known.astype(float)
        self._lines = grid.load()
        self._group_lines = {name: grid.group(name) for name in GROUPS}
        self._has_lines = grid.known & (self._lines > 0)
        self._cache: dict[tuple[str, int], Floats] = {}

    def group(self, name: str, width: int) -> Floats:
        """Lines of a group in the `width` slots up to each slot's end."""
        if (name, width) not in self._cache:
            base = trailing(self._base_of(name), width)
            offset, power = self.baseline.rates[name]
            load = self._load_before(width) if name in ("rest", "debug") else self._load_of_others(name, width)
            self._cache[name, width] = exp(offset) * base * load**power
        return self._cache[name, width]

    def _base_of(self, name: str) -> Floats:
        """Lines by time of day, as strongly as the group follows it: a device may lose its link at night as well."""
        along = self.baseline.along.get(name, 1.0)
        return self.base if along == 1.0 else self.base * (np.maximum(self.base, MIN_RATE) / self.middle) ** (along - 1)

    def levels(self, levels: Collection[str] | None, width: int) -> Floats:
        """Lines of these levels; None: of all."""
        shares = dict.fromkeys(GROUPS, 0.0)
        for level, share in self.baseline.levels.items():
            if levels is None or level in levels:
                shares[group_of(level)] += share
        expected: Floats = np.zeros(len(self.base))
        for name, share in shares.items():
            if share:
                expected = expected + share * self.group(name, width)
        key = f"{habits_key(levels)}/{width}"
        return self._with_habits(expected, self.baseline.habits.get(key), self.baseline.last_week.get(key))

    def capped(self, levels: Collection[str] | None) -> Floats:
        """Lines of these levels by slot, at most as many as chance allows: a retry storm counts as a line or two, so
        that hours can be added up. A slot of a rare error counts as one line."""
        mean = self.levels(levels, 1)
        highest = mean + CAP_DEVIATIONS * np.sqrt(mean + CAP_SPREAD * mean**2) + 1
        return np.minimum(self._grid.lines(levels), np.floor(highest))

    def at_least(self, levels: Collection[str] | None, width: int) -> Floats:
        """Lines of these levels that traffic should cause, by time of day and the load of the 3 hours before the
        window.

        So a holiday is expected to stay quiet, and a colour that went live yesterday to stay busy. The load is the
        median of three hours, but above 1 only if all their half hours were: a rise that ended within two hours does
        not count.
        """
        by_clock = trailing(self._early_or_late, width) * self._share(levels)
        share = exp(self.baseline.rates["rest"][0])
        # Many warnings and errors are not traffic: when an attack ends, no lines are missing.
        lines, base = (
            (self._group_lines["rest"], self.base * share) if share >= MIN_TRAFFIC else (self._lines, self.base)
        )
        hours, halves = (
            np.array([_shifted(load, width + before) for before in range(0, HOURS_BEFORE * SLOTS_AN_HOUR, slots)])
            for slots in (SLOTS_AN_HOUR, LOAD_SLOTS)
            for load in [load_of(lines, base, self._known > 0, slots)]
        )
        load: Floats = np.minimum(np.median(hours, axis=0), np.maximum(halves.min(axis=0), 1.0))
        whole = trailing(self._known, width) == width
        steady = sum(pattern.steady for pattern in self._steady(levels).values())
        lines = np.maximum(by_clock * load * whole - steady * width, 0.0)
        name = series_name(levels, "node", width, falls=True)
        dips = self.baseline.dips.get(name, {})
        if dips:
            shares = np.ones(SLOTS_A_DAY)
            shares[[int(slot) for slot in dips]] = list(dips.values())
            lines = lines * shares[self.of_day]
        return np.asarray(lines * self._by_place(self.baseline.weekly_falls.get(name, {}), 1.0))

    @cached_property
    def _early_or_late(self) -> Floats:
        """Lines by time of day, if users may come an hour earlier or later than normal. Jobs keep their time."""
        profile = np.array(self.baseline.profile)
        around = np.stack([np.roll(profile, shift) for shift in range(-SLOTS_AN_HOUR, SLOTS_AN_HOUR + 1)])
        smooth = np.median(around, axis=0)
        jobs = np.where(profile > PEAK * smooth, profile - smooth, 0.0)
        lowest = np.minimum(np.minimum(np.roll(smooth, SLOTS_AN_HOUR), np.roll(smooth, -SLOTS_AN_HOUR)), smooth)
        factor = (lowest + jobs) / np.maximum(profile, MIN_RATE)
        return np.asarray(self.base * np.minimum(factor, 1.0)[self.of_day])

    def of_traffic(self, levels: Collection[str] | None) -> Ints:
        """Lines of these levels by slot, without steady patterns such as health checks, which do not depend on
        users."""
        lines, steady = self._grid.lines(levels), self._steady(levels)
        for (name, level), row in zip(self._grid.keys, self._grid.counts, strict=True):
            if name in steady and (levels is None or level in levels):
                lines = lines - row
        return lines

    def _steady(self, levels: Collection[str] | None) -> dict[str, PatternBaseline]:
        if levels is not None and "info" not in levels:
            return {}
        of_rest = ((name, groups.get("rest")) for name, groups in self.baseline.patterns.items())
        return {name: pattern for name, pattern in of_rest if pattern and pattern.steady}

    def _share(self, levels: Collection[str] | None) -> float:
        """The share of these levels in all lines."""
        share = 0.0
        for level, of_group in self.baseline.levels.items():
            if levels is None or level in levels:
                share += of_group * exp(self.baseline.rates[group_of(level)][0])
        return min(share, 1.0) if levels is not None else 1.0

    def pattern(self, of_pattern: OfPattern, width: int) -> Floats:
        """Lines of a pattern in the groups of `of_pattern`."""
        expected: Floats = np.zeros(len(self.base))
        for group, pattern in of_pattern.items():
            of_group = pattern.share * self.group(group, width)
            key = str(width)
            expected = expected + self._with_habits(of_group, pattern.habits.get(key), pattern.last_week.get(key))
        return expected

    def _with_habits(
        self, expected: Floats, habits: Mapping[str, float] | None, last_week: Mapping[str, float] | None
    ) -> Floats:
        if habits:
            by_slot = np.zeros(SLOTS_A_DAY)
            for slot, lines in habits.items():
                by_slot[int(slot)] = lines
            expected = np.maximum(expected, by_slot[self.of_day])
        if last_week:
            expected = np.maximum(expected, self._by_place(last_week, 0.0))
        return expected

    def _by_place(self, figures: Mapping[str, float], default: float) -> Floats:
        """Figures by slot since the baseline's day began, as an array over the grid."""
        by_place = np.full(self._grid.slots, default)
        offset = self.baseline.day - self._grid.first
        for place, figure in figures.items():
            if 0 <= int(place) + offset < len(by_place):
                by_place[int(place) + offset] = figure
        return by_place

    def _load_before(self, width: int) -> Floats:
        """The load of the hour before the window."""
        lines, base = (
            _shifted(trailing(np.where(self._has_lines, values, 0), SLOTS_AN_HOUR), width)
            for values in (self._lines, self.base)
        )
        load = (lines + PRIOR_LINES) / (base + PRIOR_LINES)
        return np.asarray(np.clip(load, MIN_LOAD, None) ** self.baseline.carry)

    def _load_of_others(self, name: str, width: int) -> Floats:
        """The load by the lines outside the group, over the window or at least half an hour."""
        return load_of(self._lines - self._group_lines[name], self.base, self._has_lines, max(width, LOAD_SLOTS))


def _shifted(values: Floats, by: int) -> Floats:
    return np.concatenate([np.zeros(min(by, len(values))), values[:-by]])


def load_of(lines: Ints, base: Floats, counted: Flags, width: int) -> Floats:
    """Lines divided by expected lines (`base`), in the `width` slots up to each slot's end."""
    seen = trailing(np.where(counted, lines, 0), width)
    expected = trailing(np.where(counted, base, 0), width)
    return np.asarray((seen + PRIOR_LINES) / (expected + PRIOR_LINES))


def series_surprises(
    baseline: Baseline, expectation: Expectation, grid: SlotGrid, series: Series
) -> Iterable[tuple[str | None, Floats]]:
    """The surprise of a series at the end of each slot: of the node (None), or of each of its patterns."""
    if series.per in PAIRED:
        yield from _of_messages(baseline, grid, series)
        return
    if series.falls:
        seen = trailing(expectation.of_traffic(series.levels), series.width)
        mean = expectation.at_least(series.levels, series.width)
        usual = spread_of(baseline, series.levels, series.width)
        events = baseline.lines_an_event
        yield None, shortfall(seen / events, mean / events, baseline.spread.get(series.name, usual))
        return
    if series.capped:
        seen = trailing(expectation.capped(series.levels), series.width)
        mean = expectation.levels(series.levels, series.width) * baseline.capped.get(series.name, 1.0)
        usual = spread_of(baseline, series.levels, series.width)
        yield None, surprise(seen, mean, baseline.spread.get(series.name, usual))
        return
    if series.per == "node":
        seen = but_loudest(grid.lines(series.levels), series.width)
        mean = expectation.levels(series.levels, series.width) * share_left(series.width)
        yield None, surprise(seen, mean, spread_of(baseline, series.levels, series.width))
        return
    for name, row in grid.patterns(series.levels or grid_levels(grid)).items():
        of_pattern = known_or_unseen(baseline, grid, name, series.levels)
        if not of_pattern:
            continue
        slots, above = pattern_surprises(baseline, expectation, of_pattern, row, series.width)
        if not len(slots):
            continue
        surprises = np.zeros(grid.slots)
        margin = max(_margin(pattern, series.width) for pattern in of_pattern.values())
        surprises[slots] = np.where(above > margin, above, np.minimum(above, NOT_UNUSUAL))
        yield name, surprises


def _of_messages(baseline: Baseline, grid: SlotGrid, series: Series) -> Iterable[tuple[str, Floats]]:
    """Of messages that come with others, and of values in messages."""
    if series.per == "companion":
        yield from shortfalls(baseline.companions, lines_of_rest(grid), series.width)
    elif series.per == "counterpart":
        yield from shortfalls(baseline.counterparts, grid.fleet, series.width)
    elif series.per == "start":
        yield from excess(baseline.starts, lines_of_rest(grid), grid.known, series.width)
    else:
        for (name, group), of_pattern in grid.varieties.items():
            learnt = baseline.patterns.get(name, {}).get(group)
            if learnt is not None and learnt.variety and group in series.groups:
                fields = [surprise for _, surprise in stands_still(of_pattern, learnt.variety, series.width)]
                if fields:
                    yield name, np.max(fields, axis=0)


def _margin(pattern: PatternBaseline, width: int) -> float:
    """The surprise that a pattern must exceed, because it has reached it before: for non-failures on two days, by
    width;
    for failures on three."""
    if pattern.peaks:
        return OFTEN_TIMES * pattern.peaks.get(str(width), 0.0)
    return pattern.peak + PEAK_MARGIN if pattern.peak else 0.0


def pattern_surprises(
    baseline: Baseline, expectation: Expectation, of_pattern: OfPattern, row: Ints, width: int
) -> tuple[Ints, Floats]:
    """The slots at whose end a pattern has enough lines, and its surprise there."""
    seen = but_loudest(row, width)
    slots = np.flatnonzero(seen >= MIN_SEEN)
    if not len(slots):
        return slots, np.zeros(0)
    mean = expectation.pattern(of_pattern, width)[slots] * share_left(width)
    return slots, surprise(seen[slots], mean, spread_of_pattern(baseline, of_pattern, width))


def spread_of_pattern(baseline: Baseline, of_pattern: OfPattern, width: int) -> float:
    main = max(of_pattern, key=lambda group: of_pattern[group].lines)
    lines = sum(pattern.lines for pattern in of_pattern.values())
    uncertain = 1 / (lines + UNSEEN_LINES)  # a rate learnt from few lines is itself uncertain
    return baseline.spread[f"{main}/{width}"] + uncertain


def known_or_unseen(baseline: Baseline, grid: SlotGrid, name: str, levels: Collection[str] | None) -> OfPattern:
    """The baseline of a pattern in these levels. If the node never had it, that of its peers; else, for failures, as if
    the node had had half a line. Empty for info that no node had: every deployment brings new info messages."""
    groups = {group_of(level) for level in levels} if levels else set(GROUPS)
    known = {group: one for group, one in baseline.patterns.get(name, {}).items() if group in groups}
    if known:
        return known
    group = next(group_of(level) for pattern, level in grid.keys if pattern == name and group_of(level) in groups)
    if group in baseline.of_peers.get(name, {}):
        return {group: baseline.of_peers[name][group]}
    if group == "rest":
        return {}
    offset, _ = baseline.rates[group]
    lines = max(exp(offset) * sum(baseline.profile) * baseline.days, 1.0)
    return {group: PatternBaseline(0, UNSEEN_LINES / lines)}


def grid_levels(grid: SlotGrid) -> set[str]:
    return {level for _, level in grid.keys}


def spread_of(baseline: Baseline, levels: Collection[str] | None, width: int) -> float:
    """The spread of these levels; if they are in several groups, that of the group with the most lines."""
    groups = {group_of(level) for level in baseline.levels if levels is None or level in levels} or {"rest"}
    main = next(group for group in ("rest", "warn", "error", "debug") if group in groups)
    return baseline.spread[f"{main}/{width}"]


def limit(baseline: Baseline, series: Series, false_alarms: float) -> float:
    """The surprise that chance reaches `false_alarms` times a day."""
    location, scale = baseline.limits[series.name]
    per_block = min(max(false_alarms * BLOCK / SLOTS_A_DAY, 1e-9), MAX_FALSE_ALARMS)
    needed = max(location - scale * log(-log(1 - per_block)), MIN_UNUSUAL)
    return min(needed, MAX_SHORTFALL) if series.falls else needed


def share_needed(baseline: Baseline, series: Series, false_alarms: float, surprise: float) -> float:
    """The smallest share of `false_alarms` with which this surprise still reaches its limit; 1 if it just does."""
    location, scale = baseline.limits[series.name]
    per_block = -expm1(-exp(min(max((location - surprise) / scale, MIN_EXPONENT), 1.0)))
    return min(per_block * SLOTS_A_DAY / BLOCK / max(false_alarms, 1e-12), 1.0)


def with_peers(baselines: Mapping[str, Baseline]) -> dict[str, Baseline]:
    """The baselines, extended by what other nodes know.

    - Non-failures get the highest peaks that any node has of the pattern: a crawler on the live colour this week may
      have been on the other colour last week.
    - Patterns that only others had are expected as often as on the node that has them most. Errors only if that node
      had them on three days; otherwise they were its incident.
    - New errors are expected at least as often as on all nodes on average.
    """
    highest: dict[tuple[str, str], dict[str, float]] = {}
    most: dict[str, OfPattern] = {}
    for baseline in baselines.values():
        for name, of_pattern in baseline.patterns.items():
            for group, pattern in of_pattern.items():
                peaks = highest.setdefault((name, group), {})
                for width, peak in pattern.peaks.items():
                    peaks[width] = max(peaks.get(width, 0.0), peak)
                earlier = most.setdefault(name, {}).get(group)
                if earlier is None or earlier.share < pattern.share:
                    most[name][group] = pattern
    novelty = sum(baseline.novelty for baseline in baselines.values()) / max(len(baselines), 1)
    return {
        node: replace(
            baseline,
            patterns={
                name: {group: replace(pattern, peaks=highest[name, group]) for group, pattern in of_pattern.items()}
                for name, of_pattern in baseline.patterns.items()
            },
            of_peers={
                name: {
                    group: PatternBaseline(PEER_LINES, pattern.share, peaks=highest[name, group])
                    for group, pattern in of_pattern.items()
                    if group != "error" or pattern.peak or pattern.habits
                }
                for name, of_pattern in most.items()
                if name not in baseline.patterns
            },
            novelty=max(baseline.novelty, novelty),
        )
        for node, baseline in baselines.items()
    }
