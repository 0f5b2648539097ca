"""Jobs: the chain of an hour, and one job for each other stage with its own schedule or sensor."""

from __future__ import annotations

import dagster as dg

# The catch_up sensor (`sensors.py`) requests hours again, but not days. So runs of days are retried by Dagster.
RETRY_TAGS = {"dagster/max_retries": "3"}

# One run for three assets: a new error becomes an issue within five minutes plus the start of a run.
monitoring = dg.define_asset_job(
    "monitoring",
    selection=["raw_logs", "analyzed_logs", "detected_issues"],
    description="Collect, analyze and evaluate one hour. Runs every five minutes for the current hour, and again for "
    "late lines.",
)
predict = dg.define_asset_job(
    "predict",
    selection=["predictions"],
    description="Find trends in one hour and forecast the next ones. Runs hourly, after late lines.",
)
digest = dg.define_asset_job(
    "digest",
    selection=["digests"],
    tags=RETRY_TAGS,
    description="Write yesterday's digest and post it to GitHub. Runs daily; retried up to three times.",
)
alert = dg.define_asset_job(
    "alert",
    selection=["issue_alerts"],
    description="Send alerts to GitHub and channels. Runs when one is due.",
)
archive = dg.define_asset_job(
    "archive",
    selection=["archived_logs"],
    tags=RETRY_TAGS,
    description="Move cold days into the archive. Runs daily where FLEEXMON_ARCHIVE is set; retried up to three times.",
)
retain = dg.define_asset_job(
    "retain",
    selection=["data_retention"],
    tags=RETRY_TAGS,
    description="Delete old rows in small batches. Runs daily; retried up to three times.",
)
backfill_hours = dg.define_asset_job(
    "backfill_hours",
    selection=["raw_logs", "analyzed_logs", "detected_issues", "predictions"],
    description="Run the whole chain for past hours. Launch a backfill of it for any range of hours.",
)

JOBS = [monitoring, predict, digest, alert, archive, retain, backfill_hours]
