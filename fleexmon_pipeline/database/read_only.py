"""A few read-only connections for pages and agents.

Here: the session's limits. Queries: `lookup/`, `incidents/`, `issues/`, `comparison/`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fleexmon_pipeline.database.connection import Pool, open_pool


class ReadOnlyDatabase:
    """Opened at the first query, so that a server starts without a database, too. `seconds`: limit of a statement."""

    def __init__(self, url: Callable[[], str], *, connections: int, seconds: int) -> None:
        self._url = url
        self._connections = connections
        self._seconds = seconds
        self._pool: Pool | None = None
        self._opening = threading.Lock()

    def pool(self) -> Pool:
        with self._opening:
            if self._pool is None:
                self._pool = open_pool(_read_only(self._url(), self._seconds), max_size=self._connections)
            return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


def _read_only(url: str, seconds: int) -> str:
    given = conninfo_to_dict(url).get("options") or ""
    # Plan for the actual window: a generic plan may read the whole table.
    plans = "-c jit=off -c plan_cache_mode=force_custom_plan"
    limits = f"-c default_transaction_read_only=on -c statement_timeout={seconds}s {plans}"
    return make_conninfo(url, options=f"{given} {limits}".strip())
