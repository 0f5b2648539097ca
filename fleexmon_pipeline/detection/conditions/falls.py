"""Fewer lines than expected, of a node or a message, unless something else took their place.

A node without any lines: `new_and_silent.py`; expected lines: `baselines/expectation.py`; traffic that moves:
`baselines/handover.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fleexmon_pipeline.baselines import companions
from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.companions import lines_of_rest
from fleexmon_pipeline.baselines.expectation import limit, share_needed
from fleexmon_pipeline.baselines.handover import RECENT
from fleexmon_pipeline.baselines.promises import overdue, stopped
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR, trailing
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import Companion, Drop, Missed, Unfinished
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.numerics import Flags, Ints
from fleexmon_pipeline.window import DAY, SLOT

BACK = 0.7  # share of the expected lines in the last slot: from here on, lines are back after a restart or a silence
REPLACED_WITHIN = 3 * SLOTS_AN_HOUR  # slots in which another node or another wording may replace a message
MIN_REPLACING = 2.0  # times the expected lines of a replacement: in a busy hour every message has more
MIN_OPEN_TIMES = 2.0  # times the most open runs so far: twice the traffic has twice as many open runs
EXPLAINED = 0.5  # share of the missing lines: if peers gained this many, the traffic has moved


def missed(rule: Missed, observation: Observation) -> Iterator[Hit]:
    """Scheduled messages that came at no node. A brand-new message may be the same one, reworded by a release."""
    del rule
    baseline, grid = observation.baseline, observation.grid
    if baseline is None:
        return
    rows = grid.patterns(LEVELS)
    nothing = np.zeros(grid.slots, np.int64)
    late: dict[str, tuple[Flags, int]] = {}
    for pattern, promise in baseline.promises.items():
        late[pattern] = overdue(promise, rows.get(pattern, nothing), grid.known, grid.first), promise.period
    for pattern, of_pattern in baseline.patterns.items():
        if "rest" in of_pattern and of_pattern["rest"].steady and pattern in rows:
            late[pattern] = stopped(of_pattern["rest"].steady, rows[pattern], grid.known), 1
    for pattern, (flags, period) in late.items():
        for slot in np.flatnonzero(flags).tolist():
            if not (_came_elsewhere(observation, pattern, slot) or _has_new_message(observation, rows, slot)):
                yield Hit(slot, pattern, 0, None, period)


def _came_elsewhere(observation: Observation, pattern: str, slot: int) -> bool:
    recent = slice(max(slot + 1 - REPLACED_WITHIN, 0), slot + 1)
    return any(
        (row := other.patterns(LEVELS).get(pattern)) is not None and row[recent].any() for other in observation.others
    )


def _has_new_message(observation: Observation, rows: Mapping[str, Ints], slot: int) -> bool:
    """Whether the node recently had a message that no node ever had before."""
    since, until = observation.grid.first + slot + 1 - REPLACED_WITHIN, observation.grid.first + slot
    recent = slice(max(slot + 1 - REPLACED_WITHIN, 0), slot + 1)
    return any(
        since <= first <= until and name in rows and rows[name][recent].any()
        for name, first in observation.first_seen.items()
    )


def companion_missing(rule: Companion, observation: Observation) -> Iterator[Hit]:
    """A message that comes too rarely compared with its companion, and still does. Among several windows, yields the
    most improbable. Not if another message replaces it, for example after a release."""
    baseline, grid = observation.baseline, observation.grid
    elsewhere = rule.companion.at == "fleet"
    pairs = {} if baseline is None else baseline.counterparts if elsewhere else baseline.companions
    if baseline is None or not pairs:
        return
    has_history = observation.has_history(rule.history / DAY)
    rows = grid.fleet if elsewhere else lines_of_rest(grid)
    alarms = observation.alarms(rule.name, rule.companion.false_alarms) / len(rule.companion.at_least)
    best: dict[tuple[str, int], tuple[float, Hit]] = {}
    for within, min_expected in rule.companion.at_least.items():
        series = rule.series_of(within // SLOT)
        if series.name not in baseline.limits:
            continue
        needed, recent = limit(baseline, series, alarms), max(series.width // 3, 1)
        for name, short in observation.surprises(series).items():
            if name is None or not (short >= needed).any():
                continue
            companion = pairs[name]
            row, of = rows[name], rows[companion.of]
            expected, missing = companions.expected_and_missing(companion, row, of, series.width)
            holds = (short >= needed) & (expected >= min_expected * max(companion.ratio, 1.0))
            holds &= missing > (1 - rule.companion.below) * expected
            lately, due = trailing(row, recent), companion.ratio * trailing(of, recent)
            if elsewhere:
                holds &= _mostly_here(observation, name) & _fewer_than_before(row, series.width)
            still = lately < rule.companion.below * np.minimum(due, np.concatenate([[0.0], due[:-1]]))
            for slot in np.flatnonzero(holds & still & has_history & grid.known).tolist():
                above = float(short[slot]) - needed
                if above < best.get((name, slot), (-1.0,))[0]:
                    continue
                if _replaced(observation, (name, companion.of), slot, series.width, float(missing[slot])):
                    continue
                share = share_needed(baseline, series, alarms, float(short[slot]))
                hit = Hit(
                    slot,
                    name,
                    int(trailing(row, series.width)[slot]),
                    float(companion.ratio * trailing(of, series.width)[slot]),
                    series.width,
                    companion=companion.of,
                    of_budget=share,
                )
                best[name, slot] = above, hit
    yield from sorted((hit for _, hit in best.values()), key=lambda hit: hit.slot)


def _mostly_here(observation: Observation, name: str) -> Flags:
    """At the end of which slots no other node had more of these lines in the hours before."""
    own, *others = (
        trailing(row, RECENT) if (row := lines_of_rest(one).get(name)) is not None else np.zeros(one.slots)
        for one in (observation.grid, *observation.others)
    )
    return np.asarray((own > 0) & (own >= np.max([own, *others], axis=0)))


def _fewer_than_before(row: Ints, width: int) -> Flags:
    """At the end of which slots there are fewer lines than in the hours before the window: what it comes with may have
    become more on its own, where a logger no longer samples."""
    before = np.concatenate([np.zeros(min(width, len(row))), trailing(row, REPLACED_WITHIN)[:-width]])
    return np.asarray(trailing(row, width) < BACK * before * width / REPLACED_WITHIN)


def unfinished(rule: Unfinished, observation: Observation) -> Iterator[Hit]:
    """Runs that start and do not end, and still do not: at least `at_least` more than the node has had open, and twice
    as many. Among several windows, yields the longest. Not if another message replaces the missing one."""
    baseline, grid = observation.baseline, observation.grid
    if baseline is None or not baseline.starts:
        return
    has_history = observation.has_history(rule.history / DAY)
    rows = lines_of_rest(grid)
    alarms = observation.alarms(rule.name, rule.unfinished.false_alarms) / len(rule.unfinished.at_least)
    best: dict[tuple[str, int], Hit] = {}
    for within, at_least in sorted(rule.unfinished.at_least.items()):
        width = within // SLOT
        series = Series(None, "start", width)
        for name, beyond in observation.surprises(series).items() if series.name in baseline.limits else ():
            if name is None:
                continue
            start = baseline.starts[name]
            usual, row, of = start.open[str(width)], rows[name], rows[start.of]
            holds = beyond >= max(at_least, limit(baseline, series, alarms))
            holds &= beyond + usual >= MIN_OPEN_TIMES * usual
            if not holds.any():
                continue
            for recent in (width, width // 3):
                holds &= trailing(row, recent) < rule.unfinished.below * trailing(of, recent)
            for slot in np.flatnonzero(holds & has_history).tolist():
                started, ended = float(trailing(of, width)[slot]), int(trailing(row, width)[slot])
                if not _replaced(observation, (name, start.of), slot, width, started - ended):
                    share = share_needed(baseline, series, alarms, float(beyond[slot]))
                    best[name, slot] = Hit(slot, name, ended, started, width, companion=start.of, of_budget=share)
    yield from sorted(best.values(), key=lambda hit: hit.slot)


def _replaced(observation: Observation, pair: tuple[str, str], slot: int, width: int, missing: float) -> bool:
    """Whether another message came so much more often than expected that it explains the missing lines."""
    baseline, expectation = observation.baseline, observation.expectation
    assert baseline is not None and expectation is not None  # noqa: S101, PT018  the callers have checked
    for name, row in lines_of_rest(observation.grid).items():
        lines = int(row[max(slot + 1 - width, 0) : slot + 1].sum())
        if name in pair or lines < EXPLAINED * missing:
            continue
        learnt = baseline.patterns.get(name, {}).get("rest")
        expected = float(expectation.pattern({"rest": learnt}, width)[slot]) if learnt else 0.0
        if lines - expected >= EXPLAINED * missing and lines >= MIN_REPLACING * expected:
            return True
    return False


def drop(rule: Drop, observation: Observation) -> Iterator[Hit]:
    """Fewer lines of a node than expected, and still so. Among several windows, yields the most improbable."""
    baseline, expectation, grid = observation.baseline, observation.expectation, observation.grid
    if baseline is None or expectation is None:
        return
    has_history = observation.has_history(rule.history / DAY)
    best, widths = np.full(grid.slots, -np.inf), np.zeros(grid.slots, np.int64)
    alarms = observation.alarms(rule.name, rule.drop.false_alarms) / len(rule.drop.at_least)
    for within, min_expected in rule.drop.at_least.items():
        series = Series(rule.where.level, "node", within // SLOT, falls=True)
        if series.name not in baseline.limits:
            continue
        lines = trailing(expectation.of_traffic(series.levels), series.width)
        expected = expectation.at_least(series.levels, series.width)
        holds = has_history & (expected >= min_expected) & (lines < rule.drop.below * expected)
        holds &= trailing(expectation.of_traffic(series.levels), 1) < BACK * expected / series.width
        above = observation.surprises(series)[None] - limit(baseline, series, alarms)
        holds &= above >= 0
        if not holds.any():
            continue
        holds &= observation.moved(series.width, away=True) < EXPLAINED * (expected - lines)
        above = np.where(holds, above, -np.inf)
        best, widths = np.maximum(best, above), np.where(above > best, series.width, widths)
    for slot in np.flatnonzero(best >= 0):
        width = int(widths[slot])
        lines = trailing(expectation.of_traffic(rule.where.level), width)[slot]
        due = float(expectation.at_least(rule.where.level, width)[slot])
        series = Series(rule.where.level, "node", width, falls=True)
        needed = share_needed(baseline, series, alarms, float(observation.surprises(series)[None][slot]))
        yield Hit(int(slot), None, int(lines), due, width, of_budget=needed)
