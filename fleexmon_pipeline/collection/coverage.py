"""What is known of the nodes' slots: questions to "LogCoverage". Who writes it: `collect.py`."""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import Window


def covered_until(connection: Connection, window: Window) -> datetime | None:
    """The end of the last slot of the window that some node was asked for; None when none was."""
    row = connection.execute(
        statements("collection")["covered_until"], {"since": window.since, "until": window.until}
    ).fetchone()
    return row["until"] if row else None
