"""Sensors: repeat incomplete hours, record failed runs, watch the pipeline, send alerts when due."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg

from fleexmon_pipeline import jobs, settings
from fleexmon_pipeline.assets.checks import REPORTED_BY_RULES
from fleexmon_pipeline.assets.heartbeat import heartbeat
from fleexmon_pipeline.catch_up import RUN_FAILED, Due, due, note_waiting
from fleexmon_pipeline.channels.channel import Channel
from fleexmon_pipeline.channels.outbox import are_due, would_enqueue
from fleexmon_pipeline.channels.produce import lowest_severity, messages_of_incidents
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.refresh import is_due as incidents_are_due
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.partitions import HOUR_KEY_FORMAT, START, key_of_hour, moment_of
from fleexmon_pipeline.reporting.alerts import alerts_are_due
from fleexmon_pipeline.reporting.feedback import feedback_is_due
from fleexmon_pipeline.resources.channels import Channels
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.nodes import Nodes
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.ticks import TICK, Tick, tick_tags
from fleexmon_pipeline.watching.conditions import lasting, problems
from fleexmon_pipeline.watching.dagster_history import facts_of
from fleexmon_pipeline.watching.record import complete, record
from fleexmon_pipeline.window import HOUR, floor

ON = dg.DefaultSensorStatus.RUNNING
MAX_HOURS_AT_ONCE = 6  # a missed day is caught up within an hour, and ticks do not have to wait for it
MAX_HOURS_OF_FAILED_RUN = 48
MAX_AGE_OF_RANGE = 2 * HOUR
MAX_REASON_LENGTH = 200
PARTITION_TAG = "dagster/partition"
RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
QUEUED = dg.DagsterRunStatus.QUEUED
ACTIVE = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
UNFINISHED = [QUEUED, *ACTIVE]


@dg.sensor(
    job=jobs.backfill_hours,
    minimum_interval_seconds=60,
    default_status=ON,
    description="Every minute: request hours with partial or missing slots, and hours that a stage could not finish, "
    "oldest first.",
)
def catch_up(
    context: dg.SensorEvaluationContext, nodes: Nodes, postgres: Postgres, clock: Clock
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    running = context.instance.get_runs_count(dg.RunsFilter(tags={TICK: Tick.CATCH_UP.value}, statuses=UNFINISHED))
    if running:
        yield dg.SkipReason(f"{running} earlier requests have not finished")
        return
    now = clock.now()
    if _range_is_running(context.instance, now):
        yield dg.SkipReason("a range of hours is being materialized; remaining gaps will be requested afterwards")
        return
    since = max(START, now - timedelta(days=settings.retention_days()))
    with postgres.connection() as connection:
        node_names = [node.name for node in nodes.sources()]
        coming = _coming_hours(context.instance, now)
        hours = due(connection, node_names, since=since, now=now, limit=MAX_HOURS_AT_ONCE + len(coming))
    requested = [hour for hour in hours if hour.hour not in coming][:MAX_HOURS_AT_ONCE]
    if not requested:
        yield dg.SkipReason(
            "nothing is missing, except hours of a backfill that is under way" if hours else "nothing is missing"
        )
    for hour in requested:
        yield _request(hour, now)


def _range_is_running(instance: dg.DagsterInstance, now: datetime) -> bool:
    """Whether a run of a range is active. Hours that it has not reached yet look missing, and would be requested too.

    Only recent runs count: the run of a killed shell looks as if it ran for ever.
    """
    recent = dg.RunsFilter(statuses=UNFINISHED, created_after=now - MAX_AGE_OF_RANGE)
    return any(RANGE_START_TAG in run.tags for run in instance.get_runs(recent, limit=100))


def _coming_hours(instance: dg.DagsterInstance, now: datetime) -> set[datetime]:
    """Hours of a backfill with a run for each, that wait in the queue or are active: they look missing until then.

    One that has been active for long does not count: the run of a killed shell looks as if it ran for ever.
    """
    name = jobs.backfill_hours.name
    waiting = dg.RunsFilter(job_name=name, statuses=[QUEUED])
    active = dg.RunsFilter(job_name=name, statuses=ACTIVE, updated_after=now - MAX_AGE_OF_RANGE)
    return {
        hour
        for runs in (waiting, active)
        for run in instance.get_runs(runs, limit=1_000)
        for hour in hours_of(run.tags)
    }


def _request(hour: Due, now: datetime) -> dg.RunRequest:
    key = key_of_hour(hour.hour)
    # The run key contains the current hour: a request that a person canceled leaves no trace in the tables, and is
    # repeated an hour later.
    return dg.RunRequest(
        run_key=f"catch-up-{key}-{hour.attempt}-{floor(now, HOUR):%dT%H}",
        partition_key=key,
        tags=tick_tags(Tick.CATCH_UP) | {"fleexmon/reason": hour.reason[:MAX_REASON_LENGTH]},
    )


@dg.run_failure_sensor(
    minimum_interval_seconds=30,
    default_status=ON,
    description="When a run of the hourly chain failed or was killed: record its hours, so that catch_up retries them.",
)
def remember_failures(context: dg.RunFailureSensorContext, postgres: Postgres, clock: Clock) -> None:
    run = context.dagster_run
    heartbeat(context.log, run.tags, run.run_id, "fail")
    hours = hours_of(run.tags)[:MAX_HOURS_OF_FAILED_RUN]
    with postgres.connection() as connection:
        for hour in hours:
            reason = f"run {run.run_id[:8]} failed"
            note_waiting(connection, RUN_FAILED, hour, reason, now=clock.now())


def hours_of(tags: Mapping[str, str]) -> list[datetime]:
    """The hourly partitions of a run, from its tags; [] for days, without a partition, or with an invalid key."""
    first = tags.get(RANGE_START_TAG) or tags.get(PARTITION_TAG, "")
    last = tags.get(RANGE_END_TAG) or first
    try:
        start, end = (moment_of(key, HOUR_KEY_FORMAT) for key in (first, last))
    except ValueError:
        return []
    if (key_of_hour(floor(start, HOUR)), key_of_hour(floor(end, HOUR))) != (first, last):
        return []
    return [start + n * HOUR for n in range(int((end - start) / HOUR) + 1)]


@dg.sensor(
    minimum_interval_seconds=120,
    default_status=ON,
    description="Every 2 minutes: evaluate the pipeline itself. Failing runs, checks and channels, stalled schedules, "
    "a backlog and a disk that fills up become issues of a node named fleexmon.",
)
def watch_pipeline(
    context: dg.SensorEvaluationContext, postgres: Postgres, clock: Clock, channels: Channels
) -> dg.SensorResult:
    now = clock.now()
    targets, _ = channels.open()
    checks = context.repository_def.asset_graph.asset_check_keys - REPORTED_BY_RULES if context.repository_def else ()
    with postgres.connection() as connection:
        facts = complete(
            connection, facts_of(context.instance, checks), channels=[channel.name for channel in targets],
            home=settings.home(), now=now,
        )  # fmt: skip
        last, seen = _read_cursor(context.cursor)
        current, since = lasting(problems(facts, now=now), seen, last=last, now=now)
        reconciled = record(connection, current, now=now)
        refresh_incidents(connection, settings.topology())
    cursor = {"at": now.isoformat(), "since": {name: moment.isoformat() for name, moment in since.items()}}
    names = ", ".join(problem.name for problem in current) or "nothing is wrong"
    return dg.SensorResult(skip_reason=f"{names}; {reconciled.sentence()}", cursor=json.dumps(cursor))


def _read_cursor(cursor: str | None) -> tuple[datetime | None, dict[str, datetime]]:
    """When the pipeline was last evaluated, and since when each problem of that evaluation has existed."""
    try:
        state = json.loads(cursor or "")
        return datetime.fromisoformat(state["at"]), {
            name: datetime.fromisoformat(moment) for name, moment in state["since"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, {}


@dg.sensor(
    job=jobs.alert,
    minimum_interval_seconds=60,
    default_status=ON,
    description="Every minute: request the alert job when GitHub or a channel is not up to date, or a failed attempt "
    "is due again.",
)
def alert_when_due(
    context: dg.SensorEvaluationContext, postgres: Postgres, clock: Clock, channels: Channels
) -> dg.RunRequest | dg.SkipReason:
    github = settings.github()
    targets, problems = channels.open()
    if not github and not targets:
        return dg.SkipReason(
            problems[0] if problems else "neither ALERTS_REPO and GH_TOKEN nor FLEEXMON_CHANNELS is set"
        )
    if context.instance.get_runs_count(dg.RunsFilter(job_name=jobs.alert.name, statuses=UNFINISHED)):
        return dg.SkipReason("the previous run has not finished")
    now = clock.now()
    with postgres.connection() as connection:
        if not (github and _github_is_due(connection, github.repo, now)) and not _channels_are_due(
            connection, targets, now
        ):
            return dg.SkipReason("nothing to send: GitHub and all channels are up to date")
    return dg.RunRequest(run_key=f"alert-{now:%Y-%m-%dT%H:%M}", tags=tick_tags(Tick.ALERT))


def _github_is_due(connection: Connection, repository: str, now: datetime) -> bool:
    return alerts_are_due(connection, now=now) or feedback_is_due(connection, now=now, repository=repository)


def _channels_are_due(connection: Connection, channels: Sequence[Channel], now: datetime) -> bool:
    if not channels:
        return False
    min_severity = lowest_severity([channel.settings for channel in channels])
    messages = messages_of_incidents(connection, now=now, min_severity=min_severity, ui_url=settings.ui_url())
    waiting = would_enqueue(connection, messages, channels) or are_due(connection, channels, now=now)
    return waiting or incidents_are_due(connection)


SENSORS = [catch_up, remember_failures, watch_pipeline, alert_when_due]
