"""Remember the content of evaluated hours, to find later hours that must be evaluated again when it changes.

What evaluates them again: `catch_up.py`.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.observe import READ_BACK, SQL
from fleexmon_pipeline.window import Window


def note_seen(connection: Connection, hour: Window) -> list[datetime]:
    """Store a hash of the hour's content. Returns the later hours that were evaluated with other content and must be
    evaluated again."""
    bounds = {"since": hour.since, "until": hour.until}
    row = connection.execute(SQL["look_at_hour"], bounds).fetchone()
    changed = connection.execute(
        SQL["note_hour"], {"hour": hour.since, "made_of": row["made_of"] if row else ""}
    ).fetchone()
    if changed is None:
        return []
    reach = {"since": hour.until, "until": hour.until + READ_BACK}
    return [row["hour"] for row in connection.execute(SQL["seen_hours"], reach)]
