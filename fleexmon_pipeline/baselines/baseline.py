"""What is normal for a node: lines by time of day and load, how far they stray, which patterns it has.

Here: the figures that are learnt and stored. How they are learnt: `learn.py`; where they are stored: `store.py`; what
they lead one to expect of a window: `expectation.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from fleexmon_pipeline.baselines.companions import Companion, Start
from fleexmon_pipeline.baselines.promises import Promise
from fleexmon_pipeline.baselines.slot_grid import GROUPS, group_of


@dataclass(frozen=True)
class DurationBaseline:
    """What is normal for the durations that a pattern's lines of one group state. All are logarithms."""

    floor: float  # no logarithm: it is added to durations before
    levels: dict[str, float]  # figure → its level
    seasons: dict[str, list[float]]  # figure → hour of the (UTC) day → what is added
    within: float  # spread of single lines
    spreads: dict[str, float] = field(default_factory=dict)  # "figure/width" → spread of windows of many lines
    peaks: dict[str, float] = field(default_factory=dict)  # "figure/width" → surprise reached on three days


@dataclass(frozen=True)
class PatternBaseline:
    """What is normal for a pattern's lines of one group at a node. An access log has one pattern and several levels."""

    lines: int
    share: float  # of the group's lines since the pattern was first seen
    peak: float = 0.0  # surprise that it often reaches: that of its third most surprising day
    steady: float = 0.0  # lines a slot, where a clock makes them and not the traffic; else 0
    last_week: dict[str, dict[str, float]] = field(default_factory=dict)  # width → slots since the day began → lines
    habits: dict[str, dict[str, float]] = field(default_factory=dict)  # width → slot of day → lines, where many are due
    durations: DurationBaseline | None = None
    peaks: dict[str, float] = field(default_factory=dict)  # width → peak of the second day, where it is no failure
    variety: dict[str, float] = field(default_factory=dict)  # "field/width" → lowest share of other values, as normal


OfPattern = dict[str, PatternBaseline]  # group → what is normal for the pattern's lines of that group


@dataclass(frozen=True)
class Baseline:
    """What is normal for one node. Plain numbers, so that it can be stored as JSON."""

    days: float  # of known slots that it was learnt from
    profile: list[float]  # lines a slot, by slot of the (UTC) day
    weekend: float  # factor on the profile
    carry: float  # how much of the last hour's load persists
    rates: dict[str, tuple[float, float]]  # group → log of its lines per line of the profile; power of the load
    levels: dict[str, float]  # level → share of its group
    spread: dict[str, float]  # "group/width" → over-dispersion
    limits: dict[str, tuple[float, float]]  # series → location and scale of the extremes of 6 hours
    habits: dict[str, dict[str, float]]  # "levels/width" → slot of day → lines, where many are due
    last_week: dict[str, dict[str, float]]  # "levels/width" → slots since the day began → lines, 7 or 14 days before
    day: int  # number of its first slot: the past ends there
    patterns: dict[str, OfPattern]
    peaks: dict[str, float]  # series of a node → surprise that it has reached on two days
    promises: dict[str, Promise]  # of patterns that come by the clock
    novelty: float  # never-seen error patterns a day
    quiet: float  # longest normal silence, as `silence.quietness` measures it
    lines_an_event: float = 1.0  # that come together, as `rates.lines_an_event` measures it
    of_peers: dict[str, OfPattern] = field(default_factory=dict)  # patterns that the node never had and others have
    companions: dict[str, Companion] = field(default_factory=dict)  # pattern → the one that it comes with
    starts: dict[str, Start] = field(default_factory=dict)  # pattern → the one whose runs it ends
    along: dict[str, float] = field(default_factory=dict)  # group → power of the profile; 1 where none is given
    dips: dict[str, dict[str, float]] = field(default_factory=dict)
    """Falling series → slot of day → share of the expected lines, where most days have fewer: a pause at noon."""
    capped: dict[str, float] = field(default_factory=dict)  # capped series → its lines for each expected one


def series_name(
    levels: Collection[str] | None, per: str, width: int, *, falls: bool = False, capped: bool = False
) -> str:
    kind = "/falls" if falls else "/capped" if capped else ""
    return f"{','.join(sorted(levels)) if levels else 'all'}/{per}/{width}{kind}"


@dataclass(frozen=True)
class Series:
    """A series that some rule evaluates: its levels (None: all), by node or by pattern, over so many slots."""

    levels: tuple[str, ...] | None
    per: str
    """node, pattern, companion, start or variety; of durations: duration, of any pattern, or durations, of all."""
    width: int
    falls: bool = False  # too few lines are what is looked for
    capped: bool = False  # a slot counts no more lines than chance gives it: what lasts, and not what is loud

    @property
    def name(self) -> str:
        return series_name(self.levels, self.per, self.width, falls=self.falls, capped=self.capped)

    @property
    def of_durations(self) -> bool:
        return self.per in ("duration", "durations")

    @property
    def groups(self) -> set[str]:
        return {group_of(level) for level in self.levels} if self.levels else set(GROUPS)


def habits_key(levels: Collection[str] | None) -> str:
    return ",".join(sorted(levels)) if levels else "all"


def joined_patterns(parts: Iterable[OfPattern]) -> OfPattern:
    """Of patterns that have merged since they were learnt: of each group, the one with the most lines."""
    joined: OfPattern = {}
    for part in parts:
        for group, pattern in part.items():
            if group not in joined or joined[group].lines < pattern.lines:
                joined[group] = pattern
    return joined
