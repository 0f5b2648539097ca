"""Which condition each kind of rule has, the series it evaluates, and how far it looks back.

Here: one dispatch by kind. Conditions themselves: the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR
from fleexmon_pipeline.detection.conditions.new_and_silent import new, silence
from fleexmon_pipeline.detection.conditions.rates import rate
from fleexmon_pipeline.detection.conditions.thresholds import ratio, repeated, threshold
from fleexmon_pipeline.detection.observation import Finding, Scene
from fleexmon_pipeline.detection.rule_model import (
    Detector,
    New,
    Rate,
    Ratio,
    Repeated,
    Rule,
    Silence,
    Spike,
    Threshold,
    Trend,
)
from fleexmon_pipeline.window import SLOT


def conditions(rule: Detector, scene: Scene) -> Iterator[Finding]:
    """Where the rule holds, for all slots of the grid; whoever asks takes those that it judges."""
    match rule:
        case Ratio():
            yield from ratio(rule, scene)
        case Repeated():
            yield from repeated(rule, scene)
        case Threshold():
            yield from threshold(rule, scene)
        case Rate():
            yield from rate(rule, scene)
        case New():
            yield from new(rule, scene)
        case Silence():
            yield from silence(rule, scene)


def asked_by(rule: Rule) -> list[Series]:  # noqa: PLR0911  a case a kind
    """The series that a baseline must know limits of."""
    match rule:
        case Ratio():
            return [Series(rule.where.level, "node", rule.ratio.within // SLOT)]
        case Repeated():
            return [Series(rule.where.level, "pattern", rule.count.within // SLOT)]
        case Threshold():
            return [Series(rule.where.level, "node", rule.count.within // SLOT)] if not rule.where.has_words else []
        case Rate():
            return [Series(rule.where.level, rule.rate.per, within // SLOT) for within in rule.rate.at_least]
        case Trend():
            return [Series(rule.where.level, "node", rule.trend.hours * SLOTS_AN_HOUR)]
        case Spike():
            return [Series(None, "node", SLOTS_AN_HOUR)]
        case _:
            return []


def width_of(rule: Detector) -> int:
    """Slots of the longest window that a rule looks at."""
    match rule:
        case Ratio():
            return rule.ratio.within // SLOT
        case Repeated() | Threshold():
            return rule.count.within // SLOT
        case Rate():
            return max(rule.rate.at_least) // SLOT
        case New():
            return rule.new.within // SLOT
        case Silence():
            return 1
