"""What is usual for a node: lines by time of day and load, how far they stray, which patterns it has.

Here: what it lets expect of a window, and how far beyond a window is. Where it comes from: `learn.py`; keeping it:
`detection/observe.py`; when a rule takes it for unusual: `detection/conditions/rates.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PatternBaseline:
    """What is known of a pattern at a node."""

    group: str
    lines: int
    share: float  # of the group's lines since it was first seen
    peak: float = 0.0  # surprise that it reaches by habit: the third of its days
    habits: dict[str, dict[str, float]] = field(default_factory=dict)  # width → slot of day → lines then, where many


@dataclass(frozen=True)
class Baseline:
    """Of one node. Plain numbers, so that it can be kept as JSON."""

    days: float  # of known slots that it was learnt from
    profile: list[float]  # lines a slot, by slot of the (UTC) day
    weekend: float  # factor on it
    carry: float  # how much of the last hour's load goes on
    rates: dict[str, tuple[float, float]]  # group → log of its lines per line of the profile; power of the load
    levels: dict[str, float]  # level → share of its group
    spread: dict[str, float]  # "group/width" → over-dispersion
    limits: dict[str, tuple[float, float]]  # series → location and scale of the extremes of 6 hours
    habits: dict[str, dict[str, float]]  # "levels/width" → slot of day → lines then, where many
    patterns: dict[str, PatternBaseline]
    novelty: float  # error patterns a day that were never seen before
    quiet: float  # longest silence that is usual, as `unusual.silence` measures it


def series_name(levels: Collection[str] | None, per: str, width: int) -> str:
    return f"{','.join(sorted(levels)) if levels else 'all'}/{per}/{width}"


@dataclass(frozen=True)
class Series:
    """A series that some rule judges: its levels (None: all), by node or by pattern, over so many slots."""

    levels: tuple[str, ...] | None
    per: str
    width: int

    @property
    def name(self) -> str:
        return series_name(self.levels, self.per, self.width)


def habits_key(levels: Collection[str] | None) -> str:
    return ",".join(sorted(levels)) if levels else "all"
