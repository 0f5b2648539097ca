"""How often each rule fired in the stored history, and which rules are noisy.

The check that shows it: `assets/checks.py`; trying another threshold: `replays/rules.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import DAY

_SQL = statements("rates")
HISTORY = 7 * DAY
MAX_INCIDENTS_PER_NODE_DAY = 3.0  # with an issue of one rule; above it, people stop reading
MIN_COVERED = DAY  # with less, rates describe a node's first hours
MIN_NOISE_VERDICTS = 3  # before a rule is reported as noisy


@dataclass(frozen=True)
class Rate:
    """One rule over the last seven days."""

    rule: str
    shadow: bool  # if True, `issues` counts the subjects that it fired for
    slots: int
    issues: int  # opened
    incidents: int  # that contain these issues: people read incidents
    noise: int  # issues that people marked as noise
    days: float

    @property
    def a_day(self) -> float:
        return self.issues / self.days if self.days else 0.0

    @property
    def incidents_a_day(self) -> float:
        return self.incidents / self.days if self.days else 0.0

    def problem(self, nodes: int) -> str | None:
        if self.incidents_a_day > MAX_INCIDENTS_PER_NODE_DAY * max(nodes, 1):
            return f"{self.incidents_a_day:.1f} incidents a day on {nodes} nodes: too many to read"
        if self.noise >= MIN_NOISE_VERDICTS and self.noise * 2 >= self.issues:
            return f"{self.noise} of its {self.issues} issues were marked as noise"
        return None


@dataclass(frozen=True)
class Rates:
    days: float  # covered, of the last seven
    nodes: int
    rules: list[Rate]  # all rules that were given or fired; the noisiest first

    def problems(self) -> list[tuple[str, str]]:
        """Rules and their problems; [] while less than a day is covered."""
        if self.days * DAY < MIN_COVERED:
            return []
        return [(rate.rule, problem) for rate in self.rules if (problem := rate.problem(self.nodes))]

    def sentence(self) -> str:
        issues = sum(rate.issues for rate in self.rules if not rate.shadow)
        a_day = issues / self.days if self.days else 0.0
        return f"{issues} issues in {self.days:.1f} days, {a_day:.1f} a day; {self.nodes} nodes"


def firing_rates(connection: Connection, rules: Collection[str], *, until: datetime) -> Rates:
    """Rates in the seven days up to `until` (event time, UTC). A rule of `rules` that never fired has zeros."""
    bounds = {"since": until - HISTORY, "until": until}
    covered = connection.execute(_SQL["since"], bounds).fetchone()
    if covered is None or covered["since"] is None:
        return Rates(0.0, 0, [])
    days = (covered["until"] - covered["since"]) / DAY
    fired = [
        Rate(row["rule"], row["shadow"], row["slots"], row["issues"], row["incidents"], row["noise"], days)
        for row in connection.execute(_SQL["rates"], bounds)
    ]
    silent = sorted(set(rules) - {rate.rule for rate in fired})
    return Rates(days, covered["nodes"], [*fired, *(Rate(rule, False, 0, 0, 0, 0, days) for rule in silent)])
