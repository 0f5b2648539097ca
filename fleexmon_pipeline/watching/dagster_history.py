"""What Dagster knows of the pipeline: runs that failed, schedules' last successes, the queue, failing checks.

Here: reading the instance, a few indexed queries. What is made of it: `conditions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from fleexmon_pipeline.ticks import TICK, Tick
from fleexmon_pipeline.watching.conditions import Facts, FailingCheck, JobRuns, Promise

# Schedule → job, tick, and how long it may be without a success: a run may fail once, or take its time.
PROMISES: dict[str, tuple[str, Tick, timedelta]] = {
    "monitoring_every_5_minutes": ("monitoring", Tick.SLOT, timedelta(minutes=20)),
    "late_lines_hourly": ("monitoring", Tick.LATE, timedelta(hours=2, minutes=30)),
    "predictions_hourly": ("predict", Tick.HOUR, timedelta(hours=2, minutes=30)),
    "digest_daily": ("digest", Tick.DAY, timedelta(hours=26)),
    "retention_daily": ("retain", Tick.DAY, timedelta(hours=26)),
}
_JOBS = ("monitoring", "predict", "digest", "alert", "retain")
_RUNS_LOOKED_AT = 5  # of each job
_CHECKS_LOOKED_AT = 50  # evaluations back, for when a check began to fail
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def facts_of(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> Facts:
    """Without what the tables know: see `record.complete`."""
    first = instance.get_run_records(limit=1, ascending=True)
    queued = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=100)
    return Facts(
        running_since=first[0].create_timestamp if first else None,
        jobs=[_job(instance, name) for name in _JOBS],
        promises=[Promise(name, every, _last(instance, job, tick)) for name, (job, tick, every) in PROMISES.items()],
        queued=[record.create_timestamp for record in queued],
        checks=list(_failing(instance, checks)),
    )


def _job(instance: dg.DagsterInstance, name: str) -> JobRuns:
    records = instance.get_run_records(dg.RunsFilter(job_name=name, statuses=_FINISHED), limit=_RUNS_LOOKED_AT)
    runs = [(_ended(record), record.dagster_run.is_success) for record in records]
    return JobRuns(name, runs)


def _last(instance: dg.DagsterInstance, job: str, tick: Tick) -> datetime | None:
    succeeded = dg.RunsFilter(job_name=job, tags={TICK: tick.value}, statuses=[dg.DagsterRunStatus.SUCCESS])
    records = instance.get_run_records(succeeded, limit=1)
    return _ended(records[0]) if records else None


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _failing(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> Iterator[FailingCheck]:
    """Checks whose last evaluation failed, and since when all did."""
    storage, failed = instance.event_log_storage, AssetCheckExecutionRecordStatus.FAILED
    for key, latest in storage.get_latest_asset_check_execution_by_key(list(keys)).items():
        if latest.status != failed:
            continue
        since = latest.create_timestamp
        for record in storage.get_asset_check_execution_history(key, limit=_CHECKS_LOOKED_AT):
            if record.status == AssetCheckExecutionRecordStatus.SUCCEEDED:
                break
            since = record.create_timestamp
        yield FailingCheck(key.name, key.asset_key.to_user_string(), datetime.fromtimestamp(since, UTC))
