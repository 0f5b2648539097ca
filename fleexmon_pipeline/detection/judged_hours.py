"""What was seen of an hour when it was judged, and which later hours looked back into it.

Here: writing it down. Who judges the hours again: `catch_up.py`.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.observe import LOOK_BACK, SQL
from fleexmon_pipeline.window import Window


def note_seen(connection: Connection, hour: Window) -> list[datetime]:
    """Write down what the hour is judged by. Returns the later hours, judged before, that looked back into it when it
    was different: they are to be judged again."""
    bounds = {"since": hour.since, "until": hour.until}
    row = connection.execute(SQL["look_at_hour"], bounds).fetchone()
    changed = connection.execute(
        SQL["note_hour"], {"hour": hour.since, "made_of": row["made_of"] if row else ""}
    ).fetchone()
    if changed is None:
        return []
    reach = {"since": hour.until, "until": hour.until + LOOK_BACK}
    return [each["hour"] for each in connection.execute(SQL["seen_hours"], reach)]
