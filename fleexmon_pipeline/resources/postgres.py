"""The product's database, for runs, schedules and sensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr

from fleexmon_pipeline.database.connection import Connection, Pool, open_pool
from fleexmon_pipeline.database.server import database_url


class Postgres(dg.ConfigurableResource):
    """Connections to DATABASE_URL, or to the embedded server. No field: a field's value would be shown in the UI."""

    _pool: Pool | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Postgres]:  # noqa: ARG002
        with open_pool(database_url()) as pool:
            self._pool = pool
            yield self

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        if self._pool is None:
            raise RuntimeError("Postgres is used outside a run, schedule or sensor: nothing opened its pool")
        with self._pool.connection() as connection:
            yield connection
