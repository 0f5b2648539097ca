"""What nobody scheduled: windows to do again, failed runs to remember, alerts to send."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from fleexmon_pipeline import jobs, settings
from fleexmon_pipeline.catch_up import A_RUN, Due, due, note_waiting
from fleexmon_pipeline.partitions import KEY_OF_AN_HOUR, START, key_of_hour, utc_now
from fleexmon_pipeline.reporting.alerts import refresh_alerts
from fleexmon_pipeline.reporting.outbox import is_due
from fleexmon_pipeline.resources.nodes import Nodes
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.ticks import TICK, tick_tags
from fleexmon_pipeline.window import HOUR, floor

ON = dg.DefaultSensorStatus.RUNNING
AT_ONCE = 6  # hours in one go: a day that was missed is made good within an hour, and ticks are not kept waiting
MOST_HOURS_OF_A_RUN = 48
LONGEST_RANGE = 2 * HOUR
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(job=jobs.everything_hourly, minimum_interval_seconds=60, default_status=ON)
def catch_up(
    context: dg.SensorEvaluationContext, nodes: Nodes, postgres: Postgres
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Hours with slots that are missing or partial, and hours that a stage could not finish; oldest first."""
    running = context.instance.get_runs_count(dg.RunsFilter(tags={TICK: "catch-up"}, statuses=UNFINISHED))
    if running:
        yield dg.SkipReason(f"{running} earlier requests are not done yet")
        return
    now = utc_now()
    if _a_range_is_on_its_way(context.instance, now):
        yield dg.SkipReason("a range of hours is being materialised; what it leaves is asked for afterwards")
        return
    since = max(START, now - timedelta(days=settings.retention_days()))
    with postgres.connection() as connection:
        found = due(connection, [node.name for node in nodes.sources()], since=since, now=now, limit=AT_ONCE)
    if not found:
        yield dg.SkipReason("nothing is missing")
    for one in found:
        yield _request(one, now)


def _a_range_is_on_its_way(instance: dg.DagsterInstance, now: datetime) -> bool:
    """A backfill takes its hours one after the other: those to come look missing, and would be asked for as well.

    Only a recent one counts: the run of a shell that was killed seems to run for ever.
    """
    recent = dg.RunsFilter(statuses=UNFINISHED, created_after=now - LONGEST_RANGE)
    return any("dagster/asset_partition_range_start" in run.tags for run in instance.get_runs(recent, limit=100))


def _request(one: Due, now: datetime) -> dg.RunRequest:
    key = key_of_hour(one.hour)
    # The hour: a request that a person cancelled left no trace in the tables, and is made again in the next one.
    return dg.RunRequest(
        run_key=f"catch-up-{key}-{one.attempt}-{floor(now, HOUR):%dT%H}",
        partition_key=key,
        tags=tick_tags("catch-up") | {"fleexmon/reason": one.reason[:200]},
    )


@dg.run_failure_sensor(minimum_interval_seconds=30, default_status=ON)
def remember_failures(context: dg.RunFailureSensorContext, postgres: Postgres) -> None:
    """A run of the hourly chain that failed or was killed: its hours are asked for again."""
    hours = hours_of(context.dagster_run.tags)[:MOST_HOURS_OF_A_RUN]
    with postgres.connection() as connection:
        for hour in hours:
            note_waiting(connection, A_RUN, hour, f"run {context.dagster_run.run_id[:8]} failed", now=utc_now())


def hours_of(tags: Mapping[str, str]) -> list[datetime]:
    """The hourly partitions of a run, by its tags; [] for a run of days or of none."""
    first = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition", "")
    last = tags.get("dagster/asset_partition_range_end") or first
    try:
        start, end = (datetime.strptime(key, KEY_OF_AN_HOUR).replace(tzinfo=UTC) for key in (first, last))
    except ValueError:
        return []
    return [start + n * HOUR for n in range(int((end - start) / HOUR) + 1)]


@dg.sensor(job=jobs.alert, minimum_interval_seconds=60, default_status=ON)
def alert_when_due(context: dg.SensorEvaluationContext, postgres: Postgres) -> dg.RunRequest | dg.SkipReason:
    """When an issue's alert differs from what GitHub shows, or an earlier attempt is due again."""
    if settings.github() is None:
        return dg.SkipReason("ALERTS_REPO and GH_TOKEN are not set")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=jobs.alert.name, statuses=UNFINISHED)):
        return dg.SkipReason("the last one is not done yet")
    now = utc_now()
    with postgres.connection() as connection:
        refresh_alerts(connection, now=now)
        due_now = is_due(connection, now=now)
    if not due_now:
        return dg.SkipReason("GitHub shows what it should")
    return dg.RunRequest(run_key=f"alert-{now:%Y-%m-%dT%H:%M}", tags=tick_tags("alert"))


SENSORS = [catch_up, remember_failures, alert_when_due]
