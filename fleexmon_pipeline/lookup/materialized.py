"""Which partitions Dagster has materialized, read from its tables without importing Dagster or starting anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline.database.server import existing_dagster_conninfo, running_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.retries import call_within

MAX_SECONDS = 5.0  # loading the definitions waits for it
_SQL = statements("run_history")


@dataclass(frozen=True)
class Materialized:
    """The first partition of each asset by its key, and when the oldest unfinished backfill began."""

    first: Mapping[str, str]
    backfill_since: datetime | None = None


def materialized() -> Materialized | None:
    """None if no database runs, Dagster has stored nothing yet, or no response comes in time."""
    try:
        return call_within(MAX_SECONDS, _read)
    except (FleexmonError, psycopg.Error, OSError):  # a TimeoutError is an OSError
        return None


def _read() -> Materialized | None:
    url = running_url()
    conninfo = existing_dagster_conninfo(url) if url else None
    if conninfo is None:
        return None
    with psycopg.connect(make_conninfo(**conninfo), autocommit=True, connect_timeout=3) as connection:
        row = connection.execute(_SQL["has_events"]).fetchone()
        if not (row and row[0]):
            return None
        first = connection.execute(_SQL["first_partitions"]).fetchall()
        oldest = connection.execute(_SQL["oldest_backfill"]).fetchone()
    return Materialized(
        {"/".join(json.loads(key)): partition for key, partition in first if partition},
        oldest[0].replace(tzinfo=UTC) if oldest and oldest[0] else None,
    )
