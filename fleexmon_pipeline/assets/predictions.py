"""Find trends in an hour, and forecast the next hours.

Here: which hours, and what the UI shows. Series, predictors, forecasts and their accuracy: `forecasting/`; rules:
`rules/*.yaml`.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.asset import (
    HOURS_ARE_FRESH,
    Results,
    hourly_asset,
    is_materializing,
    results,
    rules_version,
)
from fleexmon_pipeline.assets.checks import FORECASTS_HOLD, check_forecasts
from fleexmon_pipeline.assets.hour_metadata import predicted_metadata
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.forecasting.forecasts import forecast_thresholds, make_forecasts
from fleexmon_pipeline.forecasting.predict_hours import hours_after, predict_hour, predict_later_crossings
from fleexmon_pipeline.forecasting.record import read_records
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile
from fleexmon_pipeline.partitions import key_of_hour, window_of
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.window import Window


@hourly_asset(
    deps=["detected_issues"],
    freshness_policy=HOURS_ARE_FRESH,
    kinds={"pandas", "postgres"},
    writes=["LogForecast", "IssueOccurrence", "LogIssue", "Incident"],
    code_version=rules_version(),
    check_specs=[FORECASTS_HOLD],
)
def predictions(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock) -> Results:
    """Finds trends in an hour, and forecasts each node's next hours.

    Reports rising error rates, spikes in volume, a backlog of issues, and thresholds that will be crossed soon. Each
    forecast is scored when its hour is over; the check `forecasts_hold` shows the accuracy. Runs at 12 minutes past the
    hour, for the hour that ended.
    """
    now, rules = clock.now(), all_rules(settings.rules_directory(), settings.node_labels()).rules
    expected_rules = [rule.name for rule in forecast_thresholds(rules)]
    with postgres.connection() as connection:
        if is_materializing(context):
            _predict(context, connection, rules, now=now)
        check = check_forecasts(read_records(connection, newest_covered(connection) or now), expected_rules)
    yield from results(context, [check])


def _predict(
    context: dg.AssetExecutionContext, connection: Connection, rules: Sequence[Rule], *, now: datetime
) -> None:
    window = window_of(context)
    known_until = newest_covered(connection) or window.since
    later = hours_after(window, now)
    forecasts = make_forecasts(connection, rules, Window(window.since, later.until), now=now)
    context.log.info(forecasts.sentence())
    for hour in chain(window.hours(), later.hours()):
        predicted = predict_hour(connection, hour, rules, now=now, known_until=known_until, run_id=context.run.run_id)
        if hour.since not in window:
            continue
        context.log.info(f"{hour}: {predicted.summary()}")
        metadata = predicted_metadata(connection, hour, rules)
        context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
    predict_later_crossings(connection, rules, later.until, known_until=known_until, run_id=context.run.run_id)
    ended = reconcile(connection, open_subjects(connection), now=known_until, run=context.run.run_id)
    context.log.info(f"issues that were open before: {ended.sentence()}")
    context.log.info(refresh_incidents(connection, settings.topology()).sentence())
