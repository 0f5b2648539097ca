"""Rules about deployments: compare a candidate's lines since its new version with the live node's.

Here: when nodes are compared, and the occurrence if they differ. Windows and reference node: `comparison/watch.py`;
verdict: `comparison/read.py`, as for `fleexmon compare` and the check `deployments_are_sound`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.comparison.deployments import Deployment, deployments
from fleexmon_pipeline.comparison.judge import ComparedPattern, Verdict
from fleexmon_pipeline.comparison.read import Comparison, NothingToCompareError, compare_nodes
from fleexmon_pipeline.comparison.watch import AFTER, MAX_AFTER, STEP, baseline_for, compared_windows
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.firing import MAX_TEMPLATE_SHOWN, Firing, occurrence
from fleexmon_pipeline.detection.rule_kinds import Divergence
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject
from fleexmon_pipeline.patterns.read_counts import newest_first
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline.wording import duration, iso_text

MAX_DEPLOYMENTS = 1_000  # that are read; restarts of the same version are no deployments
MAX_PATTERNS_LISTED = 20  # in metadata


def diverged(
    connection: Connection, rules: Sequence[Divergence], ends: Sequence[datetime], *, live: str | None
) -> Iterator[Occurrence]:
    """The rules' occurrences at these ends of slots, ascending. live: LIVE_NODE, if set.

    Reads only deployments unless one is being watched; then it compares every half hour.
    """
    if not rules:
        return
    max_duration = max(rule.for_ for rule in rules) + STEP
    watched_in = Window(ends[0] - max_duration - MAX_AFTER - SLOT, ends[-1])
    comparisons = _Comparisons(connection, live)
    for deployment in deployments(connection, watched_in, limit=MAX_DEPLOYMENTS):
        for rule in rules:
            if rule.is_about(deployment.node):
                for comparison in _diverging(rule, deployment, ends, comparisons):
                    yield _occurrence(rule, deployment, comparison)


def longest_watch(rules: Sequence[Rule]) -> timedelta:
    """How long after a deployment the check compares: as long as the active rules do."""
    active = [rule for rule in rules if isinstance(rule, Divergence) and rule.enabled and rule.mode == "active"]
    return max((rule.divergence.after for rule in active), default=AFTER)


@dataclass
class _Comparisons:
    """Comparisons, each made once for all rules."""

    connection: Connection
    live: str | None

    def __post_init__(self) -> None:
        self._made: dict[tuple[str, Window], Comparison | None] = {}

    def of(self, deployment: Deployment, window: Window) -> Comparison | None:
        key = deployment.node, window
        if key not in self._made:
            self._made[key] = self._make(deployment, window)
        return self._made[key]

    def _make(self, deployment: Deployment, window: Window) -> Comparison | None:
        reference = baseline_for(self.connection, deployment, window, self.live)
        if reference is None:
            return None
        try:
            return compare_nodes(self.connection, window, reference, deployment.node)
        except NothingToCompareError:
            return None


def _diverging(
    rule: Divergence, deployment: Deployment, ends: Sequence[datetime], comparisons: _Comparisons
) -> Iterator[Comparison]:
    """The deployment's comparisons that end at one of `ends` and have diverged for as long as the rule requires."""
    first = ends[0] - (rule.for_ + STEP if rule.for_ else rule.for_)
    since: datetime | None = None  # end of the first comparison of an unbroken run that diverged
    for window in compared_windows(deployment, rule.divergence.after):
        if not first <= window.until <= ends[-1]:
            continue
        comparison = comparisons.of(deployment, window)
        if comparison is None or comparison.outcome.verdict not in _verdicts(rule):
            since = None
            continue
        since = since or window.until
        if window.until in ends and window.until - since >= rule.for_:
            yield comparison


def _verdicts(rule: Divergence) -> tuple[Verdict, ...]:
    return ("fail",) if rule.divergence.verdict == "fail" else ("fail", "marginal")


# -- the occurrence -------------------------------------------------------------------------------------------------


def _occurrence(rule: Divergence, deployment: Deployment, comparison: Comparison) -> Occurrence:
    outcome, window = comparison.outcome, comparison.window
    weighty = [compared for compared in outcome.patterns if compared.verdict in _verdicts(rule)] or [
        compared for compared in outcome.patterns if compared.verdict != "pass"
    ]
    lines = sum(compared.candidate for compared in weighty)
    template = comparison.templates[weighty[0].pattern][:MAX_TEMPLATE_SHOWN] if weighty else ""
    command = command_of(comparison)
    shown = {
        "node": deployment.node,
        "version": deployment.version,
        "baseline": comparison.baseline,
        "verdict": outcome.verdict,
        "reason": outcome.reasons[0],
        "reasons": "; ".join(outcome.reasons),
        "since": f"{deployment.at:%Y-%m-%d %H:%M} UTC",
        "within": duration(window.length),
        "count": f"{lines:,}",
        "template": template,
        "command": command,
    }
    figures = {
        "verdict": outcome.verdict,
        "reasons": outcome.reasons,
        "baseline": {"node": comparison.baseline, "lines": outcome.lines[0], "before": outcome.reference == "before"},
        "candidate": {"node": comparison.candidate, "lines": outcome.lines[1]},
        "deployment": {
            "version": deployment.version,
            "at": iso_text(deployment.at, "seconds"),
            "by": deployment.by,
            "source": deployment.source,
        },
        "window": {"since": iso_text(window.since, "seconds"), "until": iso_text(window.until, "seconds")},
        "calibratedBy": outcome.calibration.windows,
        "patterns": [_listed(compared, comparison) for compared in weighty[:MAX_PATTERNS_LISTED]],
        "command": command,
    }
    severity = rule.severity_of({"count": float(lines)})
    firing = Firing(Subject(deployment.node), window.until, lines, shown, figures, severity)
    rows = {id_ for c in weighty for id_ in comparison.evidence.get((c.pattern, c.level), ())}
    return occurrence(rule, firing, newest_first(rows))


def _listed(compared: ComparedPattern, comparison: Comparison) -> dict[str, str | int | float]:
    return {
        "pattern": compared.pattern,
        "level": compared.level,
        "status": compared.status,
        "baseline": compared.baseline,
        "candidate": compared.candidate,
        "expected": round(compared.expected, 1),
        "template": comparison.templates[compared.pattern][:MAX_TEMPLATE_SHOWN],
    }


def command_of(comparison: Comparison) -> str:
    """The command that shows the same comparison in a terminal."""
    window = comparison.window
    options = ["--baseline", comparison.baseline, "--candidate", comparison.candidate]
    options += ["--from", f"{window.since:%Y-%m-%dT%H:%M}", "--to", f"{window.until:%Y-%m-%dT%H:%M}"]
    return shlex.join(["fleexmon", "compare", *options])
