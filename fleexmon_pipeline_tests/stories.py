"""Helpers for tests of several packages: a common time, and coverage of a window in one call."""

from __future__ import annotations

from datetime import UTC, datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import Window

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR_OF_TEN = Window.hour_of(TEN)


def cover(
    connection: Connection, window: Window, node: str = "blue", status: str = "complete", *, attempts: int = 1,
    error: str | None = None, updated: datetime | None = None, stored: int = 0, rejected: int = 0,
) -> None:  # fmt: skip
    """Every slot of `window`; `stored` and `rejected` are those of the first one."""
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO "LogCoverage" (node, slot, status, received, stored, rejected, attempts, error, "updatedAt") '
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (node, slot) DO UPDATE "
            'SET status = excluded.status, attempts = excluded.attempts, "updatedAt" = excluded."updatedAt"',
            [
                [node, slot.since, status, kept + refused, kept, refused, attempts, error, updated or slot.until]
                for index, slot in enumerate(window.slots())
                for kept, refused in [(stored, rejected) if index == 0 else (0, 0)]
            ],
        )
