"""One budget of false alarms for the whole installation, which rules and nodes share.

Here: what share of the rate in its file a rule has, and how well the budget was kept. Limits by rate:
`baselines/expectation.py`; who notices: `assets/checks.py`.

A rule's `false_alarms` is a weight: all rules at all nodes together may have as many as the operator allows. What
people call noise steers: each such issue halves its rule's share, and the share grows back as fast as the rate that was
allowed. So in the long run no rule has more noise than it may, however far off its limits are (adaptive conformal
inference, Gibbs and Candès 2021, on logarithms). Nothing that was said of an issue makes a rule more sensitive than its
weight: silence is no praise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule_model import Detector, Rule
from fleexmon_pipeline.window import DAY

# By judgement: a person who called three issues noise expects to hear no fourth soon.
STEP = log(2)  # of a share's logarithm, for each issue that was called noise
MAX_STEPS_A_DAY = 2  # of a rule: one cause may have opened many issues
MIN_SHARE = 1 / 256
USUAL_BUDGET = (
    0.25  # the rates in the files were chosen with it, on six nodes: with fewer nodes no rate is raised by it
)
REMEMBERED = 90 * DAY  # verdicts
JUDGED = 28 * DAY  # what the check looks back on

_SQL = statements("rates")


@dataclass(frozen=True)
class Budget:
    """What the operator allows, and the rules that share it."""

    a_day: float
    rules: Sequence[Rule]

    def shares(self, connection: Connection, day: datetime) -> dict[str, float]:
        """Rule → what its `false_alarms` is multiplied by on this day. By what was known when the day began, so that a
        slot that is evaluated again has the same limits."""
        row = connection.execute(_SQL["since"], {"since": day - DAY, "until": day}).fetchone()
        noise: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for verdict in connection.execute(_SQL["noise_by_day"], {"since": day - REMEMBERED, "until": day}):
            noise[verdict["rule"]][verdict["day"]] = verdict["noise"]
        return shares_of(self.rules, int(row["nodes"]) if row else 0, self.a_day, noise)


def shares_of(
    rules: Sequence[Rule], nodes: int, budget: float, noise: Mapping[str, Mapping[int, int]]
) -> dict[str, float]:
    """noise: rule → days ago → issues that were called noise that day."""
    weights = {rule.name: rule.false_alarms for rule in rules if isinstance(rule, Detector) and rule.enabled}
    active = {rule.name for rule in rules if rule.mode == "active"}
    total = sum(weight for name, weight in weights.items() if name in active)
    if not nodes or not total:
        return {}
    even = min(budget / (nodes * total), max(budget / USUAL_BUDGET, 1.0))
    return {
        name: even * _steered(nodes * even * weight, noise.get(name, {})) for name, weight in weights.items() if weight
    }


def _steered(allowed: float, noise: Mapping[int, int]) -> float:
    """A rule's share, 1 or less, after the days so far. allowed: false alarms a day."""
    share = 0.0  # logarithm
    for day in range(max(noise, default=0), 0, -1):
        share += STEP * (allowed - min(noise.get(day, 0), MAX_STEPS_A_DAY))
        share = min(max(share, log(MIN_SHARE)), 0.0)
    return float(2 ** (share / STEP))


@dataclass(frozen=True)
class Kept:
    """Issues of the last four weeks by rules that share the budget, and what people called them."""

    budget: float  # false alarms a day
    days: float  # covered
    issues: int
    noise: int
    real: int
    narrow: int  # would not have opened with half of the budget
    narrow_noise: int
    narrow_real: int

    @property
    def a_day(self) -> float:
        return self.noise / self.days if self.days else 0.0

    def problem(self) -> str | None:
        """More noise than chance leaves of what was allowed: by two standard deviations and three issues."""
        allowed = self.budget * self.days
        if self.noise >= 3 and self.noise > allowed + 2 * allowed**0.5:
            return (
                f"{self.noise} issues in {self.days:.0f} days were marked as noise, {self.a_day:.2f} a day; "
                f"{self.budget:g} are allowed. Their rules get a smaller share each day"
            )
        return None

    def sentence(self) -> str:
        unjudged = self.issues - self.noise - self.real
        at_most = (self.noise + unjudged) / self.days if self.days else 0.0
        had = f"false alarms a day: {self.budget:g} allowed, {self.a_day:.2f} marked as noise"
        if unjudged:
            had += f", at most {at_most:.2f} if the {unjudged} issues without a mark were noise too"
        return f"{had}. {self._cost()}"

    def _cost(self) -> str:
        if not self.issues:
            return "Half the budget would have suppressed no issue"
        unjudged = self.narrow - self.narrow_noise - self.narrow_real
        return (
            f"Half the budget would have suppressed {self.narrow} of {self.issues} issues: {self.narrow_real} marked "
            f"as real, {self.narrow_noise} as noise, {unjudged} not marked"
        )


def kept(connection: Connection, budget: Budget, *, until: datetime) -> Kept:
    """Of the four weeks up to `until` (event time, UTC)."""
    bounds = {"since": until - JUDGED, "until": until}
    covered = connection.execute(_SQL["since"], bounds).fetchone()
    days = (covered["until"] - covered["since"]) / DAY if covered and covered["since"] else 0.0
    sharing = [rule.name for rule in budget.rules if isinstance(rule, Detector) and rule.false_alarms]
    row = connection.execute(_SQL["kept"], {**bounds, "rules": sharing}).fetchone() or {}
    names = ("issues", "noise", "real", "narrow", "narrow_noise", "narrow_real")
    return Kept(budget.a_day, days, *(int(row.get(name) or 0) for name in names))
