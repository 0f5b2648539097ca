"""Pages over a month of stored lines, by HTTP as a browser asks; and what finding traces costs when lines are stored.

Beside each page the same server's style sheet, which asks no database: what remains is the page's own time.
"""

from __future__ import annotations

import hashlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median

import httpx
import uvicorn

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.web.pages.site import Pages, application, reading
from fleexmon_pipeline.window import SLOT, floor
from fleexmon_pipeline_tests.bench.place import empty, place
from fleexmon_pipeline_tests.bench.stored_month import fill
from fleexmon_pipeline_tests.bench.table import Row, Table

_COLUMNS = "id, timestamp, level, message, source, hostname, metadata"


def measure(rows: int, rounds: int) -> Table:
    until = floor(datetime.now(UTC), SLOT)
    with place() as url:
        empty(url)
        fill(url, rows, until, MASK_VERSION)
        with served(url) as address, httpx.Client(base_url=address, timeout=60) as client:
            base = _taken(client, "/fleexmon/style.css", rounds)[0]
            table = [_row(client, path, rounds, base) for path in typical_paths(url, until)]
    return Table(
        f"pages over {rows:,} lines of 30 days",
        f"of {rounds} requests each; times_base: of the style sheet, {median(base) * 1000:.1f} ms at the median",
        table,
    )


def measure_trace_index(rows: int, rounds: int) -> Table:
    """COPY of the same rows, in turns, with and without the index of traces."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with place() as url, tempfile.TemporaryFile() as saved:
        empty(url)
        fill(url, rows, floor(datetime.now(UTC), SLOT), MASK_VERSION)
        with connect(url) as connection:
            with connection.cursor().copy(f'COPY (SELECT {_COLUMNS} FROM "LogEntry") TO STDOUT'.encode()) as copy:
                saved.writelines(copy)
            row = connection.execute(b"SELECT pg_get_indexdef('\"LogEntry_trace\"'::regclass) AS made").fetchone()
            for _ in range(rounds):
                for indexed in (False, True):
                    connection.execute(b'DROP INDEX IF EXISTS "LogEntry_trace"')
                    connection.execute(b'TRUNCATE "LogEntry"')
                    if indexed and row:
                        connection.execute(row["made"].encode())
                    connection.execute(b"CHECKPOINT")
                    saved.seek(0)
                    text = saved.read()
                    begun = time.perf_counter()
                    with connection.cursor().copy(f'COPY "LogEntry" ({_COLUMNS}) FROM STDIN'.encode()) as copy:
                        copy.write(text)
                    seconds[indexed].append(time.perf_counter() - begun)
    ratio = [with_it / without for without, with_it in zip(seconds[False], seconds[True], strict=True)]
    return Table(
        "trace index: COPY into LogEntry with the index of traces against without",
        f"{rounds} rounds of {rows:,} rows, taking turns",
        [
            {
                "without_best_s": min(seconds[False]), "with_best_s": min(seconds[True]),
                "ratio_median": median(ratio), "ratio_worst": max(ratio),
            }
        ],
    )  # fmt: skip


def typical_paths(url: str, until: datetime) -> list[str]:
    with connect(url) as connection:
        line = connection.execute(
            b'SELECT id, metadata FROM "LogEntry" WHERE timestamp >= %s ORDER BY timestamp LIMIT 1',
            [until - timedelta(days=9)],
        ).fetchone()
    if line is None:
        raise RuntimeError("no line was stored")
    issue, pattern = (hashlib.md5(text.encode()).hexdigest() for text in ("issue 1", "pattern 0"))  # noqa: S324
    return [
        "/fleexmon", "/fleexmon/incidents", "/fleexmon/incidents?state=all", f"/fleexmon/incidents/{issue}",
        "/fleexmon/issues", "/fleexmon/issues?state=all&q=s7", f"/fleexmon/issues/{issue}",
        "/fleexmon/logs", "/fleexmon/logs?level=fatal", "/fleexmon/logs?q=no-line-has-it", "/fleexmon/logs?q=customer",
        f"/fleexmon/logs?pattern={pattern[:16]}", f"/fleexmon/logs?trace={line['metadata']['trace_id']}",
        f"/fleexmon/logs?at={(until - timedelta(days=20)):%Y-%m-%d}", f"/fleexmon/logs/{line['id']}",
        "/fleexmon/patterns", f"/fleexmon/patterns/{pattern[:16]}", "/fleexmon/compare",
        "/fleexmon/compare?from=3h&to=1h&candidate=green&baseline=blue", "/fleexmon/digests", "/fleexmon/shadow",
    ]  # fmt: skip


def _row(client: httpx.Client, path: str, rounds: int, base: list[float]) -> Row:
    begun = time.perf_counter()
    answer = client.get(path).raise_for_status()
    first = time.perf_counter() - begun
    while "refresh" in answer.headers:  # a comparison is computed beside its page, and then remembered
        time.sleep(float(answer.headers["refresh"]))
        answer = client.get(path).raise_for_status()
    done = time.perf_counter() - begun
    seconds, size = _taken(client, path, rounds)
    return {
        "page": path.removeprefix("/fleexmon")[:44] or "(now)",
        "bytes": size,
        "first_ms": first * 1000,
        "done_ms": done * 1000,
        "best_ms": min(seconds) * 1000,
        "median_ms": median(seconds) * 1000,
        "worst_ms": max(seconds) * 1000,
        "times_base": median(seconds) / median(base),
    }


def _taken(client: httpx.Client, path: str, rounds: int) -> tuple[list[float], int]:
    """Seconds of each request after a first one, and the bytes of the answer."""
    size = len(client.get(path).raise_for_status().content)
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        client.get(path)
        seconds.append(time.perf_counter() - begun)
    return seconds, size


@contextmanager
def served(url: str) -> Iterator[str]:
    pages = Pages(reading(lambda: url))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # a request that comes before the server has started waits for it
        server = uvicorn.Server(uvicorn.Config(application(pages), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    pages.database.close()
