"""Compute the comparisons that pages show, each once, in the background, and cache them for some minutes.

Here: the worker, the cache and the waiting. A comparison reads a week of counts, which can take seconds on a large
database; a page whose comparison is not ready says so and reloads. The comparison itself: `comparison/read.py`.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from fleexmon_pipeline.comparison.read import Comparison, cache_key_of, compare_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.read_only import ReadOnlyDatabase
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.window import Window

MAX_CONCURRENT = 1  # comparisons; each takes a connection and a processor
WAIT_SECONDS = 0.1  # of a page for its comparison; with small databases it takes less
CACHE_SECONDS = 300.0  # people reload, or send the address to each other
MAX_CACHED = 16  # including those not computed yet
MAX_SECONDS = 20  # of a statement

Key = tuple[object, ...]


class TooManyComparisonsError(FleexmonError, RuntimeError):
    """MAX_CACHED comparisons wait to be computed."""


@dataclass(frozen=True)
class _Job:
    asked_at: float  # time.monotonic()
    result: Future[Comparison]


class Comparing:
    def __init__(self, database: ReadOnlyDatabase) -> None:
        self._database = database
        self._jobs: dict[Key, _Job] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="comparison")

    def of(self, connection: Connection, window: Window, baseline: str, candidate: str) -> Comparison | None:
        """The comparison, or None while it is being computed. An error is raised to the page, and not cached.

        A window that has been collected, counted or labelled again since is compared again.
        """
        key = (window, baseline, candidate, cache_key_of(connection, window, [baseline, candidate]))
        job = self._job(key, window, baseline, candidate)
        try:
            return job.result.result(WAIT_SECONDS)
        except TimeoutError:
            if not job.result.done():
                return None
            raise
        finally:
            if job.result.done() and job.result.exception():
                with self._lock:
                    self._jobs.pop(key, None)

    def _job(self, key: Key, window: Window, baseline: str, candidate: str) -> _Job:
        now = time.monotonic()
        with self._lock:
            job = self._jobs.get(key)
            if job and (not job.result.done() or now - job.asked_at < CACHE_SECONDS):
                return job
            self._jobs.pop(key, None)
            self._forget()
            self._jobs[key] = _Job(now, self._workers.submit(self._compare, window, baseline, candidate))
            return self._jobs[key]

    def _forget(self) -> None:
        """Drop the oldest finished comparison if the cache is full."""
        if len(self._jobs) < MAX_CACHED:
            return
        done = next((key for key, job in self._jobs.items() if job.result.done()), None)
        if done is None:
            raise TooManyComparisonsError(f"{MAX_CACHED} comparisons wait to be computed. Try again in a minute.")
        del self._jobs[done]

    def _compare(self, window: Window, baseline: str, candidate: str) -> Comparison:
        with self._database.pool().connection(timeout=MAX_SECONDS) as connection, connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
            return compare_nodes(connection, window, baseline, candidate)
