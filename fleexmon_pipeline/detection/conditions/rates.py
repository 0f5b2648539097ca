"""More lines than expected, of a node or of one of its patterns.

Fixed thresholds: `thresholds.py`; sums and surprise: `baselines/slot_grid.py`; expected lines:
`baselines/expectation.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.expectation import OFTEN_TIMES, known_or_unseen, limit, share_needed
from fleexmon_pipeline.baselines.handover import level_before
from fleexmon_pipeline.baselines.rates import MIN_SPREAD
from fleexmon_pipeline.baselines.slot_grid import SLOTS_A_DAY, surprise, trailing
from fleexmon_pipeline.detection.conditions.coincidence import coincidences
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import Rate
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.numerics import Flags, Floats, Ints
from fleexmon_pipeline.window import DAY, SLOT

EXPLAINED = 0.5  # share of the additional lines: if peers lost this many, the traffic has moved
MIN_SHARE_GROWTH = 1.4  # times a pattern's normal share of the lines: with more traffic, every message has more
MIN_SHARE_SURPRISE = 3.0  # standard deviations above that share: by chance, 5 lines become 10 in some window each night
MIN_CAPPED_LATELY = 2  # lines in the last third of a window of hours; with fewer, the problem is over
_NO_SUCH_ROUTE = re.compile(r"<path>.*\b(?:404|410)\b|\b(?:404|410)\b.*<path>")  # as in `patterns/requests.py`


def rate(rule: Rate, observation: Observation) -> Iterator[Hit]:
    """More lines than expected, and still so. Among several windows, yields the most improbable."""
    baseline, expectation, grid = observation.baseline, observation.expectation, observation.grid
    if baseline is None or expectation is None:
        return
    has_history = observation.has_history(rule.history / DAY)
    if not has_history.any():
        return
    best: dict[str | None, tuple[Floats, Ints]] = {}  # pattern → by slot: distance above the limit, window's width
    rows: dict[str | None, Ints] = {}
    shares: dict[tuple[str | None, int], Floats] = {}  # pattern and width → share of the rate that bursts need, by slot
    alarms = observation.alarms(rule.name, rule.rate.false_alarms) / len(rule.rate.at_least)
    of_patterns = grid.patterns(rule.where.level or LEVELS) if rule.per_pattern else {}
    for within, min_lines in rule.rate.at_least.items():
        series = rule.series_of(within // SLOT)
        if series.name not in baseline.limits:
            continue
        min_surprise = limit(baseline, series, alarms)
        if not rule.per_pattern and not rule.of_failures:
            # More lines are not a failure. A crawler or campaign that came on two past days will come again.
            min_surprise = max(min_surprise, OFTEN_TIMES * baseline.peaks.get(series.name, 0.0))
        for pattern, surprises in observation.surprises(series).items():
            above = surprises - min_surprise
            if not (above >= 0).any() or not _is_about(rule, observation, pattern):
                continue
            row = rows[pattern] = of_patterns[pattern] if pattern else grid.lines(rule.where.level)
            counted = expectation.capped(rule.where.level) if rule.rate.capped else row
            enough = _enough(rule, observation, pattern, counted, series.width, min_lines)
            if not rule.of_failures and enough.any():
                more = trailing(row, series.width) - _expected(observation, rule, pattern, series.width)
                enough &= observation.moved(series.width, away=False) < EXPLAINED * more
                enough &= trailing(row, series.width) >= rule.rate.times * level_before(row, grid.known, series.width)
            above = np.where(enough & has_history, above, -np.inf)
            if series.of_failures:
                by_chance = coincidences(observation, series, pattern, above >= 0, min_surprise)
                above[by_chance > alarms] = -np.inf
                shares[pattern, series.width] = by_chance / alarms
            score, width = best.get(pattern, (np.full(grid.slots, -np.inf), np.zeros(grid.slots, np.int64)))
            better = above > score
            best[pattern] = np.where(better, above, score), np.where(better, series.width, width)
    for pattern, (score, widths) in best.items():
        for slot in np.flatnonzero((score >= 0) & ~_young(observation, pattern)):
            width = int(widths[slot])
            lines = float(trailing(rows[pattern], width)[slot])
            expected = float(_expected(observation, rule, pattern, width)[slot])
            series = rule.series_of(width)
            needed = share_needed(baseline, series, alarms, float(observation.surprises(series)[pattern][slot]))
            if (pattern, width) in shares:
                needed = max(needed, float(shares[pattern, width][slot]))
            yield Hit(int(slot), pattern, int(lines), expected, width, of_budget=needed)


def _is_about(rule: Rate, observation: Observation, pattern: str | None) -> bool:
    """Whether the rule counts this pattern. Every deployment brings info messages that the node never had: they count
    only for rules that look for words."""
    if pattern is None or observation.baseline is None:
        return True
    if rule.has_texts:
        return rule.where.has_text(observation.templates.get(pattern, ""))
    return rule.of_failures or pattern in observation.baseline.patterns


def _expected(observation: Observation, rule: Rate, pattern: str | None, width: int) -> Floats:
    baseline, expectation = observation.baseline, observation.expectation
    assert baseline is not None and expectation is not None  # noqa: S101, PT018  `rate` has checked
    if pattern is None:
        return expectation.levels(rule.where.level, width)
    return expectation.pattern(known_or_unseen(baseline, observation.grid, pattern, rule.where.level), width)


def _enough(
    rule: Rate, observation: Observation, pattern: str | None, row: Ints | Floats, width: int, min_lines: int
) -> Flags:
    """Enough lines, and enough times the expected, also in the last third of the window: a rate that is back to normal
    must not be reported for hours. Requests for missing paths must grow by more than the other lines: a crawler also
    requests existing paths."""
    lines, expected = trailing(row, width), _expected(observation, rule, pattern, width)
    recent = max(width // 3, min(width, 3))
    lately = trailing(row, recent)
    recently = lately >= rule.rate.times * _expected(observation, rule, pattern, recent)
    if rule.rate.capped:
        recently &= lately >= MIN_CAPPED_LATELY
    holds = (lines >= min_lines) & (lines >= rule.rate.times * expected) & recently
    if observation.expectation and _NO_SUCH_ROUTE.search(observation.templates.get(pattern or "", "")):
        rest = trailing(observation.grid.group("rest"), width) - observation.expectation.group("rest", width)
        holds &= lines - expected > rest
    of_rest = observation.baseline.patterns.get(pattern, {}).get("rest") if pattern and observation.baseline else None
    if of_rest is not None and "info" in (rule.where.level or LEVELS):
        by_share = of_rest.share * trailing(observation.grid.group("rest"), width)
        holds &= (lines >= MIN_SHARE_GROWTH * by_share) & (surprise(lines, by_share, MIN_SPREAD) >= MIN_SHARE_SURPRISE)
    return np.asarray(holds)


def _young(observation: Observation, pattern: str | None) -> Flags:
    """Where the pattern is less than a day old on all nodes. Rules for new patterns report it then."""
    first = observation.first_seen.get(pattern) if pattern else None
    grid = observation.grid
    slots = grid.first + np.arange(grid.slots)
    return slots < first + SLOTS_A_DAY if first is not None else np.zeros(grid.slots, bool)
