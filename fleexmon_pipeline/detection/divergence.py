"""Rules about deployments: what a candidate says since its version came, against the live node.

Here: when it is compared and what a firing says. Which windows, and with which node: `comparison/watch.py`; the
verdict: `comparison/read.py`, as `fleexmon compare` and the check `deployments_are_sound` have it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.comparison.deployments import Deployment, deployments
from fleexmon_pipeline.comparison.judge import Compared, Verdict
from fleexmon_pipeline.comparison.read import Comparison, NothingToCompareError, compare_nodes
from fleexmon_pipeline.comparison.watch import AFTER, MAX_AFTER, STEP, baseline_for, compared_windows
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.firing import MAX_TEMPLATE_SHOWN, Firing, occurrence
from fleexmon_pipeline.detection.rule_model import Divergence, Rule
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject
from fleexmon_pipeline.patterns.read_counts import newest_first
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline.wording import duration, iso_text

MOST_DEPLOYED = 1_000  # of the hours that are looked back on; a node that starts anew every minute has no news
MOST_TOLD = 20  # patterns in metadata


def diverged(
    connection: Connection, rules: Sequence[Divergence], ends: Sequence[datetime], *, live: str | None
) -> Iterator[Occurrence]:
    """What the rules say at these ends of slots, ascending. `live`: LIVE_NODE, where it is set.

    Nothing but one look at the deployments, unless one of them is watched: then a comparison every half hour.
    """
    if not rules:
        return
    held = max(rule.for_ for rule in rules) + STEP
    open_in = Window(ends[0] - held - MAX_AFTER - SLOT, ends[-1])
    comparisons = _Comparisons(connection, live)
    for found in deployments(connection, open_in, limit=MOST_DEPLOYED):
        for rule in rules:
            if rule.is_about(found.node):
                for comparison in _diverging(rule, found, ends, comparisons):
                    yield _occurrence(rule, found, comparison)


def longest_watch(rules: Sequence[Rule]) -> timedelta:
    """How long after a deployment the check compares: as the rules that make issues of it do."""
    active = [rule for rule in rules if isinstance(rule, Divergence) and rule.enabled and rule.mode == "active"]
    return max((rule.divergence.after for rule in active), default=AFTER)


@dataclass
class _Comparisons:
    """Made once for all rules."""

    connection: Connection
    live: str | None

    def __post_init__(self) -> None:
        self._made: dict[tuple[str, Window], Comparison | None] = {}

    def of(self, found: Deployment, stretch: Window) -> Comparison | None:
        key = found.node, stretch
        if key not in self._made:
            self._made[key] = self._make(found, stretch)
        return self._made[key]

    def _make(self, found: Deployment, stretch: Window) -> Comparison | None:
        baseline = baseline_for(self.connection, found, stretch, self.live)
        if baseline is None:
            return None
        try:
            return compare_nodes(self.connection, stretch, baseline, found.node)
        except NothingToCompareError:
            return None


def _diverging(
    rule: Divergence, found: Deployment, ends: Sequence[datetime], comparisons: _Comparisons
) -> Iterator[Comparison]:
    """Those of the deployment's windows that end with one of `ends`, and diverge for as long as the rule wants."""
    first = ends[0] - (rule.for_ + STEP if rule.for_ else rule.for_)
    since: datetime | None = None  # from when on each comparison diverged
    for stretch in compared_windows(found, rule.divergence.after):
        if not first <= stretch.until <= ends[-1]:
            continue
        comparison = comparisons.of(found, stretch)
        if comparison is None or comparison.outcome.verdict not in _wanted(rule):
            since = None
            continue
        since = since or stretch.until
        if stretch.until in ends and stretch.until - since >= rule.for_:
            yield comparison


def _wanted(rule: Divergence) -> tuple[Verdict, ...]:
    return ("fail",) if rule.divergence.verdict == "fail" else ("fail", "marginal")


# -- what a firing says ---------------------------------------------------------------------------------------------


def _occurrence(rule: Divergence, found: Deployment, comparison: Comparison) -> Occurrence:
    outcome, window = comparison.outcome, comparison.window
    weighty = [each for each in outcome.patterns if each.weight in _wanted(rule)] or [
        each for each in outcome.patterns if each.weight != "pass"
    ]
    lines = sum(each.candidate for each in weighty)
    template = comparison.templates[weighty[0].pattern][:MAX_TEMPLATE_SHOWN] if weighty else ""
    command = command_of(comparison)
    shown = {
        "node": found.node,
        "version": found.version,
        "baseline": comparison.baseline,
        "verdict": outcome.verdict,
        "reason": outcome.reasons[0],
        "reasons": "; ".join(outcome.reasons),
        "since": f"{found.at:%Y-%m-%d %H:%M} UTC",
        "within": duration(window.length),
        "count": f"{lines:,}",
        "template": template,
        "command": command,
    }
    figures = {
        "verdict": outcome.verdict,
        "reasons": outcome.reasons,
        "baseline": {"node": comparison.baseline, "lines": outcome.lines[0], "before": outcome.before},
        "candidate": {"node": comparison.candidate, "lines": outcome.lines[1]},
        "deployment": {
            "version": found.version,
            "at": iso_text(found.at, "seconds"),
            "by": found.by,
            "source": found.source,
        },
        "window": {"since": iso_text(window.since, "seconds"), "until": iso_text(window.until, "seconds")},
        "calibratedBy": outcome.calibration.windows,
        "patterns": [_told(each, comparison) for each in weighty[:MOST_TOLD]],
        "command": command,
    }
    severity = rule.severity_of({"count": float(lines)})
    firing = Firing(Subject(found.node), window.until, lines, shown, figures, severity)
    rows = {id_ for each in weighty for id_ in comparison.evidence.get((each.pattern, each.level), ())}
    return occurrence(rule, firing, newest_first(rows))


def _told(each: Compared, comparison: Comparison) -> dict[str, str | int | float]:
    return {
        "pattern": each.pattern,
        "level": each.level,
        "status": each.status,
        "baseline": each.baseline,
        "candidate": each.candidate,
        "expected": round(each.expected, 1),
        "template": comparison.templates[each.pattern][:MAX_TEMPLATE_SHOWN],
    }


def command_of(comparison: Comparison) -> str:
    """What shows the same in a terminal."""
    window = comparison.window
    said = ["--baseline", comparison.baseline, "--candidate", comparison.candidate]
    said += ["--from", f"{window.since:%Y-%m-%dT%H:%M}", "--to", f"{window.until:%Y-%m-%dT%H:%M}"]
    return shlex.join(["fleexmon", "compare", *said])
