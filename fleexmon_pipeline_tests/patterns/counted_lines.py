"""Helpers for tests of counting: lines in a test's database."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.patterns import count_lines
from fleexmon_pipeline.patterns.count_lines import rebuild_counts
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import Window

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR = Window.hour_of(TEN)
SUMS = """SELECT coalesce(c.slot, e.slot) FROM
  (SELECT slot, node, level, sum(count) AS n FROM "LogPatternCount" GROUP BY 1, 2, 3) c FULL JOIN
  (SELECT date_bin('5 min', timestamp, TIMESTAMP '1970-01-01') AS slot, source AS node, level, count(*) AS n
   FROM "LogEntry" GROUP BY 1, 2, 3) e USING (slot, node, level) WHERE c.n IS DISTINCT FROM e.n"""


def insert(
    connection: Connection,
    messages: Iterable[str],
    *,
    at: datetime = TEN,
    step: timedelta = timedelta(seconds=1),
    level: str = "info",
    node: str = "blue",
) -> list[uuid.UUID]:
    """One line every `step`; their ids in this order."""
    ids = []
    for index, message in enumerate(messages):
        ids.append(uuid.uuid4())
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) VALUES (%s, %s, %s, %s, %s, %s)',
            (ids[-1], at + index * step, level, message, node, "10.0.0.5"),
        )
    return ids


def rebuild(connection: Connection, window: Window = HOUR) -> count_lines.CountsAccount:
    return rebuild_counts(connection, window, load_miner(connection), redact=redact)
