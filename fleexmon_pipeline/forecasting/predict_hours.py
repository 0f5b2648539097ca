"""One hour of predictions: apply the predictor rules, replace their occurrences, reconcile the issues.

Here: the order of the steps, for the asset, tests and benches alike. What fires: `predictors.py`, `announce.py`; what
becomes of occurrences: `issues/lifecycle.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_kinds import Forecast
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.forecasting.announce import announce, hours_to_announce_again
from fleexmon_pipeline.forecasting.predictors import predict
from fleexmon_pipeline.issues.issue_rows import Reconciled
from fleexmon_pipeline.issues.lifecycle import reconcile, write_occurrences
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.window import HOUR, Window, floor

# A trend compares six hours, so predictions of the five hours after a window may have been made without its lines.
TREND_REACH = timedelta(hours=5)


@dataclass(frozen=True)
class PredictedHour:
    """What the predictor rules found in an hour, and what that changed."""

    hour: Window
    occurrences: Sequence[Occurrence]  # of active rules
    shadows: Sequence[Occurrence]  # of rules in shadow mode
    reconciled: Reconciled

    def summary(self) -> str:
        return f"{len(self.occurrences)} predictions; {self.reconciled.sentence()}"


def predict_hour(
    connection: Connection,
    hour: Window,
    rules: Sequence[Rule],
    *,
    now: datetime,
    known_until: datetime,
    run_id: str | None = None,
) -> PredictedHour:
    """Apply the predictor rules to one hour whose forecasts were made (`make_forecasts`), and make issues follow.

    Calling it twice, or for hours in any order, gives the same rows. Arguments as of `detection.detect.detect_hour`.
    """
    fired = predict(connection, rules, hour, now_end=hour.ended(now).until) + announce(connection, rules, hour)
    predictors = [rule for rule in rules if rule.source == "predictor"]
    occurrences, shadows = _record_shadows(connection, fired, hour, predictors)
    subjects = write_occurrences(connection, occurrences, source="predictor", window=hour)
    reconciled = reconcile(connection, subjects, now=known_until, since=hour.since, run=run_id)
    return PredictedHour(hour, occurrences, shadows, reconciled)


def predict_later_crossings(
    connection: Connection, rules: Sequence[Rule], since: datetime, *, known_until: datetime, run_id: str | None = None
) -> None:
    """Evaluate the forecast rules again for hours after `since` whose trust depends on scores of earlier hours."""
    forecasts = [rule for rule in rules if isinstance(rule, Forecast)]
    names = [rule.name for rule in forecasts]
    for hour in hours_to_announce_again(connection, since):
        occurrences, _ = _record_shadows(connection, announce(connection, rules, hour), hour, forecasts)
        subjects = write_occurrences(connection, occurrences, source="predictor", window=hour, rules=names)
        reconcile(connection, subjects, now=known_until, since=hour.since, run=run_id)


def hours_after(window: Window, now: datetime) -> Window:
    """The whole hours after a window, over at `now`, whose predictions may depend on its lines."""
    return Window(window.until, max(window.until, min(window.until + TREND_REACH, floor(now, HOUR))))


def _record_shadows(
    connection: Connection, fired: Sequence[Occurrence], hour: Window, evaluated: Sequence[Rule]
) -> tuple[list[Occurrence], list[Occurrence]]:
    """Occurrences that make issues, and those of rules in shadow mode, which are recorded in place of earlier ones."""
    in_shadow = {rule.name for rule in evaluated if rule.mode == "shadow"}
    shadows = [occurrence for occurrence in fired if occurrence.rule in in_shadow]
    write_shadows(connection, shadows, hour, rules=[rule.name for rule in evaluated])
    return [occurrence for occurrence in fired if occurrence.rule not in in_shadow], shadows
