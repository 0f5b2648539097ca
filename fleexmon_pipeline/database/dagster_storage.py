"""Dagster's storage, which finds its PostgreSQL itself, so that the same dagster.yaml works everywhere."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine
from sqlalchemy.engine import Engine

from fleexmon_pipeline.database.server import dagster_url, database_url

MAX_CONNECTION_AGE = 600  # seconds


def create_history(url: str) -> None:
    """Create Dagster's tables, or migrate them to its version."""
    storage = DagsterPostgresStorage(dagster_url(url))
    parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
    for part in parts:
        part.upgrade()
        part.dispose()


class FleexmonStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage on the server of DATABASE_URL, or else on the embedded server.

    Dagster opens a connection for each statement, so that an instance holds none: 155 in a run of three assets, each
    with a new process of PostgreSQL. Here all instances of a process share one that stays open. The webserver has its
    own.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> FleexmonStorage:  # noqa: ARG003
        url = dagster_url(database_url())
        engine = _shared_engine(url)
        storage = cls(postgres_url=url, should_autocreate_tables=False, inst_data=inst_data)
        parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
        for part in parts:
            part._engine = engine  # noqa: SLF001  there is no public way
        return storage


@lru_cache(maxsize=1)
def _shared_engine(url: str) -> Engine:
    """Of a database in which Dagster's tables exist from then on. Threads that need a connection at the same time get
    one for a moment; one that the server has closed is replaced."""
    DagsterPostgresStorage(url)
    return create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=-1,
        pool_pre_ping=True,
        pool_recycle=MAX_CONNECTION_AGE,
    )
