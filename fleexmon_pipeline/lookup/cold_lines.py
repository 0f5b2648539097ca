"""Read the table and the archive as one: which part of a window is in which, and their lines in one order.

Here: the joining. `search.py` and `lines.py` read the table, `archive/read.py` a file. A line in both is the table's.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from fleexmon_pipeline.archive.days import ArchivedDay


class Placed(Protocol):
    @property
    def id(self) -> uuid.UUID: ...

    @property
    def timestamp(self) -> datetime: ...


Line = TypeVar("Line", bound=Placed)


@dataclass(frozen=True)
class Part:
    """A part of a window. `day` None: all of its lines are in the table. `until` None: no end."""

    since: datetime
    until: datetime | None
    day: ArchivedDay | None


def parts_of(since: datetime, until: datetime | None, days: Sequence[ArchivedDay]) -> Iterator[Part]:
    """The parts of a window, newest first, without gaps. `days`: newest first."""
    for day in days:
        if until is None or day.window.until < until:
            yield Part(max(day.window.until, since), until, None)
            until = day.window.until
        begin = max(day.window.since, since)
        yield Part(begin, until, day)
        until = begin
    if until is None or since < until:
        yield Part(since, until, None)


def newest_of(table: Iterable[Line], cold: Iterable[Line]) -> Iterator[Line]:
    """The lines of both, newest first, as both must be."""
    last = None
    for line in heapq.merge(table, cold, key=lambda line: (line.timestamp, line.id), reverse=True):
        if line.id != last:
            yield line
        last = line.id
