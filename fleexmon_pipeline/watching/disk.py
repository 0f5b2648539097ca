"""Estimate when the disk will be full, from samples of the free space and their median slope.

Here: samples and the estimate. What follows from it: `conditions.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from statistics import median

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements

SQL = statements("watching")
SAMPLE_EVERY = timedelta(hours=1)
LOOK_BACK = timedelta(days=3)  # a daily clean-up must not look like a trend, nor the hours before it
MIN_SPAN = timedelta(hours=12)  # from first to last sample; a trend over less is not trusted
MIN_SAMPLES = 8
KEEP = timedelta(days=30)
MIN_FREE_SHARE = 0.03  # with less, a disk is practically full


@dataclass(frozen=True)
class Disk:
    """`full_in`: None if the disk does not fill up, or too little is known."""

    free: int  # bytes
    total: int
    full_in: timedelta | None


def sample_disk(connection: Connection, directory: Path, *, now: datetime) -> None:
    """Record the free space of the file system that holds `directory`, once an hour."""
    usage = shutil.disk_usage(_existing(directory))
    values = {"now": now, "earlier": now - SAMPLE_EVERY, "free": usage.free, "total": usage.total, "old": now - KEEP}
    connection.execute(SQL["sample_disk"], values)
    connection.execute(SQL["forget_samples"], values)


def disk(connection: Connection, *, now: datetime) -> Disk | None:
    """The newest sample and its trend; None without samples."""
    where = {"since": now - LOOK_BACK, "now": now}
    rows = connection.execute(SQL["disk_samples"], where).fetchall()
    if not rows:
        return None
    samples = [(row["at"], row["free"]) for row in rows]
    return Disk(rows[-1]["free"], rows[-1]["total"], full_in(samples))


def full_in(samples: Sequence[tuple[datetime, int]]) -> timedelta | None:
    """Time from the last sample until no byte is free.

    By the Theil-Sen estimator, the median of the slopes between all pairs: one large file that came and went does not
    make a trend.
    """
    if len(samples) < MIN_SAMPLES or samples[-1][0] - samples[0][0] < MIN_SPAN:
        return None
    slopes = [
        (free - before) / (at - earlier).total_seconds()
        for (earlier, before), (at, free) in combinations(samples, 2)
        if at > earlier
    ]
    slope = median(slopes) if slopes else 0.0
    if slope >= 0:
        return None
    seconds = samples[-1][1] / -slope
    return timedelta(seconds=min(seconds, 10.0**9))


def _existing(directory: Path) -> Path:
    return next(path for path in (directory, *directory.parents) if path.exists())
