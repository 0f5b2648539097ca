"""Whether work costs more where more is stored: tick, detection, digest, issues and pages over months of three sizes.

Here: the same work over a small month and larger ones, and its ratio to the first. Each day's lines have a part of
their own, as where the product has run for a month. The hour that is evaluated grows with its month, unless it is to
be the same: then what is more is of nodes that were retired two days ago.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from datetime import UTC, datetime
from io import StringIO
from statistics import median

import httpx

from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.issues.read import list_issues
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.reporting.digests import write_digest
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor
from fleexmon_pipeline_tests.bench.nodes import serving
from fleexmon_pipeline_tests.bench.pages import served, typical_paths
from fleexmon_pipeline_tests.bench.place import apart, empty, place, watch
from fleexmon_pipeline_tests.bench.stored_month import fill
from fleexmon_pipeline_tests.bench.table import Row, Table

LINES = 10_000  # of a tick
HOURS_OF_MONTH = 30 * 24
_KEY = "%Y-%m-%d-%H:00"


def measure(sizes: Sequence[int], rounds: int, *, same_hour: bool = False) -> Table:
    """`sizes`: lines of the month, ascending. `same_hour`: its last hours have as many lines as the first month's."""
    medians: dict[str, list[float]] = {}
    for size in sizes:
        for work, seconds in _of_one_size(size, sizes[0] if same_hour else size, rounds).items():
            medians.setdefault(work, []).append(seconds)
    hours = f"{sizes[0] // HOURS_OF_MONTH:,} lines" if same_hour else "grows with it"
    return Table(
        f"sizes: milliseconds over a month of {', '.join(f'{size:,}' for size in sizes)} lines; an hour: {hours}",
        f"median of {rounds} rounds; times: of the largest month to the smallest",
        [_row(work, sizes, taken) for work, taken in medians.items()],
    )


def _row(work: str, sizes: Sequence[int], seconds: Sequence[float]) -> Row:
    row: Row = {"work": work}
    row |= {f"{size:,}": taken * 1000 for size, taken in zip(sizes, seconds, strict=True)}
    return row | {"times": seconds[-1] / seconds[0]}


def _of_one_size(size: int, own: int, rounds: int) -> dict[str, float]:
    ended = floor(datetime.now(UTC), SLOT)
    slot = Window(ended - SLOT, ended)
    with place() as url, serving(LINES, slot) as nodes:
        empty(url)
        with connect(url) as connection:
            make_days(
                connection, Window(slot.since - 31 * DAY, slot.until), now=slot.until, kept_since=slot.since - 31 * DAY
            )
        fill(url, size, slot.since, MASK_VERSION, own=own)
        watch(nodes)
        # Pages first: what follows finds incidents of its own in place of those that were made.
        with served(url) as address, httpx.Client(base_url=address, timeout=120) as client:
            pages = [_page(client, path, rounds) for path in typical_paths(url, slot.since)]
        taken = {f"a tick of {LINES:,} lines": apart(_ticks, url, nodes, slot, rounds)[0]}
        taken |= apart(_functions, url, slot.since, rounds)[0]
        return taken | {"the pages, at the median": median(pages), "the slowest page": max(pages)}


def _ticks(url: str, nodes: list[Node], slot: Window, rounds: int) -> float:
    # Not at the top: dagster's memory would be counted in every measurement's processes.
    from dagster import DagsterInstance  # noqa: PLC0415

    from fleexmon_pipeline.definitions import defs  # noqa: PLC0415
    from fleexmon_pipeline.ticks import TICK  # noqa: PLC0415

    job, taken = defs.resolve_job_def("monitoring"), []
    with DagsterInstance.get() as instance, redirect_stderr(StringIO()):  # where it tells every event
        for _ in range(rounds + 1):
            with connect(url) as connection:
                for table, at in (("LogEntry", "timestamp"), ("LogPatternCount", "slot"), ("LogCoverage", "slot")):
                    connection.execute(f'DELETE FROM "{table}" WHERE {at} >= %s'.encode(), [slot.since])
                connection.execute("CHECKPOINT")
            begun = time.perf_counter()
            job.execute_in_process(instance=instance, partition_key=f"{slot.since:{_KEY}}", tags={TICK: "slot"})
            taken.append(time.perf_counter() - begun)
    return median(taken[1:])


def _functions(url: str, until: datetime, rounds: int) -> dict[str, float]:
    hour = Window.hour_of(floor(until, HOUR) - HOUR)
    yesterday = Window.day_of(floor(until, DAY) - DAY)
    rules = load_rules().rules
    works: dict[str, Callable[[Connection], object]] = {
        "issues list": list_issues,  # first: detection resolves what was made
        "detection of an hour": lambda c: detect_hour(c, hour, rules, now=until, known_until=until),
        "the digest of a day": lambda c: write_digest(c, yesterday, now=until, github=False),
    }
    with connect(url) as connection:
        return {name: _median(lambda work=work: work(connection), rounds) for name, work in works.items()}  # type: ignore[misc]


def _median(work: Callable[[], object], rounds: int) -> float:
    work()  # learns baselines, fills caches
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _page(client: httpx.Client, path: str, rounds: int) -> float:
    while "refresh" in (answer := client.get(path).raise_for_status()).headers:
        time.sleep(float(answer.headers["refresh"]))
    return _median(lambda: client.get(path).raise_for_status(), rounds)
