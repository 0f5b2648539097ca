"""Read what Dagster knows of the pipeline: failed runs, last successes of schedules, the queue, failing checks.

Here: a few indexed queries on the instance. What follows from them: `conditions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from fleexmon_pipeline.ticks import TICK, Tick
from fleexmon_pipeline.watching.conditions import ExpectedSchedule, Facts, FailingCheck, JobRuns

# Schedule → job, tick, and how long it may be without a success. One run may fail, or take long.
EXPECTED_SCHEDULES: dict[str, tuple[str, Tick, timedelta]] = {
    "monitoring_every_5_minutes": ("monitoring", Tick.SLOT, timedelta(minutes=20)),
    "late_lines_hourly": ("monitoring", Tick.LATE, timedelta(hours=2, minutes=30)),
    "predictions_hourly": ("predict", Tick.HOUR, timedelta(hours=2, minutes=30)),
    "digest_daily": ("digest", Tick.DAY, timedelta(hours=26)),
    "retention_daily": ("retain", Tick.DAY, timedelta(hours=26)),
}
_JOBS = ("monitoring", "predict", "digest", "alert", "retain")
_MAX_RUNS = 5  # of each job
_MAX_EVALUATIONS = 50  # of a check, to find when it began to fail
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def facts_of(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> Facts:
    """The facts that Dagster knows; `record.complete` adds those of the tables."""
    first = instance.get_run_records(limit=1, ascending=True)
    queued = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=100)
    return Facts(
        running_since=first[0].create_timestamp if first else None,
        jobs=[_job(instance, name) for name in _JOBS],
        schedules=[
            ExpectedSchedule(name, every, _last_success(instance, job, tick))
            for name, (job, tick, every) in EXPECTED_SCHEDULES.items()
        ],
        queued=[record.create_timestamp for record in queued],
        checks=list(_failing(instance, checks)),
    )


def _job(instance: dg.DagsterInstance, name: str) -> JobRuns:
    records = instance.get_run_records(dg.RunsFilter(job_name=name, statuses=_FINISHED), limit=_MAX_RUNS)
    runs = [(_ended(record), record.dagster_run.is_success) for record in records]
    return JobRuns(name, runs)


def _last_success(instance: dg.DagsterInstance, job: str, tick: Tick) -> datetime | None:
    succeeded = dg.RunsFilter(job_name=job, tags={TICK: tick.value}, statuses=[dg.DagsterRunStatus.SUCCESS])
    records = instance.get_run_records(succeeded, limit=1)
    return _ended(records[0]) if records else None


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _failing(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> Iterator[FailingCheck]:
    """Checks whose latest evaluation failed, and since when they have been failing."""
    storage, failed = instance.event_log_storage, AssetCheckExecutionRecordStatus.FAILED
    for key, latest in storage.get_latest_asset_check_execution_by_key(list(keys)).items():
        if latest.status != failed:
            continue
        since = latest.create_timestamp
        for record in storage.get_asset_check_execution_history(key, limit=_MAX_EVALUATIONS):
            if record.status == AssetCheckExecutionRecordStatus.SUCCEEDED:
                break
            since = record.create_timestamp
        yield FailingCheck(key.name, key.asset_key.to_user_string(), datetime.fromtimestamp(since, UTC))
