"""Dagster's run history in PostgreSQL, wherever that is; named in dagster.yaml, so that one file serves everywhere."""

from __future__ import annotations

from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from fleexmon_pipeline.database.server import dagster_url, database_url


def create_history(url: str) -> None:
    """Make Dagster's tables, or bring them to its version."""
    storage = DagsterPostgresStorage(dagster_url(url))
    parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
    for part in parts:
        part.upgrade()
        part.dispose()


class FleexmonStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage that finds its database itself: beside DATABASE_URL's, else in the embedded server."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> FleexmonStorage:  # noqa: ARG003
        return cls(postgres_url=dagster_url(database_url()), inst_data=inst_data)
