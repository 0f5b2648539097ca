"""Collection end to end against a raw COPY of the same rows: HTTP, decode, normalise, identity, COPY, dedupe, coverage.

COPY is given its text ready-made, in one piece, over one connection: what remains is the server's own work. The two
take turns, so that a slow minute of the machine is a slow minute of both. Each is a new process, as a run is.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpcore  # noqa: F401 - httpx loads it with its first client; loading modules is not what is measured

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import connect, open_pool
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.bench.nodes import serving
from fleexmon_pipeline_tests.bench.place import apart, empty, place
from fleexmon_pipeline_tests.bench.table import Row, Table

MAX_LINES_PER_HOUR = 200_000  # 56 lines/s; more lines are more hours, as in a backfill
SINCE = datetime(2026, 6, 1, tzinfo=UTC)
_NAMES = "id, timestamp, level, message, source, hostname, metadata"
_COLUMNS = f'"LogEntry" ({_NAMES})'


def measure(sizes: Sequence[int], rounds: int) -> Table:
    return Table(
        "collection: rows/s from two nodes to committed, against a raw COPY of the same rows",
        f"best and median of {rounds} rounds (3 of millions); replay: the window again; cpu, peak: of the collector",
        [_measure(size, min(rounds, 3) if size > 1_000_000 else rounds) for size in sizes],
    )


def hours_of(size: int) -> Window:
    return Window(SINCE, SINCE + HOUR * max(1, size // MAX_LINES_PER_HOUR))


def _measure(size: int, rounds: int) -> Row:
    window, peak = hours_of(size), 0
    collected, processor, replayed, copied = [], [], [], []
    with place() as url, serving(size, window) as nodes, tempfile.NamedTemporaryFile() as rows:
        for _ in range(rounds):
            empty(url)
            (seconds, cpu), memory = apart(collect_all, url, nodes, window, stored=size)
            collected.append(seconds)
            processor.append(cpu)
            peak = max(peak, memory)
            replayed.append(apart(collect_all, url, nodes, window, known=size)[0][0])
            apart(_save, url, rows.name)
            empty(url)
            copied.append(apart(_copy, url, rows.name, size)[0])
    return {
        "rows": size,
        "collect_best": size / min(collected),
        "collect_median": size / median(collected),
        "copy_best": size / min(copied),
        "copy_median": size / median(copied),
        "ratio_best": min(copied) / min(collected),
        "ratio_median": median(copied) / median(collected),
        "replay_best": size / min(replayed),
        "replay_median": size / median(replayed),
        "cpu_us_a_row": min(processor) / size * 1e6,  # what another program on the machine changes least
        "peak_mb": peak,
    }


def collect_all(url: str, nodes: list[Node], window: Window, stored: int = 0, known: int = 0) -> tuple[float, float]:
    """Seconds, and those of the processor; raises when not exactly so many lines were new and so many known."""
    with open_pool(url) as pool:
        begun, before = time.perf_counter(), time.process_time()
        account = collect(window, nodes, pool.connection, now=window.until, run_id="bench")
        seconds, cpu = time.perf_counter() - begun, time.process_time() - before
    found = account.nodes.values()
    if (sum(n.stored for n in found), sum(n.duplicate for n in found)) != (stored, known):
        raise RuntimeError(f"{stored:,} new and {known:,} known lines were expected: {account.sentence()}")
    return seconds, cpu


def _save(url: str, path: str) -> None:
    with (
        connect(url) as connection,
        Path(path).open("wb") as file,
        connection.cursor().copy(f'COPY (SELECT {_NAMES} FROM "LogEntry") TO STDOUT'.encode()) as copy,
    ):
        file.writelines(copy)


def _copy(url: str, path: str, size: int) -> float:
    text = Path(path).read_bytes()
    with connect(url) as connection, connection.cursor() as cursor:
        begun = time.perf_counter()
        with cursor.copy(f"COPY {_COLUMNS} FROM STDIN".encode()) as copy:
            copy.write(text)
        seconds = time.perf_counter() - begun
        if cursor.rowcount != size:
            raise RuntimeError(f"COPY stored {cursor.rowcount:,} rows of {size:,}")
    return seconds
