"""Figures and texts of a rule that fires, for detectors and predictors.

Conditions: `conditions/`, `forecasting/predictors.py`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from fleexmon_pipeline.detection.observation import Hit, Measure, Observation
from fleexmon_pipeline.detection.rule_model import NO_PATTERN, Detector, Rule
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.issues.runbooks import advice_for
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.shared_values import with_shared_values
from fleexmon_pipeline.window import SLOT, slot_start
from fleexmon_pipeline.wording import duration, percent, whole_minutes

OF_DURATIONS, OF_STEPS = "the durations in these lines", "the time since the previous line of the same request"
MAX_TEMPLATE_SHOWN = 200  # characters of a template in texts and metadata; a masked stack trace has thousands


@dataclass(frozen=True)
class Firing:
    """A rule's condition holds at the end of a slot."""

    subject: Subject
    end: datetime  # of the slot
    affected: int
    shown: Mapping[str, str]  # figures as the rule's texts name them
    metadata: Mapping[str, Any]  # the same for programs
    severity: Severity | None = None  # if it differs from the rule's
    pattern: str | None = None  # whose rows are the evidence, if the subject is the node

    @property
    def source(self) -> Subject:
        """The subject whose rows are the evidence."""
        return Subject(self.subject.node, self.pattern) if self.pattern else self.subject


def occurrence(rule: Rule, firing: Firing, evidence: Sequence[uuid.UUID] = ()) -> Occurrence:
    """The row of a firing. For a pattern, with the advice of the best-fitting runbook."""
    recommendation = rule.fill(rule.recommendation, firing.shown) if rule.recommendation else None
    runbook, advice = rule.runbook, ""
    if firing.subject.pattern and (fitting := advice_for(firing.shown.get("template", ""), rule.runbook)):
        runbook, advice = fitting
        recommendation = f"{recommendation}\n\n{advice}" if recommendation else advice
    return Occurrence(
        rule=rule.name,
        rule_version=rule.version,
        source=rule.source,
        type=rule.type or rule.name,
        subject=firing.subject,
        slot=firing.end - SLOT,
        severity=firing.severity or rule.severity,
        title=rule.fill_title(firing.shown),
        description=rule.fill(rule.description, firing.shown),
        recommendation=recommendation,
        nodes=[firing.subject.node] if firing.subject.node else [],
        grace=rule.grace,
        affected=firing.affected,
        evidence=evidence,
        metadata={
            **firing.metadata,
            "what": rule.fill_what(firing.shown),
            **({"which": which[:MAX_TEMPLATE_SHOWN]} if (which := _which(firing.shown)) else {}),
            **({"runbook": runbook} if runbook else {}),
            **({"labels": rule.labels} if rule.labels else {}),
        },
        wording=_version_of(rule.what or "", rule.title, rule.description, rule.recommendation or "", advice),
    )


def _which(shown: Mapping[str, str]) -> str | None:
    """The text of the firing's message, with the values that its lines share."""
    texts = (shown.get(name) for name in ("reason", "template", "top_pattern"))
    return next((text for text in texts if text and text != NO_PATTERN), None)


