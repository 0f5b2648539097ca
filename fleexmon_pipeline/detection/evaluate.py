"""Detector rules over a window: for every slot that ended, what fired at its end.

Here: the conditions. Counts and lines: `counts.py`, `texts.py`; the row that a firing makes: `firing.py`; what becomes
of it: `lifecycle.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.counts import Counts, Series, read_counts, read_samples, trailing
from fleexmon_pipeline.detection.firing import TEMPLATE_SHOWN, Firing, minutes, occurrence, percent, spoken
from fleexmon_pipeline.detection.occurrence import Occurrence, Subject
from fleexmon_pipeline.detection.rule import LEVELS, Ratio, Repeated, Rule, Threshold
from fleexmon_pipeline.detection.texts import find_texts
from fleexmon_pipeline.window import SLOT, Window

TOP_PATTERNS = 3
NO_PATTERN = "no pattern yet"

Detector = Ratio | Repeated | Threshold


def evaluate(connection: Connection, rules: Sequence[Rule], window: Window, *, until: datetime) -> list[Occurrence]:
    """What the detector rules say at the end of each slot of `window` that ends no later than `until`.

    A rule sees the lines of its `within` before the slot's end, and nothing later: a line that comes in afterwards
    changes no earlier slot. Predictors and disabled rules are passed over. Ordered by slot, rule, subject.

    Reads the counts of the window, once; lines only where a rule looks for texts, once for all of them.
    """
    ends = [slot.until for slot in window.slots() if slot.until <= until]
    active = [rule for rule in rules if rule.enabled and isinstance(rule, Detector)]
    if not ends or not active:
        return []
    seen = Window(ends[0] - max(_within(rule) for rule in active), ends[-1])
    counts = read_counts(connection, seen)
    texts = find_texts(connection, [rule for rule in active if isinstance(rule, Threshold)], seen)
    found: list[Occurrence] = []
    for rule in active:
        match rule:
            case Ratio():
                firings = list(_ratio(rule, counts, ends))
            case Repeated():
                firings = list(_repeated(rule, counts, ends))
            case Threshold():
                by_node = texts[rule.name].counts if rule.name in texts else counts.tally(_levels(rule)).nodes
                firings = list(_threshold(rule, counts, by_node, ends))
        if not firings:
            continue
        lines = texts.get(rule.name) or read_samples(
            connection,
            counts,
            Window(min(firing.end for firing in firings) - _within(rule), max(firing.end for firing in firings)),
            nodes={firing.subject.node for firing in firings if firing.subject.node},
            levels=_levels(rule),
            patterns={firing.subject.pattern for firing in firings if firing.subject.pattern} or None,
        )
        slots = _within(rule) // SLOT
        found += (occurrence(rule, each, lines.newest(each.subject, each.end, slots)) for each in firings)
    return sorted(found, key=lambda each: (each.slot, each.rule, str(each.subject)))


def _ratio(rule: Ratio, counts: Counts, ends: Iterable[datetime]) -> Iterator[Firing]:
    limit, within = rule.ratio.more_than, rule.ratio.within
    for node, series in counts.tally(rule.where.level).nodes.items():
        every = counts.tally(LEVELS).nodes[node]
        for end in ends:
            errors, total = trailing(series, end, within), trailing(every, end, within)
            if total <= rule.ratio.total_more_than or errors / total <= limit:
                continue
            rate = errors / total
            top = _top_patterns(rule, counts, node, end)
            figures = {"errors": errors, "total": total, "rate": rate, **_figures(limit, within), "topPatterns": top}
            shown = {
                **_shown(node, errors, percent(limit), within),
                "total": str(total),
                "rate": percent(rate),
                "top_pattern": top[0]["template"] if top else NO_PATTERN,
            }
            yield Firing(Subject(node), end, errors, shown, figures)


def _repeated(rule: Repeated, counts: Counts, ends: Iterable[datetime]) -> Iterator[Firing]:
    limit, within = rule.count.more_than, rule.count.within
    for node, patterns in counts.tally(rule.where.level).patterns.items():
        for pattern, series in patterns.items():
            about = {"pattern": pattern, "template": counts.templates[pattern][:TEMPLATE_SHOWN]}
            for end, count in _above(series, ends, within, limit):
                figures = {"count": count, **_figures(limit, within), **about}
                shown = {**_shown(node, count, str(limit), within), **about}
                yield Firing(Subject(node, pattern), end, count, shown, figures)


def _threshold(
    rule: Threshold, counts: Counts, by_node: Mapping[str, Series], ends: Iterable[datetime]
) -> Iterator[Firing]:
    limit, within = rule.count.more_than, rule.count.within
    for node, series in by_node.items():
        for end, count in _above(series, ends, within, limit):
            top = _top_patterns(rule, counts, node, end)
            figures = {"count": count, **_figures(limit, within), "topPatterns": top}
            shown = {
                **_shown(node, count, str(limit), within),
                "top_pattern": top[0]["template"] if top else NO_PATTERN,
            }
            yield Firing(Subject(node), end, count, shown, figures)


def _above(series: Series, ends: Iterable[datetime], within: timedelta, limit: int) -> Iterator[tuple[datetime, int]]:
    for end in ends:
        count = trailing(series, end, within)
        if count > limit:
            yield end, count


def _figures(limit: float, within: timedelta) -> dict[str, Any]:
    return {"threshold": limit, "withinMinutes": minutes(within)}


def _shown(node: str, count: int, limit: str, within: timedelta) -> dict[str, str]:
    return {"node": node, "count": str(count), "threshold": limit, "within": spoken(within)}


def _top_patterns(rule: Ratio | Threshold, counts: Counts, node: str, end: datetime) -> list[dict[str, Any]]:
    """The node's loudest patterns that the rule is about. A text that a mask hides in the template finds none; what
    fired is not affected, it was counted on the lines."""
    patterns = counts.tally(_levels(rule)).patterns.get(node, {})
    loudest = {
        pattern: count
        for pattern, series in patterns.items()
        if (count := trailing(series, end, _within(rule))) and rule.where.has_text(counts.templates[pattern])
    }
    ranked = sorted(loudest.items(), key=lambda item: (-item[1], item[0]))[:TOP_PATTERNS]
    return [
        {"pattern": pattern, "template": counts.templates[pattern][:TEMPLATE_SHOWN], "count": count}
        for pattern, count in ranked
    ]


def _levels(rule: Detector) -> tuple[str, ...]:
    return rule.where.level or LEVELS


def _within(rule: Detector) -> timedelta:
    return rule.ratio.within if isinstance(rule, Ratio) else rule.count.within
