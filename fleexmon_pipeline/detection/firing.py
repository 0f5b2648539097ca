"""What a rule found, before it is an occurrence; detectors and predictors alike.

Here: figures as texts show them, and the occurrence they make. Conditions: `evaluate.py`, `forecasting/predictors.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.analysis.grounding import advice_for
from fleexmon_pipeline.detection.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.detection.rule import Rule
from fleexmon_pipeline.window import SLOT

TEMPLATE_SHOWN = 200  # characters of a template in texts and metadata; a masked stack trace has thousands


@dataclass(frozen=True)
class Firing:
    """A rule's condition holds at the end of a slot."""

    subject: Subject
    end: datetime  # of the slot
    affected: int
    shown: Mapping[str, str]  # figures as the rule's texts name them
    metadata: Mapping[str, Any]  # the same for programs
    severity: Severity | None = None  # where the figures say another than the rule


def occurrence(rule: Rule, firing: Firing, evidence: Sequence[uuid.UUID] = ()) -> Occurrence:
    """The row that a firing makes. What is about a pattern comes with the advice of the runbook that fits it best."""
    recommendation = rule.fill(rule.recommendation, firing.shown) if rule.recommendation else None
    runbook = rule.runbook
    if firing.subject.pattern and (found := advice_for(firing.shown.get("template", ""), rule.runbook)):
        runbook, advice = found
        recommendation = f"{recommendation}\n\n{advice}" if recommendation else advice
    return Occurrence(
        rule=rule.name,
        rule_version=rule.version,
        source=rule.source,
        type=rule.type or rule.name,
        subject=firing.subject,
        slot=firing.end - SLOT,
        severity=firing.severity or rule.severity,
        title=rule.fill(rule.title, firing.shown),
        description=rule.fill(rule.description, firing.shown),
        recommendation=recommendation,
        nodes=[firing.subject.node] if firing.subject.node else [],
        grace=rule.grace,
        affected=firing.affected,
        evidence=evidence,
        metadata={
            **firing.metadata,
            **({"runbook": runbook} if runbook else {}),
            **({"labels": rule.labels} if rule.labels else {}),
        },
    )


def percent(share: float) -> str:
    """`9.1%`"""
    return f"{share:.1%}"


def minutes(length: timedelta) -> int:
    return length // timedelta(minutes=1)


def spoken(length: timedelta) -> str:
    """`15 minutes`, `1 hour`."""
    whole = minutes(length)
    number, unit = (whole // 60, "hour") if whole % 60 == 0 else (whole, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
