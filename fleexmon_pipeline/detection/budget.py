"""One budget of false alarms for the whole installation, shared by all rules and nodes.

Here: each rule's share of the rate in its file, and how well the budget was kept. Limits by rate:
`baselines/expectation.py`; the check that reports it: `assets/checks.py`.

A rule's `false_alarms` is a weight: all rules on all nodes together may raise as many as the operator allows. Each
issue that people mark as noise halves its rule's share. The share grows back as fast as the rule may raise false
alarms. So in the long run no rule has more noise than allowed, however wrong its limits are (adaptive conformal
inference, Gibbs and Candès 2021, on logarithms). A share never exceeds 1: issues that nobody marked are no proof that a
rule is good.
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

# Chosen by judgement: a person who marked three issues as noise does not want a fourth soon.
STEP = log(2)  # subtracted from a share's logarithm for each issue marked as noise
MAX_STEPS_A_DAY = 2  # per rule: one cause may have opened many issues
MIN_SHARE = 1 / 256
# The rates in the rule files were chosen with this budget on six nodes. With it, fewer nodes do not raise the rates.
REFERENCE_BUDGET = 0.25
VERDICT_MEMORY = 90 * DAY
CHECKED = 28 * DAY  # that the check evaluates

_SQL = statements("rates")


@dataclass(frozen=True)
class Budget:
    """What the operator allows, and the rules that share it."""

    a_day: float
    rules: Sequence[Rule]

    def shares(self, connection: Connection, day: datetime) -> dict[str, float]:
        """Rule → factor for its `false_alarms` on this day. Uses only what was known when the day began, so that a slot
        that is evaluated again has the same limits."""
        row = connection.execute(_SQL["since"], {"since": day - DAY, "until": day}).fetchone()
        noise: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for verdict in connection.execute(_SQL["noise_by_day"], {"since": day - VERDICT_MEMORY, "until": day}):
            noise[verdict["rule"]][verdict["day"]] = verdict["noise"]
        return shares_of(self.rules, int(row["nodes"]) if row else 0, self.a_day, noise)


def shares_of(
    rules: Sequence[Rule], nodes: int, budget: float, noise: Mapping[str, Mapping[int, int]]
) -> dict[str, float]:
    """Rule → factor for its `false_alarms`. noise: rule → days ago → issues marked as noise on that day."""
    weights = {rule.name: rule.false_alarms for rule in rules if isinstance(rule, Detector) and rule.enabled}
    active = {rule.name for rule in rules if rule.mode == "active"}
    total = sum(weight for name, weight in weights.items() if name in active)
    if not nodes or not total:
        return {}
    even = min(budget / (nodes * total), max(budget / REFERENCE_BUDGET, 1.0))
    return {
        name: even * _steered(nodes * even * weight, noise.get(name, {})) for name, weight in weights.items() if weight
    }


def _steered(allowed: float, noise: Mapping[int, int]) -> float:
    """A rule's share after these days of noise, at most 1. allowed: false alarms a day."""
    share = 0.0  # logarithm
    for day in range(max(noise, default=0), 0, -1):
        share += STEP * (allowed - min(noise.get(day, 0), MAX_STEPS_A_DAY))
        share = min(max(share, log(MIN_SHARE)), 0.0)
    return float(2 ** (share / STEP))


@dataclass(frozen=True)
class Kept:
    """Issues of the last four weeks by rules that share the budget, and how people marked them."""

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
        """Set if at least three issues were noise, and more than two standard deviations above the allowed number."""
        allowed = self.budget * self.days
        if self.noise >= 3 and self.noise > allowed + 2 * allowed**0.5:
            return (
                f"{self.noise} issues in {self.days:.0f} days were marked as noise, {self.a_day:.2f} a day; "
                f"{self.budget:g} are allowed. Their rules get a smaller share each day"
            )
        return None

    def sentence(self) -> str:
        unmarked = self.issues - self.noise - self.real
        at_most = (self.noise + unmarked) / self.days if self.days else 0.0
        text = f"false alarms a day: {self.budget:g} allowed, {self.a_day:.2f} marked as noise"
        if unmarked:
            text += f", at most {at_most:.2f} if the {unmarked} issues without a mark were noise too"
        return f"{text}. {self._cost()}"

    def _cost(self) -> str:
        if not self.issues:
            return "Half the budget would have suppressed no issue"
        unmarked = self.narrow - self.narrow_noise - self.narrow_real
        return (
            f"Half the budget would have suppressed {self.narrow} of {self.issues} issues: {self.narrow_real} marked "
            f"as real, {self.narrow_noise} as noise, {unmarked} not marked"
        )


def kept(connection: Connection, budget: Budget, *, until: datetime) -> Kept:
    """How the budget was kept in the four weeks up to `until` (event time, UTC)."""
    bounds = {"since": until - CHECKED, "until": until}
    covered = connection.execute(_SQL["since"], bounds).fetchone()
    days = (covered["until"] - covered["since"]) / DAY if covered and covered["since"] else 0.0
    sharing = [rule.name for rule in budget.rules if isinstance(rule, Detector) and rule.false_alarms]
    row = connection.execute(_SQL["kept"], {**bounds, "rules": sharing}).fetchone() or {}
    names = ("issues", "noise", "real", "narrow", "narrow_noise", "narrow_real")
    return Kept(budget.a_day, days, *(int(row.get(name) or 0) for name in names))
