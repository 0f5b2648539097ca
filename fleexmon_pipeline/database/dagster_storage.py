"""Dagster's storage, which finds its PostgreSQL itself, so that the same dagster.yaml works everywhere."""

from __future__ import annotations

from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from fleexmon_pipeline.database.server import dagster_url, database_url


def create_history(url: str) -> None:
    """Create Dagster's tables, or migrate them to its version."""
    storage = DagsterPostgresStorage(dagster_url(url))
    parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
    for part in parts:
        part.upgrade()
        part.dispose()


class FleexmonStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage on the server of DATABASE_URL, or else on the embedded server."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> FleexmonStorage:  # noqa: ARG003
        return cls(postgres_url=dagster_url(database_url()), inst_data=inst_data)
