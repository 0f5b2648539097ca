"""The baseline of a node: lines by time of day and load, their spread, and its patterns.

Here: the stored figures. Learning: `learn.py`; storing: `store.py`; what to expect of a window: `expectation.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from fleexmon_pipeline.baselines.bursts import Bursts
from fleexmon_pipeline.baselines.companions import Companion, Start
from fleexmon_pipeline.baselines.promises import Promise
from fleexmon_pipeline.baselines.slot_grid import GROUPS, group_of


@dataclass(frozen=True)
class DurationBaseline:
    """Baseline of what a pattern's lines of one group measure. All figures but `floor` are logarithms."""

    floor: float  # added to durations before taking the logarithm
    levels: dict[str, float]  # figure → its level
    seasons: dict[str, list[float]]  # figure → hour of the (UTC) day → added to the level
    within: float  # spread of single lines
    steps: bool = False  # steps to these lines, not durations that they state
    spreads: dict[str, float] = field(default_factory=dict)  # "figure/width" → spread of windows of many lines
    peaks: dict[str, float] = field(default_factory=dict)  # "figure/width" → surprise reached on three days


@dataclass(frozen=True)
class PatternBaseline:
    """Baseline of a pattern's lines of one group on a node. A pattern of an access log has several levels."""

    lines: int
    share: float  # of the group's lines since the pattern was first seen
    peak: float = 0.0  # surprise that it often reaches: that of its third most surprising day
    steady: float = 0.0  # lines a slot, if it comes at regular times and not with the traffic; else 0
    last_week: dict[str, dict[str, float]] = field(default_factory=dict)  # width → slots since the day began → lines
    habits: dict[str, dict[str, float]] = field(default_factory=dict)  # width → slot of day → lines, at busy times
    durations: DurationBaseline | None = None
    peaks: dict[str, float] = field(default_factory=dict)  # width → surprise of the second day; for non-failures
    variety: dict[str, float] = field(default_factory=dict)  # "field/width" → lowest normal share of different values
    bursts: Bursts | None = None  # of failures


OfPattern = dict[str, PatternBaseline]  # group → baseline of a pattern's lines of that group


@dataclass(frozen=True)
class Baseline:
    """The baseline of one node. Plain numbers, so that it can be stored as JSON."""

    days: float  # of known slots, from which it was learnt
    profile: list[float]  # lines a slot, by slot of the (UTC) day
    weekend: float  # factor on the profile
    carry: float  # how much of the last hour's load continues
    rates: dict[str, tuple[float, float]]  # group → logarithm of its lines per line of the profile; power of the load
    levels: dict[str, float]  # level → share of its group
    spread: dict[str, float]  # "group/width" → over-dispersion
    limits: dict[str, tuple[float, float]]  # series → location and scale of the extremes of 6 hours
    habits: dict[str, dict[str, float]]  # "levels/width" → slot of day → lines, at busy times
    last_week: dict[str, dict[str, float]]  # "levels/width" → slots since the day began → lines, 7 or 14 days before
    day: int  # number of the day's first slot, where the learnt history ends
    patterns: dict[str, OfPattern]
    peaks: dict[str, float]  # series of the node → surprise reached on two days
    promises: dict[str, Promise]  # schedules of patterns that come at regular times
    novelty: float  # new error patterns a day
    quiet: float  # longest normal silence, as measured by `silence.quietness`
    lines_an_event: float = 1.0  # lines that come together, as measured by `rates.lines_an_event`
    of_peers: dict[str, OfPattern] = field(default_factory=dict)  # patterns that only other nodes have had
    companions: dict[str, Companion] = field(default_factory=dict)  # pattern → the pattern that it accompanies
    counterparts: dict[str, Companion] = field(default_factory=dict)  # pattern → the pattern of other nodes
    starts: dict[str, Start] = field(default_factory=dict)  # pattern → the pattern whose runs it ends
    along: dict[str, float] = field(default_factory=dict)  # group → power of the profile; default 1
    dips: dict[str, dict[str, float]] = field(default_factory=dict)
    """Falling series → slot of day → share of the expected lines, if most days have fewer: a pause at noon."""
    weekly_falls: dict[str, dict[str, float]] = field(default_factory=dict)
    """Falling series → slots since the day began → share of the expected lines; of falls in both weeks before."""
    capped: dict[str, float] = field(default_factory=dict)  # capped series → its lines per expected line
    bursts: dict[str, Bursts] = field(default_factory=dict)  # levels of failures → everyday bursts of the node


def series_name(
    levels: Collection[str] | None, per: str, width: int, *, falls: bool = False, capped: bool = False
) -> str:
    kind = "/falls" if falls else "/capped" if capped else ""
    return f"{','.join(sorted(levels)) if levels else 'all'}/{per}/{width}{kind}"


@dataclass(frozen=True)
class Series:
    """A series that a rule evaluates: its levels (None: all), per node or pattern, over `width` slots."""

    levels: tuple[str, ...] | None
    per: str
    """node, pattern, companion, counterpart, start, variety; duration (of a single pattern) or durations (of all)."""
    width: int
    falls: bool = False  # looks for too few lines
    capped: bool = False  # each slot counts at most as many lines as chance allows: finds lasting rises, not bursts

    @property
    def name(self) -> str:
        return series_name(self.levels, self.per, self.width, falls=self.falls, capped=self.capped)

    @property
    def of_durations(self) -> bool:
        return self.per in ("duration", "durations")

    @property
    def of_failures(self) -> bool:
        """Whether it looks for more warnings or errors, of the node or of a pattern."""
        rises = self.per in ("node", "pattern") and not self.falls and not self.capped
        return rises and self.groups <= {"error", "warn"}

    @property
    def groups(self) -> set[str]:
        return {group_of(level) for level in self.levels} if self.levels else set(GROUPS)


def habits_key(levels: Collection[str] | None) -> str:
    return ",".join(sorted(levels)) if levels else "all"


def joined_patterns(parts: Iterable[OfPattern]) -> OfPattern:
    """The baseline of patterns that were merged later: for each group, that of the pattern with the most lines."""
    joined: OfPattern = {}
    for part in parts:
        for group, pattern in part.items():
            if group not in joined or joined[group].lines < pattern.lines:
                joined[group] = pattern
    return joined
