"""Hourly series of every node: lines by level, and whether they are all there.

Here: from counts and coverage to a frame. What is concluded from it: `predictors.py`.
"""

from __future__ import annotations

import pandas as pd

from fleexmon_pipeline.collection.records import read_level
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule import LEVELS
from fleexmon_pipeline.window import HOUR, SLOT, Window


def hourly_series(connection: Connection, window: Window) -> pd.DataFrame:
    """A row for each node that is known in the window and each of its hours, indexed by (node, hour in UTC).

    Columns: `debug`, `info`, `warn`, `error`, `fatal` and `lines` (their sum), int64, 0 where nothing was logged;
    `covered`, bool: every slot of the hour that lies in the window was collected, whether it held lines or not. Zeros
    mean silence only where `covered` is true. An hour that the window ends in counts as far as the window goes.
    """
    sql = statements("forecasting")
    bounds = {"since": window.since, "until": window.until}
    counts = connection.execute(sql["hourly_counts"], bounds).fetchall()
    slots = connection.execute(sql["covered_slots"], bounds).fetchall()
    nodes = sorted({row["node"] for row in (*counts, *slots)})
    hours = [hour.since for hour in window.hours()]
    index = pd.MultiIndex.from_product([nodes, pd.DatetimeIndex(hours)], names=["node", "hour"])
    frame = pd.DataFrame(0, index=index, columns=[*LEVELS], dtype="int64")
    if counts:
        levels = pd.DataFrame(
            [(row["node"], pd.Timestamp(row["hour"]), read_level(row["level"]), row["count"]) for row in counts],
            columns=["node", "hour", "level", "count"],
        )
        table = levels.pivot_table(index=["node", "hour"], columns="level", values="count", aggfunc="sum", fill_value=0)
        frame = table.reindex(index=index, columns=[*LEVELS], fill_value=0).astype("int64")
    frame["lines"] = frame[[*LEVELS]].sum(axis=1)
    due = {hour.since: hour.overlap(window).length // SLOT for hour in Window(hours[0], hours[-1] + HOUR).hours()}
    known = {(row["node"], row["hour"]): row["slots"] for row in slots}
    frame["covered"] = [
        due[hour] > 0 and known.get((node, hour), 0) == due[hour]
        for node, hour in ((node, hour) for node in nodes for hour in hours)
    ]
    return frame
