"""How often each rule fires on one's own history, and which are too loud to be believed.

Here: reading and judging. What is shown of it: `checks.py`; trying another threshold: `replays/rules.py`.
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
TOO_MANY = 3.0  # issues a node and day of one rule: people stop to read them
LEAST_KNOWN = DAY  # of less, the first hours of a new node would be all there is
FEW_VERDICTS = 3  # called noise before a rule is named for it


@dataclass(frozen=True)
class Rate:
    """One rule on the last seven days."""

    rule: str
    shadow: bool  # `issues` are then subjects that it fired for
    slots: int
    issues: int  # that began
    noise: int  # of them, that people called so
    a_day: float

    def problem(self, nodes: int) -> str | None:
        if self.a_day > TOO_MANY * max(nodes, 1):
            return f"{self.a_day:.1f} issues a day of {nodes} nodes: nobody reads so many"
        if self.noise >= FEW_VERDICTS and self.noise * 2 >= self.issues:
            return f"{self.noise} of its {self.issues} issues were called noise"
        return None


@dataclass(frozen=True)
class Rates:
    days: float  # known of the last seven
    nodes: int
    rules: list[Rate]  # every rule given, and those that fired; the loudest first

    def problems(self) -> list[tuple[str, str]]:
        """Rule and what is wrong with it; [] while less than a day is known."""
        if self.days * DAY < LEAST_KNOWN:
            return []
        return [(rate.rule, told) for rate in self.rules if (told := rate.problem(self.nodes))]

    def sentence(self) -> str:
        issues = sum(rate.issues for rate in self.rules if not rate.shadow)
        a_day = issues / self.days if self.days else 0.0
        return f"{issues} issues in {self.days:.1f} days, {a_day:.1f} a day; {self.nodes} nodes"


def firing_rates(connection: Connection, rules: Collection[str], *, until: datetime) -> Rates:
    """Of the seven days up to `until` (event time, UTC). A rule of `rules` that never fired has zeros."""
    where = {"since": until - HISTORY, "until": until}
    known = connection.execute(_SQL["since"], where).fetchone()
    if known is None or known["since"] is None:
        return Rates(0.0, 0, [])
    days = (known["until"] - known["since"]) / DAY
    found = [
        Rate(row["rule"], row["shadow"], row["slots"], row["issues"], row["noise"], row["issues"] / days)
        for row in connection.execute(_SQL["rates"], where)
    ]
    silent = sorted(set(rules) - {rate.rule for rate in found})
    return Rates(days, known["nodes"], [*found, *(Rate(rule, False, 0, 0, 0, 0.0) for rule in silent)])
