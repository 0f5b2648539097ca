"""Comparisons that people ask for: each is computed once, beside the page that asks, and remembered for some minutes.

Here: who computes, who waits, and for how long. A comparison reads a week of counts, which can take seconds on a large
database; a page that is not done at once says so and loads again. What a comparison is: `comparison/read.py`.
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

AT_ONCE = 1  # each takes a connection and a processor
PATIENCE_SECONDS = 0.1  # of a page; small databases answer in less
REMEMBER_SECONDS = 300.0  # people look again, reload, or send the address to each other
MAX_REMEMBERED = 16  # those that wait included
MAX_SECONDS = 20  # of a statement

Key = tuple[object, ...]


class TooManyComparisonsError(FleexmonError, RuntimeError):
    """As many as are remembered wait to be computed."""


@dataclass(frozen=True)
class _Job:
    asked_at: float  # time.monotonic()
    result: Future[Comparison]


class Comparing:
    def __init__(self, database: ReadOnlyDatabase) -> None:
        self._database = database
        self._jobs: dict[Key, _Job] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="comparison")

    def of(self, connection: Connection, window: Window, baseline: str, candidate: str) -> Comparison | None:
        """None while it is computed. What it raises it raises to whoever waits; asked again, it is tried again.

        A window that was collected, counted or labelled again since is compared again.
        """
        key = (window, baseline, candidate, cache_key_of(connection, window, [baseline, candidate]))
        job = self._job(key, window, baseline, candidate)
        try:
            return job.result.result(PATIENCE_SECONDS)
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
            if job and (not job.result.done() or now - job.asked_at < REMEMBER_SECONDS):
                return job
            self._jobs.pop(key, None)
            self._forget()
            self._jobs[key] = _Job(now, self._workers.submit(self._compare, window, baseline, candidate))
            return self._jobs[key]

    def _forget(self) -> None:
        """The oldest that is done, where there is no room for another."""
        if len(self._jobs) < MAX_REMEMBERED:
            return
        done = next((key for key, job in self._jobs.items() if job.result.done()), None)
        if done is None:
            raise TooManyComparisonsError(f"{MAX_REMEMBERED} comparisons wait to be computed. Try again in a minute.")
        del self._jobs[done]

    def _compare(self, window: Window, baseline: str, candidate: str) -> Comparison:
        with self._database.pool().connection(timeout=MAX_SECONDS) as connection, connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'".encode())
            return compare_nodes(connection, window, baseline, candidate)
