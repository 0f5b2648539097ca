"""One hour of detection: evaluate the rules, replace their occurrences, reconcile the issues.

Here: the order of the steps, for the asset, tests and benches. When a rule fires: `evaluate.py`; how occurrences become
issues: `issues/lifecycle.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.collection.gaps import covered_until, rules_but_gaps
from fleexmon_pipeline.comparison.deployments import Deployment, record_announced
from fleexmon_pipeline.comparison.watch import hours_to_reevaluate
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.budget import Budget
from fleexmon_pipeline.detection.evaluate import evaluate
from fleexmon_pipeline.detection.evaluated_hours import note_seen
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.issues.issue_rows import Reconciled
from fleexmon_pipeline.issues.lifecycle import reconcile, subjects_near, write_occurrences
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.window import Window

# Thresholds look back 15 minutes, so the lines of an hour also count in the first slots of the next hour. Rules that
# look back further (rates over hours, silence, thresholds of young nodes) are evaluated again when an earlier hour
# changes: see `stale`.
CARRY_OVER = timedelta(minutes=15)


@dataclass(frozen=True)
class DetectedHour:
    """Occurrences of an hour, and their effects."""

    hour: Window
    slots: Window  # evaluated: the ended slots of the hour, and those after it that its lines count in
    occurrences: Sequence[Occurrence]  # of active rules
    shadows: Sequence[Occurrence]  # of rules in shadow mode
    reconciled: Reconciled
    stale: dict[datetime, str]  # other hours that must be evaluated again → why

    def summary(self) -> str:
        return f"{len(self.occurrences)} firings; {self.reconciled.sentence()}"

    def in_hour(self) -> Iterator[Occurrence]:
        """Occurrences in the hour itself, not in the slots after it."""
        return (occurrence for occurrence in self.occurrences if occurrence.slot in self.hour)


def detect_hour(
    connection: Connection,
    hour: Window,
    rules: Sequence[Rule],
    *,
    now: datetime,
    known_until: datetime,
    live: str | None = None,
    run_id: str | None = None,
    budget: Budget | None = None,
) -> DetectedHour:
    """Evaluate the detector rules for every slot of the hour that has ended, and update the issues.

    Calling it twice, for hours in any order, or from two runs at once, gives the same rows once every hour has been
    evaluated with all lines. `hour` is one hour or several in a row.

    now: wall clock, UTC. known_until: event time up to which lines are known (`newest_covered`); episodes whose grace
    period ended by then are resolved. live: LIVE_NODE, for rules about deployments. run_id: of the Dagster run, for
    changed issues. budget: of false alarms; None: the rates in the rule files apply.
    """
    slots = _slots(connection, hour, now)
    deployed = record_announced(connection, slots)
    fired = evaluate(connection, rules, slots, until=slots.until, live=live, budget=budget)
    in_shadow = {rule.name for rule in rules if rule.mode == "shadow"}
    occurrences = [occurrence for occurrence in fired if occurrence.rule not in in_shadow]
    shadows = [occurrence for occurrence in fired if occurrence.rule in in_shadow]
    detectors = [rule.name for rule in rules if rule.source == "detector"]
    write_shadows(connection, shadows, slots, rules=detectors)
    replaced = rules_but_gaps(connection, [rule.name for rule in rules], slots)
    subjects = write_occurrences(connection, occurrences, source="detector", window=slots, rules=replaced)
    subjects |= subjects_near(connection, hour)
    reconciled = reconcile(connection, subjects, now=known_until, since=hour.since, run=run_id)
    return DetectedHour(hour, slots, occurrences, shadows, reconciled, _stale(connection, hour, deployed))


def _slots(connection: Connection, hour: Window, now: datetime) -> Window:
    following = covered_until(connection, Window(hour.until, hour.until + CARRY_OVER))
    return Window(hour.since, following) if following else hour.ended(now)


def _stale(connection: Connection, hour: Window, deployed: Sequence[Deployment]) -> dict[datetime, str]:
    stale = {
        later: f"lines of {changed} came after it was evaluated"
        for changed in hour.hours()
        for later in note_seen(connection, changed)
    }
    for deployment in deployed:
        what = f"{deployment.node} got {deployment.version} at {deployment.at:%H:%M}"
        reason = f"{what}, detected after the hour was evaluated"
        stale |= dict.fromkeys(hours_to_reevaluate(connection, deployment), reason)
    return {other: reason for other, reason in stale.items() if other not in hour}
