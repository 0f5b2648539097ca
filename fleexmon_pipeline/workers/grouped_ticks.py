"""Ticks of several runs: when every group of nodes was collected, analyze and evaluate the hour.

Used only if FLEEXMON_GROUPS is more than 1. Runs that collect: `schedules.py`; nodes of a group: `ticks.py`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from fleexmon_pipeline import jobs
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.sensors import PARTITION_TAG
from fleexmon_pipeline.ticks import GROUP, TICK, TICK_KEY, Tick, group_of, tick_tags

GROUPED = [Tick.SLOT.value, Tick.LATE.value]
ANALYSIS = [dg.AssetKey("analyzed_logs"), dg.AssetKey("detected_issues")]
# A group that hangs must not delay the analysis of the others. Its lines are analyzed when it ends.
MAX_WAIT = timedelta(minutes=3)
LOOK_BACK = timedelta(hours=1)  # a tick's run may take 30 minutes


@dg.sensor(
    job=jobs.monitoring,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Every 10 seconds: when every group of nodes of a tick was collected, request the rest of the chain.",
)
def analyze_collected(context: dg.SensorEvaluationContext, clock: Clock) -> dg.SensorResult:
    now = clock.now()
    requested = set(json.loads(context.cursor or "[]"))
    ticks = _ticks(context.instance, since=now - LOOK_BACK)
    due = [key for tick, runs in ticks.items() for key in _due(tick, runs, now) if key not in requested]
    kept = sorted(key for key in {*requested, *due} if key.partition("/")[0] in ticks)
    requests = [_analysis(key, ticks[key.partition("/")[0]][0].dagster_run) for key in due]
    reason = None if requests else f"{len(ticks)} ticks of the last hour, each analyzed or still being collected"
    return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=json.dumps(kept))


def _ticks(instance: dg.DagsterInstance, since: datetime) -> dict[str, list[dg.RunRecord]]:
    """The runs of each tick that has several runs, by its key."""
    groups = defaultdict(list)
    for record in instance.get_run_records(dg.RunsFilter(tags={TICK: GROUPED}, created_after=since)):
        if GROUP in record.dagster_run.tags and (key := record.dagster_run.tags.get(TICK_KEY)):
            groups[key].append(record)
    return groups


def _due(tick: str, runs: Sequence[dg.RunRecord], now: datetime) -> list[str]:
    """Keys of analyses: of all groups, or before that of the groups that do not hang. Dagster runs each key once.

    A group may have several runs, for example if somebody re-executed one: it has ended when all of them have."""
    group = group_of(runs[0].dagster_run.tags)
    groups = {record.dagster_run.tags[GROUP] for record in runs}
    ended = len(groups - {record.dagster_run.tags[GROUP] for record in runs if not record.dagster_run.is_finished})
    if group is None or ended >= group.of:
        return [f"{tick}/all"]
    late = now - min(record.create_timestamp for record in runs) > MAX_WAIT
    return [f"{tick}/early"] if late and ended else []


def _analysis(key: str, run: dg.DagsterRun) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"analyze-{key}",
        partition_key=run.tags[PARTITION_TAG],
        tags=tick_tags(Tick(run.tags[TICK])),
        asset_selection=ANALYSIS,
    )
