"""What a 5-minute tick takes: 10,000 new lines of one slot become rows, counts and issues.

Two ways: the monitoring job in a process that is up, as the daemon's run worker has it; and the command that a person
types, its start included.
"""

from __future__ import annotations

import time
from contextlib import redirect_stderr
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from statistics import median

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, SLOT, Window, floor
from fleexmon_pipeline_tests.bench.nodes import serving
from fleexmon_pipeline_tests.bench.place import apart, count, empty, materialize, place, watch
from fleexmon_pipeline_tests.bench.table import Row, Table

LINES = 10_000
_KEY = "%Y-%m-%d-%H:00"


def measure(rounds: int) -> Table:
    ended = floor(datetime.now(UTC), SLOT)
    slot = Window(ended - SLOT, ended)
    with place() as url, serving(LINES, slot) as nodes:
        watch(nodes)
        inside, peak_inside = apart(_in_process, url, nodes, slot, rounds)
        commands, peak_command = [], 0
        for _ in range(rounds):
            _before(url, nodes, slot)
            chain = ["--select", "raw_logs,analyzed_logs,detected_issues", "--partition", f"{slot.since:{_KEY}}"]
            seconds, peak = apart(materialize, *chain)
            _check(url)
            commands.append(seconds)
            peak_command = max(peak_command, peak)
    return Table(
        f"tick: seconds for the {LINES:,} lines of a 5-minute slot: collected, analysed, judged",
        f"best and median of {rounds} rounds",
        [
            _row("job in a running process", inside, peak_inside),
            _row("command, with its start", commands, peak_command),
        ],
    )


def _row(way: str, seconds: list[float], peak: int) -> Row:
    return {"way": way, "best": min(seconds), "median": median(seconds), "peak_mb": peak}


def _before(url: str, nodes: list[Node], slot: Window) -> None:
    """As at the end of `slot`: the hour's earlier slots are known, and were silent."""
    empty(url)
    earlier = Window(floor(slot.since, HOUR), slot.since)
    collect(earlier, nodes, partial(connect, url), now=slot.since, run_id="bench")


def _check(url: str) -> None:
    analyzed = count(url, 'SELECT count(*) FROM "LogEntry" WHERE analyzed')
    counted = count(url, 'SELECT sum(count)::bigint FROM "LogPatternCount"')
    if (analyzed, counted) != (LINES, LINES):
        raise RuntimeError(f"of {LINES:,} lines {analyzed:,} were analyzed and {counted:,} counted")


def _in_process(url: str, nodes: list[Node], slot: Window, rounds: int) -> list[float]:
    """Seconds of each tick, after a first one, for another hour, in which the process gets going."""
    # Not at the top: dagster's memory would be counted in every measurement's processes.
    from dagster import DagsterInstance  # noqa: PLC0415

    from fleexmon_pipeline.definitions import defs  # noqa: PLC0415
    from fleexmon_pipeline.ticks import TICK  # noqa: PLC0415

    job, taken = defs.resolve_job_def("monitoring"), []
    with DagsterInstance.get() as instance, redirect_stderr(StringIO()):  # where it tells every event
        for hour in (slot.since - HOUR, *[slot.since] * rounds):
            _before(url, nodes, slot)
            begun = time.perf_counter()
            job.execute_in_process(instance=instance, partition_key=f"{hour:{_KEY}}", tags={TICK: "slot"})
            taken.append(time.perf_counter() - begun)
            if hour == slot.since:
                _check(url)
    return taken[1:]
