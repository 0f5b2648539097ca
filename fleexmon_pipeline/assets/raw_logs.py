"""Log lines of a window, as the nodes had them.

Here: which window, and what a person sees of the outcome. How lines are fetched, judged sound and kept: `collection/`.
"""

from dataclasses import replace
from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.checks import EVERY_NODE_ANSWERS, check_coverage
from fleexmon_pipeline.collection.account import Account
from fleexmon_pipeline.collection.chart import chart_of
from fleexmon_pipeline.collection.collect import Slots, collect
from fleexmon_pipeline.collection.gaps import note_gaps
from fleexmon_pipeline.issues.lifecycle import newest_covered, reconcile
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, window_of
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.nodes import Nodes
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.ticks import Tick, tick_of
from fleexmon_pipeline.window import HOUR, ceil

# For one answer of one node, in runs that schedules and sensors ask for; one of them runs at a time. At 60,000 lines/s
# an hour of 10 million lines fits: the catch-up must be able to finish what it is asked for, or it would give it up.
SECONDS_OF_A_SLOT, SECONDS_OF_AN_HOUR = 60, 180


@dg.asset(
    partitions_def=HOURLY,
    backfill_policy=ONE_RUN,
    group_name="fleexmon",
    kinds={"http", "postgres"},
    check_specs=[EVERY_NODE_ANSWERS],
)
def raw_logs(context: dg.AssetExecutionContext, nodes: Nodes, postgres: Postgres, clock: Clock) -> dg.MaterializeResult:
    """Every log line of every node, once, with an account of what was received, stored, known already and rejected."""
    window, now = window_of(context), clock.now()

    def tell(account: Account) -> None:
        context.log.info(account.sentence())
        with postgres.connection() as connection:
            chart = chart_of(connection, account.window.ended(now))
        context.add_asset_metadata(metadata_of(account, chart), partition_key=key_of_hour(account.window.since))

    sources = nodes.sources()
    if tick := tick_of(context.run.tags):
        sources = [hurried(node, SECONDS_OF_A_SLOT if tick is Tick.SLOT else SECONDS_OF_AN_HOUR) for node in sources]
    total = collect(
        window,
        sources,
        postgres.connection,
        now=now,
        run_id=context.run.run_id,
        slots=slots_of(tick),
        each_hour=tell,
    )
    if len(list(window.hours())) > 1:
        context.log.info(f"total {total.sentence()}")
    kept = now - timedelta(days=settings.retention_days())
    with postgres.connection() as connection:
        gaps = note_gaps(connection, since=ceil(kept, HOUR))
        reconcile(connection, gaps, now=newest_covered(connection) or window.since, run=context.run.run_id)
        check = check_coverage(connection, [node.name for node in sources], since=kept)
    return dg.MaterializeResult(check_results=[check])


def hurried(node: Node, seconds: int) -> Node:
    """A node that drips must not keep the others' lines from being judged; what a tick leaves is caught up."""
    return replace(node, limits=replace(node.limits, answer_seconds=min(node.limits.answer_seconds, seconds)))


def slots_of(tick: Tick | None) -> Slots:
    """A person who materializes an hour gets all of it."""
    if tick is Tick.LATE:
        return "asked"
    return "incomplete" if tick else "all"


def metadata_of(account: Account, chart: str) -> dict[str, dg.MetadataValue]:
    """Numbers that Dagster plots over time, a table for people, and the hour at a glance."""
    rows = account.nodes.values()
    table = ["| node | received | new | known | rejected | outside | lag | bytes | s | error |", "|---" * 10 + "|"]
    table += [
        f"| {n.node} | {n.received:,} | {n.stored:,} | {n.duplicate:,} | {n.rejected:,} | {n.outside:,} "
        f"| {'–' if n.lag is None else f'{n.lag:,.0f} s'} | {n.bytes:,} | {n.seconds:.2f} "
        f"| {code(n.errors[-1], most=200) if n.errors else ''} |"
        for n in rows
    ]
    lags = [n.lag for n in rows if n.lag is not None]
    return {
        "received": dg.MetadataValue.int(sum(n.received for n in rows)),
        "stored": dg.MetadataValue.int(sum(n.stored for n in rows)),
        "duplicates": dg.MetadataValue.int(sum(n.duplicate for n in rows)),
        "rejected": dg.MetadataValue.int(sum(n.rejected for n in rows)),
        **({"lag_seconds": dg.MetadataValue.float(max(lags))} if lags else {}),
        "nodes": dg.MetadataValue.md("\n".join(table)),
        "hour": dg.MetadataValue.md(chart),
    }
