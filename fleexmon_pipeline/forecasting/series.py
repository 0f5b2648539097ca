"""Series of every node, hour by hour or slot by slot: lines by level, and whether all were collected.

Here: from counts and coverage to a frame. What uses it: `predictors.py`, `forecasts.py`; why frames:
docs/decisions/0024.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import LEVELS, read_level
from fleexmon_pipeline.window import HOUR, SLOT, Window


def hourly_series(connection: Connection, window: Window) -> pd.DataFrame:
    """A row for each node known in the window and each hour of it, indexed by (node, hour in UTC).

    Columns: `debug`, `info`, `warn`, `error`, `fatal` and `lines` (their sum), int64, 0 where nothing was logged;
    `covered`, bool: every slot of the hour that lies in the window was collected, whether it held lines or not. Zeros
    mean silence only where `covered` is true. Of an hour in which the window ends, the part within the window counts.
    """
    return _series(connection, window, "counts_by_hour", [hour.since for hour in window.hours()], HOUR)


def slot_series(connection: Connection, window: Window) -> pd.DataFrame:
    """The same, a row for each slot; the index calls it `hour` as well."""
    return _series(connection, window, "counts_by_slot", [slot.since for slot in window.slots()], SLOT)


def _series(
    connection: Connection, window: Window, statement: str, begins: list[datetime], step: timedelta
) -> pd.DataFrame:
    sql = statements("forecasting")
    bounds = {"since": window.since, "until": window.until}
    counts = connection.execute(sql[statement], bounds).fetchall()
    slots = connection.execute(sql["covered_slots"], {**bounds, "step": step}).fetchall()
    nodes = sorted({row["node"] for row in (*counts, *slots)})
    index = pd.MultiIndex.from_product([nodes, pd.DatetimeIndex(begins)], names=["node", "hour"])
    frame = pd.DataFrame(0, index=index, columns=[*LEVELS], dtype="int64")
    if counts:
        levels = pd.DataFrame(
            [(row["node"], pd.Timestamp(row["begin"]), read_level(row["level"]), row["count"]) for row in counts],
            columns=["node", "hour", "level", "count"],
        )
        table = levels.pivot_table(index=["node", "hour"], columns="level", values="count", aggfunc="sum", fill_value=0)
        frame = table.reindex(index=index, columns=[*LEVELS], fill_value=0).astype("int64")
    frame["lines"] = frame[[*LEVELS]].sum(axis=1)
    due = {begin: Window(begin, begin + step).overlap(window).length // SLOT for begin in begins}
    collected = {(row["node"], row["begin"]): row["slots"] for row in slots}
    frame["covered"] = [
        due[begin] > 0 and collected.get((node, begin), 0) == due[begin]
        for node, begin in ((node, begin) for node in nodes for begin in begins)
    ]
    return frame
