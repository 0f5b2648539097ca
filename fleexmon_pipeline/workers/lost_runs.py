"""Fail runs whose worker has died, and request their hours again. Used only if FLEEXMON_BROKER is set.

If the machine of a worker loses power, the broker keeps its task `STARTED` for ever, and Dagster believes the broker.
Here the worker itself is asked, about runs that have started and runs that were about to start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg

from fleexmon_pipeline import jobs
from fleexmon_pipeline.partitions import key_of_hour
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.sensors import MAX_HOURS_AT_ONCE, hours_of
from fleexmon_pipeline.ticks import Tick, tick_tags
from fleexmon_pipeline.wording import counted
from fleexmon_pipeline.workers.launcher import BROKER_DOWN, WorkerLauncher
from fleexmon_pipeline.workers.worker import launcher_of

# A response may be lost while a worker reconnects to the broker, so a worker counts as dead only after some silence.
# With a question every 15 s, a run is failed after 30 to 50 s. Two minutes after the death of a worker, another one
# must have done its hours.
ASKED_EVERY_SECONDS, MIN_SILENT_SECONDS = 15, 30.0
IN_HAND = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@dg.sensor(
    job=jobs.backfill_hours,
    minimum_interval_seconds=ASKED_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Every 15 seconds: ask workers for their active runs. Fail runs whose worker is gone, "
    "and request their hours again.",
)
def fail_lost_runs(context: dg.SensorEvaluationContext, clock: Clock) -> dg.SensorResult:
    launcher, now = launcher_of(context.instance), clock.now().timestamp()
    if launcher is None:
        return dg.SensorResult(skip_reason="dagster.yaml names another launcher")
    seen, silent, requests = _noted(context.cursor), {}, []
    try:
        for run, reason in _lost(context.instance, launcher):
            since = min(seen.get(run.run_id, now), now)
            if now - since < MIN_SILENT_SECONDS:
                silent[run.run_id] = since
                continue
            context.instance.report_run_failed(run, f"{reason} (for {now - since:.0f} s).")
            requests += _again(run)
    except BROKER_DOWN as error:  # the state is unknown, so no run is failed
        return dg.SensorResult(skip_reason=f"the broker does not answer ({type(error).__name__})", cursor="{}")
    skip_reason = None if requests else f"{counted(len(silent), 'run')} that no worker reports"
    return dg.SensorResult(run_requests=requests, skip_reason=skip_reason, cursor=json.dumps(silent))


def _lost(instance: dg.DagsterInstance, launcher: WorkerLauncher) -> Iterator[tuple[dg.DagsterRun, str]]:
    """Runs that no worker has, and why. Runs that wait in the broker for a free worker are not lost."""
    for run in instance.get_runs(dg.RunsFilter(statuses=IN_HAND)):
        if not launcher.was_handed_over(run):
            yield run, "The daemon ended before it handed the run to the workers"
            continue
        state, worker = launcher.state(run)
        if worker:
            if not launcher.holds(worker, run) and launcher.state(run) == (state, worker):
                yield run, f"Its worker {worker} does not answer"
        elif state == "PENDING" and run.status == dg.DagsterRunStatus.STARTED:
            yield run, "The broker no longer has it"
        elif state == "PENDING" and not launcher.waits(run) and launcher.state(run)[0] == "PENDING":
            yield run, "A worker took it and ended before it started"
        elif state != "PENDING":  # SUCCESS: the process of the run has reported its end by then
            yield run, f"Its process ended without reporting a result ({state})"


def _again(run: dg.DagsterRun) -> list[dg.RunRequest]:
    """Request its hours now; those of a long range are left to the catch-up, which requests a few at a time.

    They go ahead of what waits in Dagster's queue: a backfill of a month puts 720 runs there at once.
    """
    tags = tick_tags(Tick.CATCH_UP) | {
        "dagster/priority": "1",
        "fleexmon/reason": f"run {run.run_id[:8]} lost its worker",
    }
    keys = [key_of_hour(hour) for hour in hours_of(run.tags)[:MAX_HOURS_AT_ONCE]]
    return [dg.RunRequest(run_key=f"lost-{run.run_id[:8]}-{key}", partition_key=key, tags=tags) for key in keys]


def _noted(cursor: str | None) -> dict[str, float]:
    """Since when each run was silent at the last evaluation."""
    try:
        return {str(run): float(since) for run, since in json.loads(cursor or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}
