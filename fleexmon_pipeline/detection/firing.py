"""What a rule found, before it is an occurrence; detectors and predictors alike.

Here: figures as texts show them, and the occurrence they make. Conditions: `evaluate.py`, `forecasting/predictors.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleexmon_pipeline.detection.observation import Finding, Scene
from fleexmon_pipeline.detection.rule_model import Detector, Ratio, Repeated, Rule, Silence, Threshold
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.issues.runbooks import advice_for
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.window import SLOT, slot_start
from fleexmon_pipeline.wording import duration, percent, whole_minutes

MAX_TEMPLATE_SHOWN = 200  # characters of a template in texts and metadata; a masked stack trace has thousands


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


TOP_PATTERNS = 3
NO_PATTERN = "no pattern yet"


def firing_of(rule: Detector, scene: Scene, found: Finding, name: str | None = None) -> Firing:
    """`name`: what people call its pattern."""
    node, width = scene.grid.node, found.width * SLOT
    end = slot_start(scene.grid.first + found.slot + 1)
    subject = Subject(node, found.pattern)
    figures: dict[str, Any] = {"count": found.count, "withinMinutes": whole_minutes(width)}
    shown = {"node": node, "count": str(found.count), "within": duration(width)}
    if found.expected is not None:
        figures |= {"expected": round(found.expected, 2)}
    shown |= {"expected": _few(found.expected or 0.0), "times": _times(found)}
    if found.pattern is not None:
        template = scene.templates.get(found.pattern, found.pattern)[:MAX_TEMPLATE_SHOWN]
        figures |= {"pattern": found.pattern, "template": template}
        shown |= {"pattern": found.pattern, "template": f"{name}: {template}" if name else template}
    else:
        top = _top_patterns(rule, scene, found)
        if not isinstance(rule, Silence):
            figures["topPatterns"] = top
        shown["top_pattern"] = top[0]["template"] if top else NO_PATTERN
    limit = _threshold_of(rule)
    if limit is not None:
        figures["threshold"] = limit
        shown["threshold"] = percent(limit) if isinstance(rule, Ratio) else str(limit)
    if found.total is not None:
        rate = found.count / found.total
        figures = {"errors": found.count, "total": found.total, "rate": rate, **figures}
        del figures["count"]
        shown |= {"total": str(found.total), "rate": percent(rate)}
    measured = {"count": float(found.count), "times": found.count / max(found.expected or 0.0, 0.1)}
    if found.total:
        measured["rate"] = found.count / found.total
    return Firing(subject, end, found.count, shown, figures, rule.severity_of(measured))


def _threshold_of(rule: Detector) -> float | None:
    match rule:
        case Ratio():
            return rule.ratio.more_than
        case Repeated() | Threshold():
            return rule.count.more_than
        case _:
            return None


def _few(lines: float) -> str:
    return f"{lines:.0f}" if lines >= 10 else f"{lines:.1f}"


def _times(found: Finding) -> str:
    times = found.count / max(found.expected or 0.0, 0.1)
    return f"{times:.0f}" if times >= 10 else f"{times:.1f}"


def _top_patterns(rule: Detector, scene: Scene, found: Finding) -> list[dict[str, Any]]:
    """The node's loudest patterns that the rule is about. A text that a mask hides in the template finds none; what
    fired is not affected, it was counted on the lines."""
    if isinstance(rule, Silence):
        return []
    loudest = {
        pattern: int(count)
        for pattern, row in scene.grid.patterns(rule.where.level or LEVELS).items()
        if (count := row[max(found.slot + 1 - found.width, 0) : found.slot + 1].sum())
        and rule.where.has_text(scene.templates[pattern])
    }
    ranked = sorted(loudest.items(), key=lambda item: (-item[1], item[0]))[:TOP_PATTERNS]
    return [
        {"pattern": pattern, "template": scene.templates[pattern][:MAX_TEMPLATE_SHOWN], "count": count}
        for pattern, count in ranked
    ]
