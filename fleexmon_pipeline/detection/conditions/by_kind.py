"""The condition of each kind of detector rule.

Conditions of predictors: `forecasting/predictors.py`. Other properties of a kind: `detection/rule_kinds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fleexmon_pipeline.detection.conditions.durations import value
from fleexmon_pipeline.detection.conditions.falls import companion_missing, drop, missed, unfinished
from fleexmon_pipeline.detection.conditions.new_and_silent import new, silence
from fleexmon_pipeline.detection.conditions.outcomes import instead
from fleexmon_pipeline.detection.conditions.rates import rate
from fleexmon_pipeline.detection.conditions.stuck import stuck
from fleexmon_pipeline.detection.conditions.thresholds import ratio, repeated, threshold
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_model import Detector

# Any: each condition takes the class of its own kind.
CONDITIONS: dict[str, Callable[[Any, Observation], Iterator[Hit]]] = {
    "ratio": ratio,
    "repeated": repeated,
    "threshold": threshold,
    "rate": rate,
    "drop": drop,
    "missed": missed,
    "companion": companion_missing,
    "unfinished": unfinished,
    "instead": instead,
    "value": value,
    "stuck": stuck,
    "new": new,
    "silence": silence,
}


def hits_of(rule: Detector, observation: Observation) -> Iterator[Hit]:
    """Where the rule's condition holds, in all slots of the grid. Callers pick the slots that they evaluate."""
    return CONDITIONS[rule.kind](rule, observation)
