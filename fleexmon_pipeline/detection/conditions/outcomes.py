"""A message that partly replaces another one with the same beginning: calls end differently than normal.

Only rises: `rates.py`; only falls: `falls.py`.

Level and words do not matter, because each program names its failures differently. The combination is strong evidence:
more or less traffic changes both messages the same way, and a release replaces a message completely.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.expectation import UNSEEN_LINES, limit, share_needed, spread_of
from fleexmon_pipeline.baselines.slot_grid import shortfall, surprise, trailing
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import Instead
from fleexmon_pipeline.numerics import Flags, Floats, Ints
from fleexmon_pipeline.window import DAY, SLOT

MIN_SLOTS = 3  # slots of the window in which the replacing message must come
RECENT = 2  # slots in which both messages must still come: after a release in the middle of a slot, only one does
MIN_OTHERS = 0.05  # lower bound for the share of a node's lines outside the family
MIN_SHORTFALL = 2.5  # standard deviations below the expected lines of the replaced message
MIN_LEFT, MAX_LEFT = 0.1, 0.75  # share of the replaced message's expected lines: a release leaves none
MIN_EXPLAINED, MAX_EXPLAINED = 0.5, 2.0  # lines of the replacing message per missing line


@dataclass(frozen=True)
class _Family:
    """Messages with the same beginning: lines in the window, and expected lines, at the end of each slot."""

    lines: dict[str, Floats]
    due: dict[str, Floats]

    def short(self, name: str, spread: float) -> Flags:
        """Where a part of the message's expected lines is missing."""
        lines, due = self.lines[name], self.due[name]
        part = (lines > MIN_LEFT * due) & (lines < MAX_LEFT * due)
        return part & (shortfall(lines, due, spread) >= MIN_SHORTFALL)

    def explains(self, name: str, other: str) -> Flags:
        """Where `name` has about as many additional lines as `other` lacks."""
        more, missing = self.lines[name] - self.due[name], self.due[other] - self.lines[other]
        return np.asarray((more >= MIN_EXPLAINED * missing) & (more <= MAX_EXPLAINED * missing))


def instead(rule: Instead, observation: Observation) -> Iterator[Hit]:
    """A message that partly replaces another one. Among several windows, yields the longest."""
    baseline, grid = observation.baseline, observation.grid
    if baseline is None:
        return
    has_history = observation.has_history(rule.history / DAY)
    rows = grid.patterns(rule.where.level or ("info",)) if has_history.any() else {}
    alarms = observation.alarms(rule.name, rule.instead.false_alarms) / len(rule.instead.at_least)
    best: dict[tuple[str, int], Hit] = {}
    for within, at_least in sorted(rule.instead.at_least.items()):
        width = within // SLOT
        series = Series(rule.where.level, "pattern", width)
        if series.name not in baseline.limits:
            continue
        needed = limit(baseline, series, alarms)
        spread = spread_of(baseline, rule.where.level, width)
        for family in _families(observation, rows, width, at_least):
            short = {name: flags for name in family.lines if (flags := family.short(name, spread)).any()}
            for name, lines in family.lines.items() if short else ():
                came = has_history & (lines >= at_least) & (lines >= rule.instead.times * family.due[name])
                above = surprise(lines, np.maximum(family.due[name], UNSEEN_LINES), spread)
                came &= above >= needed
                came &= trailing(rows[name] > 0, width) >= MIN_SLOTS
                came &= trailing(rows[name], RECENT) > 0
                for other, flags in short.items():
                    still = trailing(rows[other], RECENT) > MIN_LEFT * family.due[other] * RECENT / width
                    for slot in np.flatnonzero(came & flags & still & family.explains(name, other)).tolist():
                        due = float(family.due[name][slot])
                        share = share_needed(baseline, series, alarms, float(above[slot]))
                        best[name, slot] = Hit(
                            slot, name, int(lines[slot]), due, width, companion=other, of_budget=share
                        )
    yield from sorted(best.values(), key=lambda hit: hit.slot)


def _families(observation: Observation, rows: Mapping[str, Ints], width: int, at_least: int) -> Iterator[_Family]:
    """Families in which some message has enough lines. Expected lines are capped by the node's other lines: if the load
    falls, all messages do."""
    baseline, expectation = observation.baseline, observation.expectation
    assert baseline is not None and expectation is not None  # noqa: S101, PT018  `instead` has checked
    rest = observation.grid.group("rest")
    by_beginning: defaultdict[str, list[str]] = defaultdict(list)
    for name in rows:
        if word := _beginning(observation.templates.get(name, "")):
            by_beginning[word].append(name)
    for names in by_beginning.values():
        lines = {name: trailing(rows[name], width) for name in names}
        if len(names) < 2 or not any((of_one >= at_least).any() for of_one in lines.values()):
            continue
        known = {name: one for name in names if (one := baseline.patterns.get(name, {}).get("rest")) is not None}
        share = sum(one.share for one in known.values())
        beside = (trailing(rest, width) - sum(lines.values())) / max(1 - share, MIN_OTHERS)
        due = {
            name: np.minimum(expectation.pattern({"rest": known[name]}, width), known[name].share * beside)
            if name in known
            else np.zeros(observation.grid.slots)
            for name in names
        }
        yield _Family(lines, due)


def _beginning(template: str) -> str | None:
    """The first two words of a template, which lines of one kind of call share: `frame <hex>`. None if too short."""
    words = template.split(None, 2)
    return " ".join(words[:2]) if len(words) > 2 else None
