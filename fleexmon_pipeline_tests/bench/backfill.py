"""A first day: the demo shop's last hours through the four hourly assets, by the command that a person types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from threading import Event

from fleexmon_pipeline.demo.server import start_demo_nodes
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, floor
from fleexmon_pipeline_tests.bench.place import SPAWN, apart, count, materialize, place, watch
from fleexmon_pipeline_tests.bench.table import Row, Table

_KEY = "%Y-%m-%d-%H:00"


def measure(hours: int) -> Table:
    ends = floor(datetime.now(UTC), HOUR)
    span = f"{ends - hours * HOUR:{_KEY}}...{ends - HOUR:{_KEY}}"
    chain = ["--select", "raw_logs,analyzed_logs,detected_issues,predictions", "--partition-range", span]
    with place() as url, shop(seed=1) as nodes:
        watch(nodes)
        rows = [_row(url, "first time", apart(materialize, *chain)), _row(url, "again", apart(materialize, *chain))]
    return Table(
        f"backfill: {hours} hours of the demo shop through four assets, in one run",
        "`dagster asset materialize --partition-range`, its start and the shop's own work included",
        rows,
    )


def _row(url: str, what: str, measured: tuple[float, int]) -> Row:
    seconds, peak = measured
    rows = count(url, 'SELECT count(*) FROM "LogEntry" WHERE analyzed')
    issues = count(url, 'SELECT count(*) FROM "LogIssue"')
    if not rows or not issues:
        raise RuntimeError(f"the backfill stored {rows:,} rows and found {issues:,} issues")
    return {
        "run": what,
        "rows": rows,
        "issues": issues,
        "seconds": seconds,
        "rows_per_s": rows / seconds,
        "peak_mb": peak,
    }


@contextmanager
def shop(seed: int) -> Iterator[list[Node]]:
    """The demo's two nodes, in a process of their own."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_keep_shop, args=(theirs, seed), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _keep_shop(told: Pipe, seed: int) -> None:
    nodes = start_demo_nodes(seed=seed)
    told.send([Node(node.name, f"http://127.0.0.1:{node.port}/api/logs", "127.0.0.1") for node in nodes])
    Event().wait()
