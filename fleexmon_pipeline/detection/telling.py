"""What a finding says: its figures, for the texts of its rule and for programs.

Here: from a condition that held to a `Firing`. Conditions: `unusual.py`; the row that a firing makes: `firing.py`.
"""

from __future__ import annotations

from typing import Any

from fleexmon_pipeline.detection.firing import TEMPLATE_SHOWN, Firing, minutes, percent, spoken
from fleexmon_pipeline.detection.grid import moment
from fleexmon_pipeline.detection.occurrence import Subject
from fleexmon_pipeline.detection.rule import LEVELS, Detector, Ratio, Repeated, Silence, Threshold
from fleexmon_pipeline.detection.scene import Finding, Scene
from fleexmon_pipeline.window import SLOT

TOP_PATTERNS = 3
NO_PATTERN = "no pattern yet"


def firing_of(rule: Detector, scene: Scene, found: Finding, name: str | None = None) -> Firing:
    """`name`: what people call its pattern."""
    node, width = scene.grid.node, found.width * SLOT
    end = moment(scene.grid.first + found.slot + 1)
    subject = Subject(node, found.pattern)
    figures: dict[str, Any] = {"count": found.count, "withinMinutes": minutes(width)}
    shown = {"node": node, "count": str(found.count), "within": spoken(width)}
    if found.expected is not None:
        figures |= {"expected": round(found.expected, 2)}
    shown |= {"expected": _few(found.expected or 0.0), "times": _times(found)}
    if found.pattern is not None:
        template = scene.templates.get(found.pattern, found.pattern)[:TEMPLATE_SHOWN]
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
        {"pattern": pattern, "template": scene.templates[pattern][:TEMPLATE_SHOWN], "count": count}
        for pattern, count in ranked
    ]
