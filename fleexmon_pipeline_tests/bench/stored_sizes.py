"""Whether work costs more where more is stored: ticks, detection, forecasts, digest, issues, pages over several months.

Here: the same work over months of different sizes, in turns, and its ratio to the smallest. Each day's lines have a
part of their own, as where the product has run for a month. The hour that is evaluated grows with its month, unless it
is to be the same: then every month has the same ten nodes, and what is more is of the eight that were retired two days
ago.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from statistics import median
from unittest.mock import patch

import httpx

from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.forecasting.forecasts import HISTORY, make_forecasts
from fleexmon_pipeline.forecasting.series import hourly_series
from fleexmon_pipeline.issues.read import list_issues
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.reporting.digests import write_digest
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor
from fleexmon_pipeline_tests.bench.nodes import serving
from fleexmon_pipeline_tests.bench.pages import served, typical_paths
from fleexmon_pipeline_tests.bench.place import apart, empty, place, watch
from fleexmon_pipeline_tests.bench.stored_month import fill
from fleexmon_pipeline_tests.bench.table import Row, Table

LINES = 10_000  # of a tick
HOURS_OF_MONTH = 30 * 24
_KEY = "%Y-%m-%d-%H:00"
Taken = dict[str, list[float]]  # by work: a median of each month, seconds


@dataclass(frozen=True)
class _Month:
    """`environment`: where runs find its server."""

    name: str
    url: str
    environment: Mapping[str, str]


def measure(sizes: Sequence[int], rounds: int, *, same_hour: bool = False) -> Table:
    """`sizes`: lines of the month, ascending. `same_hour`: the last hours of all months have as many lines, and all
    months ten nodes; the smallest is made once more with two nodes, to show what is due to nodes rather than lines."""
    own = sizes[0] // 2
    months = [(f"{size:,}", size, own if same_hour else size) for size in sizes]
    if same_hour:
        months.insert(0, (f"{sizes[0]:,} of two nodes", sizes[0], sizes[0]))
    base = 1 if same_hour else 0
    ended = floor(datetime.now(UTC), SLOT)
    slot = Window(ended - SLOT, ended)
    with ExitStack() as stack:
        nodes = stack.enter_context(serving(LINES, slot))
        watch(nodes)
        filled = [stack.enter_context(_filled(*month, slot)) for month in months]
        # Pages first: what follows finds incidents of its own in place of those that were made.
        taken = dict(_pages(filled, slot.since, rounds))
        taken |= apart(_functions, filled, slot.since, rounds)[0]
        taken[f"a tick of {LINES:,} lines"] = apart(_ticks, filled, slot, rounds)[0]
    rows = [_row(work, [name for name, _, _ in months], seconds, base) for work, seconds in taken.items()]
    hours = f"{own // HOURS_OF_MONTH:,} lines" if same_hour else "grows with it"
    return Table(
        f"sizes: milliseconds over months of {', '.join(name for name, _, _ in months)} lines; an hour: {hours}",
        f"median of {rounds} rounds, months in turns; times: of the largest month to {months[base][0]}",
        sorted(rows, key=lambda row: -float(row["times"])),
    )


def _row(work: str, names: Sequence[str], seconds: Sequence[float], base: int) -> Row:
    row: Row = {"work": work}
    row |= {name: taken * 1000 for name, taken in zip(names, seconds, strict=True)}
    return row | {"times": seconds[-1] / seconds[base]}


@contextmanager
def _filled(name: str, size: int, own: int, slot: Window) -> Iterator[_Month]:
    with place() as url:
        empty(url)
        with connect(url) as connection:
            make_days(
                connection, Window(slot.since - 31 * DAY, slot.until), now=slot.until, kept_since=slot.since - 31 * DAY
            )
        fill(url, size, slot.since, MASK_VERSION, own=own)
        yield _Month(name, url, {key: os.environ[key] for key in ("FLEEXMON_HOME", "DAGSTER_HOME")})


def _ticks(months: Sequence[_Month], slot: Window, rounds: int) -> list[float]:
    # Not at the top: dagster's memory would be counted in every measurement's processes.
    from dagster import DagsterInstance  # noqa: PLC0415

    from fleexmon_pipeline.definitions import defs  # noqa: PLC0415
    from fleexmon_pipeline.ticks import TICK  # noqa: PLC0415

    job = defs.resolve_job_def("monitoring")
    partition = f"{slot.since:{_KEY}}"

    def prepare(month: _Month) -> None:
        with connect(month.url) as connection:
            for table, at in (("LogEntry", "timestamp"), ("LogPatternCount", "slot"), ("LogCoverage", "slot")):
                connection.execute(f'DELETE FROM "{table}" WHERE {at} >= %s'.encode(), [slot.since])
            connection.execute("CHECKPOINT")

    def tick(month: _Month) -> None:
        with (
            patch.dict(os.environ, month.environment),
            DagsterInstance.get() as instance,
            redirect_stderr(StringIO()),  # where it tells every event
        ):
            job.execute_in_process(instance=instance, partition_key=partition, tags={TICK: "slot"})

    return _medians([lambda month=month: tick(month) for month in months], rounds, [  # type: ignore[misc]
        lambda month=month: prepare(month) for month in months  # type: ignore[misc]
    ])  # fmt: skip


def _functions(months: Sequence[_Month], until: datetime, rounds: int) -> Taken:
    hour = Window.hour_of(floor(until, HOUR) - HOUR)
    yesterday = Window.day_of(floor(until, DAY) - DAY)
    rules = load_rules().rules
    works: dict[str, Callable[[Connection], object]] = {
        "issues list": list_issues,  # first: detection resolves what was made
        "28 days of hourly series": lambda c: hourly_series(c, Window(hour.until - HISTORY, hour.until)),
        "forecasts of an hour": lambda c: make_forecasts(c, rules, hour, now=until),
        "detection of an hour": lambda c: detect_hour(c, hour, rules, now=until, known_until=until),
        "the digest of a day": lambda c: write_digest(c, yesterday, now=until, github=False),
    }
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(month.url)) for month in months]
        return {
            name: _medians([lambda c=c, work=work: work(c) for c in connections], rounds)  # type: ignore[misc]
            for name, work in works.items()
        }


def _pages(months: Sequence[_Month], until: datetime, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Each page, and their median."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(httpx.Client(base_url=stack.enter_context(served(month.url)), timeout=120))
            for month in months
        ]
        paths = [typical_paths(month.url, until) for month in months]
        pages = []
        for number, path in enumerate(paths[0]):
            requests = [_requested(client, of_month[number]) for client, of_month in zip(clients, paths, strict=True)]
            pages.append(_medians(requests, rounds))
            yield f"page {path.removeprefix('/fleexmon')[:44]}".strip(), pages[-1]
    yield "the pages, at the median", [median(seconds) for seconds in zip(*pages, strict=True)]


def _requested(client: httpx.Client, path: str) -> Callable[[], object]:
    """A request of this page, after one that has waited for what it computes beside itself."""
    while "refresh" in (answer := client.get(path).raise_for_status()).headers:
        time.sleep(float(answer.headers["refresh"]))
    return lambda: client.get(path).raise_for_status()


def _medians(
    works: Sequence[Callable[[], object]], rounds: int, prepare: Sequence[Callable[[], object]] | None = None
) -> list[float]:
    """Median seconds of each work, after a first time that learns baselines and fills caches; the works in turns."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for place_in_turn, work in enumerate(works):
            if prepare:
                prepare[place_in_turn]()
            begun = time.perf_counter()
            work()
            taken[place_in_turn].append(time.perf_counter() - begun)
    return [median(seconds[1:]) for seconds in taken]
