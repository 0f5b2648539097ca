"""Collect the log lines of a window from all nodes.

Here: which window, and what the UI shows. How lines are fetched, checked and stored: `collection/`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.asset import TICKS_ARE_FRESH, Results, hourly_asset, is_materializing, results
from fleexmon_pipeline.assets.checks import EVERY_NODE_ANSWERS, check_coverage
from fleexmon_pipeline.assets.heartbeat import heartbeat
from fleexmon_pipeline.assets.hour_metadata import collected_metadata
from fleexmon_pipeline.collection.account import MAX_NAMED, Account
from fleexmon_pipeline.collection.collect import Slots, collect
from fleexmon_pipeline.collection.gaps import note_gaps
from fleexmon_pipeline.collection.records import READER_VERSION
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.issues.lifecycle import newest_covered, reconcile
from fleexmon_pipeline.partitions import key_of_hour, window_of
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.nodes import Nodes
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.ticks import Tick, group_of, tick_of
from fleexmon_pipeline.window import HOUR, ceil

# Time for one answer of one node, in ticks; only one tick runs at a time. At 60,000 lines/s an hour of 10 million lines
# fits: catch_up must be able to finish an hour, or it would give up on it.
SLOT_ANSWER_SECONDS, HOUR_ANSWER_SECONDS = 60, 180


@hourly_asset(
    freshness_policy=TICKS_ARE_FRESH,
    kinds={"http", "postgres"},
    writes=["LogEntry", "LogCoverage", "RejectedLog"],
    code_version=str(READER_VERSION),
    check_specs=[EVERY_NODE_ANSWERS],
)
def raw_logs(context: dg.AssetExecutionContext, nodes: Nodes, postgres: Postgres, clock: Clock) -> Results:
    """Collects every log line of every node, once.

    Polls each node for the lines of an hour and stores them. For each node and 5 minutes: received = stored + duplicate
    + rejected. Slots that a node did not answer are recorded and retried. Runs every 5 minutes, and again for late
    lines.
    """
    now, sources = clock.now(), nodes.sources()
    kept_since = now - timedelta(days=settings.retention_days())
    if is_materializing(context):
        group = group_of(context.run.tags)
        if group is None or group.number == 1:
            heartbeat(context.log, context.run.tags, context.run.run_id, "start")
        own = [node for node in sources if group is None or group.has(node.name)]
        _collect(context, own, postgres, now=now, kept_since=kept_since)
    with postgres.connection() as connection:
        check = check_coverage(connection, [node.name for node in sources], since=kept_since)
    yield from results(context, [check])


def _collect(
    context: dg.AssetExecutionContext,
    sources: Sequence[Node],
    postgres: Postgres,
    *,
    now: datetime,
    kept_since: datetime,
) -> None:
    window, tick = window_of(context), tick_of(context.run.tags)

    def report(account: Account) -> None:
        context.log.info(account.sentence())
        context.log.info(_transfer(account))
        with postgres.connection() as connection:
            metadata = collected_metadata(connection, account.window, now=now)
        context.add_asset_metadata(metadata, partition_key=key_of_hour(account.window.since))

    with postgres.connection() as connection:
        make_days(connection, window, now=now, kept_since=kept_since)
    total = collect(
        window,
        [_in_time(node, tick) for node in sources],
        postgres.connection,
        now=now,
        run_id=context.run.run_id,
        slots=slots_of(tick),
        each_hour=report,
        stored_at_once=postgres.size,
    )
    if window.length > HOUR:
        context.log.info(f"total {total.sentence()}")
    with postgres.connection() as connection:
        gaps = note_gaps(connection, since=ceil(kept_since, HOUR))
        reconcile(connection, gaps, now=newest_covered(connection) or window.since, run=context.run.run_id)


def _in_time(node: Node, tick: Tick | None) -> Node:
    """A slow node must not delay the other nodes in a tick. catch_up fetches later what the tick did not finish."""
    if tick is None:
        return node
    seconds = SLOT_ANSWER_SECONDS if tick is Tick.SLOT else HOUR_ANSWER_SECONDS
    return replace(node, limits=replace(node.limits, answer_seconds=min(node.limits.answer_seconds, seconds)))


def slots_of(tick: Tick | None) -> Slots:
    """A person who materializes an hour gets all of it."""
    if tick is Tick.LATE:
        return "asked"
    return "incomplete" if tick else "all"


def _transfer(account: Account) -> str:
    slowest = sorted(account.nodes.values(), key=lambda node: -node.seconds)[:MAX_NAMED]
    nodes = [f"{node.node} {node.bytes:,} bytes in {node.seconds:.2f} s" for node in slowest]
    more = [f"and {len(account.nodes) - len(slowest):,} faster ones"] if len(account.nodes) > len(slowest) else []
    return f"{account.window}: {'; '.join([*nodes, *more]) or 'no request'}"
