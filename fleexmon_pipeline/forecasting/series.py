"""Series of every node, hour by hour or slot by slot: lines by level, and whether all were collected.

Here: from counts and coverage to a frame. What uses it: `predictors.py`, `forecasts.py`; why frames:
docs/decisions/0024.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import LEVELS, read_level
from fleexmon_pipeline.numerics import Ints
from fleexmon_pipeline.window import EPOCH, HOUR, SLOT, Window

if TYPE_CHECKING:
    import pandas as pd


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
    import pandas as pd  # noqa: PLC0415  half a second of CPU; a run that collects and evaluates needs no frame

    sql = statements("forecasting")
    where = {"since": window.since, "until": window.until, "seconds": step.total_seconds()}
    counts = connection.execute(sql[statement], where).fetchall()
    collected = connection.execute(sql["covered_slots"], where).fetchall()
    nodes = sorted({row["node"] for row in (*counts, *collected)})
    place_of = {node: place for place, node in enumerate(nodes)}
    first = (begins[0] - EPOCH) // step if begins else 0
    lines = np.zeros((len(LEVELS), len(nodes), len(begins)), np.int64)
    for row in counts:  # words of the same level add up
        level = LEVELS.index(read_level(row["level"]))
        lines[level, place_of[row["node"]], numbers(row["steps"]) - first] += numbers(row["counts"])
    slots = np.zeros((len(nodes), len(begins)), np.int64)
    for row in collected:
        slots[place_of[row["node"]], numbers(row["steps"]) - first] = numbers(row["slots"])
    due = np.array([Window(begin, begin + step).overlap(window).length // SLOT for begin in begins], np.int64)
    index = pd.MultiIndex.from_product([nodes, pd.DatetimeIndex(begins)], names=["node", "hour"])
    frame = pd.DataFrame(lines.reshape(len(LEVELS), -1).T, index=index, columns=[*LEVELS])
    frame["lines"] = lines.sum(axis=0).ravel()
    frame["covered"] = ((slots == due) & (due > 0)).ravel()
    return frame


def numbers(text: str) -> Ints:
    """Of an array that a statement returns as text."""
    return np.array(text.split(), np.int64)
