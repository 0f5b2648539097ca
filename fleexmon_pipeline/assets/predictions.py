"""What an hour's trend leads to.

Here: which hours, and what a person sees. Series and predictors: `forecasting/`; their rules: `rules/*.yaml`.
"""

from datetime import timedelta
from itertools import chain

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.detected_issues import titles
from fleexmon_pipeline.detection.lifecycle import newest_covered, open_subjects, reconcile, write_occurrences
from fleexmon_pipeline.detection.rules import all_rules
from fleexmon_pipeline.forecasting.predictors import predict
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, utc_now, window_of
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.window import HOUR, Window, floor

# A trend looks at six hours, so what was predicted of the five after this window may have been without it.
LOOK_BACK = timedelta(hours=5)


@dg.asset(
    partitions_def=HOURLY,
    backfill_policy=ONE_RUN,
    deps=["detected_issues"],
    group_name="fleexmon",
    kinds={"pandas", "postgres"},
)
def predictions(context: dg.AssetExecutionContext, postgres: Postgres) -> dg.MaterializeResult:
    """Error rates that climb, volumes that jump, issues that pile up. Of unknown hours nothing is guessed."""
    window, now = window_of(context), utc_now()
    rules = [
        rule.model_copy(update={"enabled": rule.enabled and rule.mode == "active"})
        for rule in all_rules(settings.rules_directory()).rules
    ]
    with postgres.connection() as connection:
        known_until = newest_covered(connection) or window.since
        later = Window(window.until, max(window.until, min(window.until + LOOK_BACK, floor(now, HOUR))))
        for hour in chain(window.hours(), later.hours()):
            found = predict(connection, rules, hour, now_end=hour.ended(now).until)
            subjects = write_occurrences(connection, found, source="predictor", window=hour)
            outcome = reconcile(connection, subjects, now=known_until, since=hour.since)
            if hour.since not in window:
                continue
            context.log.info(f"{hour}: {len(found)} predictions; {outcome.sentence()}")
            metadata = {
                "predictions": dg.MetadataValue.int(len(found)),
                "titles": dg.MetadataValue.md(titles(found)),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
        ended = reconcile(connection, open_subjects(connection), now=known_until)
        context.log.info(f"open before: {ended.sentence()}")
    return dg.MaterializeResult()
