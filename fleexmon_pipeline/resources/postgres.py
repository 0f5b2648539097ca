"""The product's database, for runs, schedules and sensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr

from fleexmon_pipeline import settings
from fleexmon_pipeline.database.connection import Connection, Pool, open_pool
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.settings.machines import DEFAULT_RUNS_AT_ONCE

OF_A_SENSOR = 2


class Postgres(dg.ConfigurableResource):
    """Connections to DATABASE_URL, or to the embedded server. It has no field: the UI would show its value."""

    _pool: Pool | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Postgres]:
        """A run gets its share of FLEEXMON_MAX_CONNECTIONS, a sensor a small pool."""
        size = settings.connections_of_a_run(_runs_at_once(context)) if context.run else OF_A_SENSOR
        with open_pool(database_url(), max_size=size) as pool:
            self._pool = pool
            yield self

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        if self._pool is None:
            raise RuntimeError("Postgres is used outside a run, schedule or sensor: nothing opened its pool")
        with self._pool.connection() as connection:
            yield connection

    @property
    def size(self) -> int:
        """How many connections may be used at the same time."""
        return self._pool.max_size if self._pool else 1


def _runs_at_once(context: dg.InitResourceContext) -> int:
    queue = context.instance.get_concurrency_config().run_queue_config if context.instance else None
    return queue.max_concurrent_runs if queue and queue.max_concurrent_runs > 0 else DEFAULT_RUNS_AT_ONCE
