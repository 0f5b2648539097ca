"""What is run together: the chain of an hour, and the stages that have a rhythm of their own."""

from __future__ import annotations

import dagster as dg

# A day has no sensor that asks for it again, as hours have (`sensors.py`): the run itself is repeated.
AGAIN = {"dagster/max_retries": "3"}

# One in-process run: a new error is an issue within five minutes and a run's start.
monitoring = dg.define_asset_job(
    "monitoring",
    selection=["raw_logs", "analyzed_logs", "detected_issues"],
    description="Collect, analyse and judge an hour. Every five minutes for the hour that runs; again for late lines.",
)
predict = dg.define_asset_job("predict", selection=["predictions"], description="What an hour's trend leads to.")
digest = dg.define_asset_job(
    "digest", selection=["digests"], tags=AGAIN, description="The page that people read in the morning."
)
alert = dg.define_asset_job("alert", selection=["issue_alerts"], description="Keep GitHub in step with the issues.")
retain = dg.define_asset_job(
    "retain", selection=["data_retention"], tags=AGAIN, description="Delete what is old, in small batches."
)
everything_hourly = dg.define_asset_job(
    "backfill_hours",
    selection=["raw_logs", "analyzed_logs", "detected_issues", "predictions"],
    description="The whole chain for past hours; launch a backfill of it for any range.",
)

JOBS = [monitoring, predict, digest, alert, retain, everything_hourly]
