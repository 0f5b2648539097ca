"""Dagster's run history in PostgreSQL, wherever that is; named in dagster.yaml, so that one file serves everywhere."""

from __future__ import annotations

from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from fleexmon_pipeline.database.server import dagster_url, database_url


class FleexmonStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage that finds its database itself: beside DATABASE_URL's, else in the embedded server."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> FleexmonStorage:  # noqa: ARG003
        return cls(postgres_url=dagster_url(database_url()), inst_data=inst_data)
