"""Lives of nodes that are made here, with a known truth, and how a detector does on them.

Here: the score, which `durations.py` and `companions.py` share. How lives are made: there.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from fleexmon_pipeline.window import DAY, SLOT
from fleexmon_pipeline_tests.bench.table import Row

A_DAY = DAY // SLOT
GRACE = 12  # slots without a firing after which the next one begins a new alarm, as of the rules
LATE = 6  # slots after an incident in which an alarm is still its own

Alarm = tuple[int, int]  # node, slot in which it began


class Incident(Protocol):
    """`since`, `until`: slots."""

    @property
    def kind(self) -> str: ...
    @property
    def node(self) -> int: ...
    @property
    def since(self) -> int: ...
    @property
    def until(self) -> int: ...


class Life(Protocol):
    @property
    def incidents(self) -> Sequence[Incident]: ...


AnyLife = TypeVar("AnyLife", bound=Life)


@dataclass
class Lives(Generic[AnyLife]):
    """`make`: by seed, with incidents or quiet. The first `warmup` of `days` are not scored."""

    make: Callable[[int, bool], AnyLife]
    kinds: Sequence[str]
    days: int
    warmup: int

    def score(self, name: str, detector: Callable[[AnyLife], Sequence[Alarm]], seeds: Sequence[int]) -> Row:
        score = _Score()
        for seed in seeds:
            for quiet in (False, True):
                life = self.make(seed, quiet)
                alarms = [alarm for alarm in detector(life) if alarm[1] >= self.warmup * A_DAY]
                score.add(life, alarms, quiet=quiet)
        days = len(seeds) * (self.days - self.warmup)
        return {
            "detector": name,
            "recall": f"{sum(score.found.values()) / sum(score.due.values()):.2f}",
            **{kind: f"{score.found[kind]}/{score.due[kind]}" for kind in self.kinds},
            "delay_min": f"{statistics.median(score.delays):.0f}" if score.delays else "-",
            "false_a_day": f"{score.false[False] / days:.2f}",
            "quiet_false_a_day": f"{score.false[True] / days:.2f}",
        }


@dataclass
class _Score:
    """`delays`: minutes. `false`: alarms of nothing, by whether the life was quiet."""

    found: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    false: Counter[bool] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)

    def add(self, life: Life, alarms: Sequence[Alarm], *, quiet: bool) -> None:
        own: set[Alarm] = set()
        for one in life.incidents:
            of_it = [a for a in alarms if a[0] == one.node and one.since <= a[1] < one.until + LATE]
            own.update(of_it)
            self.due[one.kind] += 1
            if of_it:
                self.found[one.kind] += 1
                self.delays.append((min(slot for _, slot in of_it) - one.since + 1) * 5)
        self.false[quiet] += len(alarms) - len(own)


def begun(slots: Sequence[int]) -> Iterator[int]:
    """The slots in which an alarm begins, of those in which a rule fires."""
    last = -99
    for slot in slots:
        if slot - last > GRACE:
            yield slot
        last = slot