@cache
def _version_of(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


TOP_PATTERNS = 3


def firing_of(rule: Detector, observation: Observation, hit: Hit, label: str | None = None) -> Firing:
    """The figures and texts of a hit. label: the pattern's name, given by people."""
    if hit.measure is not None:
        return _of_measure(rule, observation, hit, hit.measure)
    node, width = observation.grid.node, hit.width * SLOT
    end = slot_start(observation.grid.first + hit.slot + 1)
    times = hit.count / max(hit.expected or 0.0, 0.1)
    figures: dict[str, Any] = {"count": hit.count, "withinMinutes": whole_minutes(width)}
    shown = {"node": node, "count": f"{hit.count:,}", "within": duration(width)}
    if hit.expected is not None:
        figures |= {"expected": round(hit.expected, 2)}
    shown |= {"expected": _rounded(hit.expected or 0.0), "times": _rounded(times), "share": percent(times)}
    if hit.pattern is not None:
        template = observation.templates.get(hit.pattern, hit.pattern)[:MAX_TEMPLATE_SHOWN]
        figures |= {"pattern": hit.pattern, "template": template}
        shown |= {"pattern": hit.pattern, "template": f"{label}: {template}" if label else template}
        if hit.companion is not None:
            shown["companion"] = observation.templates.get(hit.companion, hit.companion)[:MAX_TEMPLATE_SHOWN]
            figures["companion"] = {"pattern": hit.companion, "template": shown["companion"]}
        if hit.field is not None:
            shown["field"] = str(hit.field + 1)
            figures["field"] = hit.field + 1
    elif not rule.absence:
        top = _top_patterns(rule, observation, hit)
        figures["topPatterns"] = top
        shown["top_pattern"] = top[0]["template"] if top else NO_PATTERN
    if hit.of_budget is not None:
        figures["ofBudget"] = float(f"{hit.of_budget:.3g}")
    if rule.threshold is not None:
        figures["threshold"] = rule.threshold
        shown["threshold"] = rule.threshold_text()
    measured = {"count": float(hit.count), "times": times}
    if hit.total is not None:
        rate = hit.count / hit.total
        figures = {"errors": hit.count, "total": hit.total, "rate": rate, **figures}
        del figures["count"]
        shown |= {"total": f"{hit.total:,}", "rate": percent(rate)}
        measured["rate"] = rate
    return Firing(Subject(node, hit.pattern), end, hit.count, shown, figures, rule.severity_of(measured))


def _of_measure(rule: Detector, observation: Observation, hit: Hit, measure: Measure) -> Firing:
    node, width = observation.grid.node, hit.width * SLOT
    template = observation.templates.get(measure.pattern, measure.pattern)[:MAX_TEMPLATE_SHOWN]
    times = measure.value / max(measure.expected, 1e-9)
    shown = {
        "node": node,
        "count": f"{hit.count:,}",
        "within": duration(width),
        "figure": measure.name,
        "measured": OF_STEPS if measure.steps else OF_DURATIONS,
        "value": _significant(measure.value),
        "expected": _significant(measure.expected),
        "times": _rounded(times),
        "pattern": measure.pattern,
        "template": template,
    }
    figures = {
        "count": hit.count,
        "withinMinutes": whole_minutes(width),
        "figure": measure.name,
        **({"steps": True} if measure.steps else {}),
        "value": float(f"{measure.value:.4g}"),
        "expected": float(f"{measure.expected:.4g}"),
        "pattern": measure.pattern,
        "template": template,
        **({"ofBudget": float(f"{hit.of_budget:.3g}")} if hit.of_budget is not None else {}),
    }
    end = slot_start(observation.grid.first + hit.slot + 1)
    severity = rule.severity_of({"count": float(hit.count), "times": times})
    return Firing(Subject(node, None), end, hit.count, shown, figures, severity, measure.pattern)


def _significant(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def naming(firing: Firing, template: str, messages: Sequence[str]) -> Firing:
    """The firing with the values that all `messages` (redacted) share, put into the template in its texts."""
    named = with_shared_values(template, messages)[:MAX_TEMPLATE_SHOWN]
    label = firing.shown["template"].removesuffix(template[:MAX_TEMPLATE_SHOWN])
    return replace(firing, shown={**firing.shown, "template": label + named})


def _rounded(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 else f"{figure:.1f}"


def _top_patterns(rule: Detector, observation: Observation, hit: Hit) -> list[dict[str, Any]]:
    """The node's most frequent patterns that the rule counts. A pattern is left out if a mask hides the rule's text in
    its template. That does not affect whether the rule fires: for that, lines were counted."""
    window = slice(max(hit.slot + 1 - hit.width, 0), hit.slot + 1)
    counts = {
        pattern: int(count)
        for pattern, row in observation.grid.patterns(rule.lines.level or LEVELS).items()
        if (count := row[window].sum()) and rule.lines.has_text(observation.templates[pattern])
    }
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP_PATTERNS]
    return [
        {"pattern": pattern, "template": observation.templates[pattern][:MAX_TEMPLATE_SHOWN], "count": count}
        for pattern, count in ranked
    ]
