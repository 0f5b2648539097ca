"""The code location for the daemon and workers of these tests: its clock is set back, and nothing is scheduled.

Dagster's own daemon works by the machine's time. What is tested here lies in a day that is over, so the product's clock
begins at the end of that day and goes on from there.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import dagster as dg

from fleexmon_pipeline import definitions, jobs
from fleexmon_pipeline.sensors import SENSORS
from fleexmon_pipeline.workers.lost_runs import fail_lost_runs

BEHIND = "FLEEXMON_TEST_SECONDS_BEHIND"


class ClockSetBack:
    def now(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=float(os.environ[BEHIND]))


defs = dg.Definitions(
    assets=definitions.ASSETS,
    jobs=jobs.JOBS,
    sensors=[*SENSORS, fail_lost_runs],
    resources=definitions.RESOURCES | {"clock": ClockSetBack()},
    executor=dg.in_process_executor,
)
