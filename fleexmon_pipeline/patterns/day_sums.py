"""Lines of each pattern by day and node, and by hour: sums of past days, for a month of a pattern and for forecasts.

Here: when the sums of a day are made and deleted. Reading them: `lookup/patterns.py` and `forecasting/forecasts.py`.
`count_lines.py` removes a day from the list when its counts change; until the next night, readers sum its counts
instead.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import DAY, Window, floor

KEPT_DAYS = 31  # the page of a pattern shows 30; forecasts read 28 and the hours so far

_SQL = statements("patterns")


def sum_days(connection: Connection, *, now: datetime) -> int:
    """Add up the days before `now` (UTC) that are not, or have changed since; how many were. Sums of older days go.

    A transaction a day, under the locks of its hours: no counts are written meanwhile that the sums would lack.
    """
    today = floor(now, DAY)
    since = today - KEPT_DAYS * DAY
    rows = connection.execute(_SQL["days_to_sum"], {"since": since, "until": today}).fetchall()
    for row in rows:
        day = Window(row["day"], row["day"] + DAY)
        bounds = {"since": day.since, "until": day.until}
        with connection.transaction():
            connection.execute(_SQL["lock_day"], bounds)
            connection.execute(_SQL["delete_day_sums"], bounds)
            connection.execute(_SQL["sum_day"], bounds)
            connection.execute(_SQL["mark_summed"], bounds)
    connection.execute(_SQL["expire_day_sums"], {"before": since})
    return len(rows)
