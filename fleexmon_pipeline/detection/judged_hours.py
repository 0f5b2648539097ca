"""What an hour held when it was evaluated, and which later hours looked back into it.

Here: storing that. What evaluates hours again: `catch_up.py`.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.observe import READ_BACK, SQL
from fleexmon_pipeline.window import Window


def note_seen(connection: Connection, hour: Window) -> list[datetime]:
    """Store a hash of what the hour holds. Returns the later hours that were evaluated with an earlier state of it and
    must be evaluated again."""
    bounds = {"since": hour.since, "until": hour.until}
    row = connection.execute(SQL["look_at_hour"], bounds).fetchone()
    changed = connection.execute(
        SQL["note_hour"], {"hour": hour.since, "made_of": row["made_of"] if row else ""}
    ).fetchone()
    if changed is None:
        return []
    reach = {"since": hour.until, "until": hour.until + READ_BACK}
    return [row["hour"] for row in connection.execute(SQL["seen_hours"], reach)]
