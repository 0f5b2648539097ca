"""What is usual for each node, day by day: learnt from the counts of the fortnight before, and kept.

Here: reading and keeping. What is learnt: `learn.py`; why the past ends where it does: docs/decisions/0018.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property

import msgspec
import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, Series
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.numerics import Ints
from fleexmon_pipeline.patterns.read_counts import Resolve, read_patterns
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor, slot_number, slot_start

SQL = statements("history")
VERSION = "1"  # of what is learnt; a change of `baseline.py` that matters counts it up
HISTORY = 14 * DAY
SETTLED = 3 * HOUR  # the day before is learnt from only then: late lines come 10 and 70 minutes after an hour's end


def day_of(slot: datetime) -> datetime:
    """The day whose beginning ends the past that this slot is compared with."""
    return floor(slot - SETTLED, DAY)


def read_baselines(
    connection: Connection, nodes: Sequence[str], day: datetime, asked: Collection[Series], read: Read | None = None
) -> dict[str, Baseline]:
    """What is usual on that day, by node; learnt anew where that was not done yet or the past has changed since.

    `read`: counts of these nodes that were read for several days at once.
    """
    window = Window(day - HISTORY, day)
    made_of = _made_of(connection, window, asked)
    found: dict[str, Baseline] = {}
    missing = set(nodes)
    for row in connection.execute(SQL["baseline"], {"nodes": list(nodes), "day": day}):
        if row["made_of"] == made_of:
            missing.discard(row["node"])
            if row["figures"]:
                found[row["node"]] = msgspec.json.decode(row["figures"], type=Baseline)
    if missing:
        learnt = learn_baselines(read or Read(connection, sorted(missing), window), missing, window, asked)
        for node in sorted(missing):
            figures = msgspec.json.encode(learnt[node]).decode() if node in learnt else None
            connection.execute(SQL["keep_baseline"], {"node": node, "day": day, "made_of": made_of, "figures": figures})
        found |= learnt
    return found


def _made_of(connection: Connection, window: Window, asked: Collection[Series]) -> str:
    """The same as long as the rules ask for the same and the hours are as detection saw them."""
    told = hashlib.sha256(VERSION.encode())
    for name in sorted({each.name for each in asked}):
        told.update(name.encode())
    for row in connection.execute(SQL["seen_hours"], {"since": window.since, "until": window.until}):
        told.update(f"{row['hour'].isoformat()} {row['made_of']}".encode())
    return told.hexdigest()[:32]


def learn_days(
    connection: Connection, nodes: Sequence[str], days: Sequence[datetime], asked: Collection[Series]
) -> None:
    """What `read_baselines` would learn of these days one by one, from counts that are read once for all of them."""
    read = Read(connection, nodes, Window(min(days) - HISTORY, max(days)))
    for day in days:
        read_baselines(connection, nodes, day, asked, read)


class Read:
    """The counts and the coverage of some nodes; read when they are asked for."""

    def __init__(self, connection: Connection, nodes: Collection[str], window: Window) -> None:
        self._connection = connection
        self._where = {"nodes": list(nodes), "since": window.since, "until": window.until}

    @cached_property
    def rows(self) -> list[tuple[str, str, str, Ints, Ints]]:
        """Node, stored pattern, level; numbers of slots and their counts."""
        rows = self._connection.execute(SQL["past"], self._where).fetchall()
        return [
            (row["node"], row["pattern"], read_level(row["level"]), _numbers(row["slots"]), _numbers(row["counts"]))
            for row in rows
        ]

    @cached_property
    def coverage(self) -> dict[str, tuple[Ints, Ints]]:
        """Numbers of the slots that each node is known in, and was empty in, ascending."""
        rows = self._connection.execute(SQL["past_coverage"], self._where)
        return {row["node"]: (_numbers(row["known"]), _numbers(row["empty"])) for row in rows}

    @cached_property
    def resolve(self) -> Resolve:
        return read_patterns(self._connection, {row[1] for row in self.rows})[1]


def learn_baselines(read: Read, nodes: set[str], window: Window, asked: Collection[Series]) -> dict[str, Baseline]:
    """From the counts of whole days; nodes of which nothing is known are left out."""
    first, last, end = slot_number(window.since), slot_number(window.until), window.until - SLOT
    pieces: defaultdict[str, list[tuple[str, str, Ints, Ints]]] = defaultdict(list)
    for node, stored, level, slots, counts in read.rows:
        inside = (slots >= first) & (slots < last)
        if node in nodes and inside.any():
            pieces[node].append((read.resolve(stored, end), level, slots[inside], counts[inside]))
    found: dict[str, Baseline] = {}
    for node in sorted(nodes & read.coverage.keys()):
        known, empty = (slots[(slots >= first) & (slots < last)] for slots in read.coverage[node])
        past = _past(node, window, pieces[node], known, empty)
        if past is not None and (baseline := learn(past, asked)) is not None:
            found[node] = baseline
    return found


def _numbers(text: str | None) -> Ints:
    return np.array((text or "").split(), np.int64)


def _past(
    node: str, window: Window, pieces: Iterable[tuple[str, str, Ints, Ints]], known: Ints, empty: Ints
) -> SlotGrid | None:
    """From the first whole day on that the node answered in."""
    if not len(known):
        return None
    first = slot_number(floor(slot_start(int(known[0])), DAY))
    slots = slot_number(window.until) - first
    index: dict[tuple[str, str], int] = {}
    pieces = list(pieces)
    for pattern, level, _, _ in pieces:
        index.setdefault((pattern, level), len(index))
    counts = np.zeros((len(index), slots), np.int64)
    for pattern, level, places, lines in pieces:
        inside = places >= first
        np.add.at(counts[index[pattern, level]], places[inside] - first, lines[inside])
    answered, nothing = np.zeros(slots, bool), np.zeros(slots, bool)
    answered[known - first] = True
    nothing[empty - first] = True
    return SlotGrid(node, first, answered | counts.any(axis=0), nothing & ~counts.any(axis=0), list(index), counts)
