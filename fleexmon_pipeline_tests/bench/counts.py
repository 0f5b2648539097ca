"""Counting patterns: from LogEntry through the miner into LogPatternCount, as analyzed_logs does it for an hour."""

from __future__ import annotations

import time
from statistics import median

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.genai.judgement import mark_analyzed
from fleexmon_pipeline.patterns.count_lines import rebuild_counts
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.bench.collection import collect_all, hours_of
from fleexmon_pipeline_tests.bench.nodes import serving
from fleexmon_pipeline_tests.bench.place import apart, empty, place
from fleexmon_pipeline_tests.bench.table import Row, Table


def measure(size: int, rounds: int) -> Table:
    window, peak = hours_of(size), 0
    taken: list[tuple[float, float, float]] = []
    with place() as url, serving(size, window) as nodes:
        for _ in range(rounds):
            empty(url)
            apart(collect_all, url, nodes, window, stored=size)
            seconds, memory = apart(_count, url, window, size)
            taken.append(seconds)
            peak = max(peak, memory)
    counted, marked, again = zip(*taken, strict=True)
    whole = [sum(pair) for pair in zip(counted, marked, strict=True)]
    return Table(
        "counts: rows/s from LogEntry to LogPatternCount, no pattern known at first",
        f"best and median of {rounds} rounds of {size:,} rows",
        [
            _row("counted and written", size, list(counted), peak),
            _row("and `analyzed` set", size, whole, peak),
            _row("counted again, all known", size, list(again), peak),
        ],
    )


def _row(what: str, size: int, seconds: list[float], peak: int) -> Row:
    return {"what": what, "rows": size, "best": size / min(seconds), "median": size / median(seconds), "peak_mb": peak}


def _count(url: str, window: Window, size: int) -> tuple[float, float, float]:
    """Seconds of the first count, of marking the rows, of counting again."""
    with connect(url) as connection:
        begun = time.perf_counter()
        miner = load_miner(connection)
        first = rebuild_counts(connection, window, miner, redact=redact)
        counted = time.perf_counter()
        analyzed = mark_analyzed(connection, window)
        marked = time.perf_counter()
        second = rebuild_counts(connection, window, miner, redact=redact)
        again = time.perf_counter()
    if (first.rows, analyzed, second.changed) != (size, size, 0):
        raise RuntimeError(f"{first.rows:,} rows counted, {analyzed:,} marked, {second.changed:,} changed by a repeat")
    return counted - begun, marked - counted, again - marked
