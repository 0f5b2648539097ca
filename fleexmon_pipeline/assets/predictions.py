"""What an hour's trend leads to, and what the coming hours will be like.

Here: which hours, and what a person sees. Series, predictors, forecasts and how they did: `forecasting/`; rules:
`rules/*.yaml`.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.detected_issues import titles
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.forecasting.forecasts import forecast_thresholds, make_forecasts
from fleexmon_pipeline.forecasting.predict_hours import hours_after, predict_hour, predict_later_crossings
from fleexmon_pipeline.forecasting.record import problems, read_records, table
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, window_of
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.window import Window

FORECASTS_HOLD = dg.AssetCheckSpec(
    "forecasts_hold",
    asset="predictions",
    description="Of the last 30 days' forecasts: the 80 % intervals hold, values beat the naive forecast, announced "
    "crossings come true. Forecasts of a node that do not are said here, and make no issues.",
)


@dg.asset(
    partitions_def=HOURLY,
    backfill_policy=ONE_RUN,
    deps=["detected_issues"],
    group_name="fleexmon",
    kinds={"pandas", "postgres"},
    check_specs=[FORECASTS_HOLD],
)
def predictions(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock) -> dg.MaterializeResult:
    """Error rates that climb, volumes that jump, issues that pile up; and forecasts of each node's coming hours."""
    window, now = window_of(context), clock.now()
    rules = all_rules(settings.rules_directory()).rules
    with postgres.connection() as connection:
        known_until = newest_covered(connection) or window.since
        later = hours_after(window, now)
        made = make_forecasts(connection, rules, Window(window.since, later.until), now=now)
        context.log.info(made.sentence())
        for hour in chain(window.hours(), later.hours()):
            predicted = predict_hour(
                connection, hour, rules, now=now, known_until=known_until, run_id=context.run.run_id
            )
            if hour.since not in window:
                continue
            context.log.info(f"{hour}: {predicted.summary()}")
            metadata = {
                "predictions": dg.MetadataValue.int(len(predicted.occurrences)),
                "shadow_predictions": dg.MetadataValue.int(len(predicted.shadows)),
                "titles": dg.MetadataValue.md(titles(predicted.occurrences)),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
        predict_later_crossings(connection, rules, later.until, known_until=known_until, run_id=context.run.run_id)
        ended = reconcile(connection, open_subjects(connection), now=known_until, run=context.run.run_id)
        context.log.info(f"open before: {ended.sentence()}")
        return dg.MaterializeResult(check_results=[_check(connection, rules, known_until)])


def _check(connection: Connection, rules: Sequence[Rule], until: datetime) -> dg.AssetCheckResult:
    records = read_records(connection, until)
    told = [
        f"- {code(node)}: {reason}"
        for node, reason in problems(records, [rule.name for rule in forecast_thresholds(rules)])
    ]
    scored = sum(record.scored for record in records)
    return dg.AssetCheckResult(
        check_name=FORECASTS_HOLD.name,
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(told)} to look at" if told else f"{scored:,} forecasts of the last 30 days scored",
        metadata={
            **({"details": dg.MetadataValue.md("\n".join(told))} if told else {}),
            "last_30_days": dg.MetadataValue.md(table(records)),
        },
    )
