"""Store each node's baseline of each day, learnt from the counts of the fortnight before.

Learning: `learn.py`; where the history ends, and why: docs/decisions/0018; deletion: `retention/retention.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, Series
from fleexmon_pipeline.baselines.companions import frequent
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, group_of, sketches, varieties
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline.patterns.read_counts import Resolve, read_patterns
from fleexmon_pipeline.window import DAY, SLOT, Window, floor, slot_number, slot_start

SQL = statements("history")
VERSION = "14"  # increase it when a change of `baseline.py` or of learning must invalidate stored baselines
HISTORY = 14 * DAY


def read_baselines(
    connection: Connection,
    nodes: Sequence[str],
    day: datetime,
    series: Collection[Series],
    past: PastCounts | None = None,
) -> dict[str, Baseline]:
    """The baselines of that day, by node. Learnt if none is stored or the past has changed since.

    past: counts of these nodes that were already read, for several days.
    """
    window = Window(day - HISTORY, day)
    made_of = _made_of(connection, window, series)
    baselines: dict[str, Baseline] = {}
    missing = set(nodes)
    for row in connection.execute(SQL["baseline"], {"nodes": list(nodes), "day": day}):
        if row["made_of"] == made_of:
            missing.discard(row["node"])
            if row["figures"]:
                baselines[row["node"]] = msgspec.json.decode(row["figures"], type=Baseline)
    if missing:
        learnt = learn_baselines(past or PastCounts(connection, nodes, window), missing, window, series)
        for node in sorted(missing):
            figures = msgspec.json.encode(learnt[node], enc_hook=_plain).decode() if node in learnt else None
            connection.execute(SQL["keep_baseline"], {"node": node, "day": day, "made_of": made_of, "figures": figures})
        baselines |= learnt
    return baselines


def _plain(figure: object) -> object:
    """Convert a number of numpy, which JSON does not support. One once stopped detection."""
    if isinstance(figure, np.generic):
        return figure.item()
    raise TypeError(f"{type(figure).__name__} cannot be stored")


def _made_of(connection: Connection, window: Window, series: Collection[Series]) -> str:
    """A hash that changes when the rules need other series, or when the content of a past hour changes."""
    return past_made_of(connection, window, VERSION, *sorted({one.name for one in series}))


def past_made_of(connection: Connection, window: Window, *parts: str) -> str:
    """A hash of the input of learning: `parts`, and the content of each hour as detection saw it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    for row in connection.execute(SQL["seen_hours"], {"since": window.since, "until": window.until}):
        digest.update(f"{row['hour'].isoformat()} {row['made_of']}".encode())
    return digest.hexdigest()[:32]


def learn_days(
    connection: Connection, nodes: Sequence[str], days: Sequence[datetime], series: Collection[Series]
) -> None:
    """Learn the baselines of several days, like `read_baselines`, but read the counts once for all days."""
    past = PastCounts(connection, nodes, Window(min(days) - HISTORY, max(days)))
    for day in days:
        read_baselines(connection, nodes, day, series, past)


class PastRow(NamedTuple):
    """All slots of one node, stored pattern and level."""

    node: str
    pattern: str
    level: str
    slots: Ints  # numbers
    counts: Ints
    durations: Floats  # rows of slot number, lines, median, 95th percentile, of steps (1); only slots that have them
    varieties: Ints  # rows of slot number, lines, different values by field; only slots that have them


class PastCounts:
    """Counts and coverage of some nodes, read when first needed."""

    def __init__(self, connection: Connection, nodes: Collection[str], window: Window) -> None:
        self._connection = connection
        self._where = {"nodes": list(nodes), "since": window.since, "until": window.until}

    @cached_property
    def rows(self) -> list[PastRow]:
        rows = self._connection.execute(SQL["past"], self._where).fetchall()
        return [
            PastRow(
                row["node"],
                row["pattern"],
                read_level(row["level"]),
                _numbers(row["slots"]),
                _numbers(row["counts"]),
                np.array((row["durations"] or "").split(), float).reshape(-1, 5),
                _numbers(row["varieties"]).reshape(-1, 3),
            )
            for row in rows
        ]

    @cached_property
    def coverage(self) -> dict[str, tuple[Ints, Ints]]:
        """For each node, the numbers of its known slots and of its empty slots, ascending."""
        rows = self._connection.execute(SQL["past_coverage"], self._where)
        return {row["node"]: (_numbers(row["known"]), _numbers(row["empty"])) for row in rows}

    @cached_property
    def resolve(self) -> Resolve:
        return read_patterns(self._connection, {row.pattern for row in self.rows})[1]


def learn_baselines(
    past: PastCounts, nodes: set[str], window: Window, series: Collection[Series]
) -> dict[str, Baseline]:
    """Baselines from the counts of whole days. Nodes without known slots are left out. `past` holds the lines of all
    nodes, because some messages of a node accompany those of others."""
    first, last, end = slot_number(window.since), slot_number(window.until), window.until - SLOT
    fleet = _fleet(past, window) if any(one.per == "counterpart" for one in series) else {}
    pieces: defaultdict[str, list[PastRow]] = defaultdict(list)
    for row in past.rows:
        inside = (row.slots >= first) & (row.slots < last)
        if row.node in nodes and inside.any():
            pattern = past.resolve(row.pattern, end)
            measured = (row.durations[:, 0] >= first) & (row.durations[:, 0] < last)
            compared = (row.varieties[:, 0] >= first) & (row.varieties[:, 0] < last)
            pieces[row.node].append(
                PastRow(
                    row.node,
                    pattern,
                    row.level,
                    row.slots[inside],
                    row.counts[inside],
                    row.durations[measured],
                    row.varieties[compared],
                )
            )
    baselines: dict[str, Baseline] = {}
    for node in sorted(nodes & past.coverage.keys()):
        known, empty = (slots[(slots >= first) & (slots < last)] for slots in past.coverage[node])
        slot_grid = _past_grid(node, window, pieces[node], known, empty)
        if slot_grid is None:
            continue
        rows = {name: row[slot_grid.first - first :] for name, row in fleet.items()}
        if (baseline := learn(replace(slot_grid, fleet=rows), series)) is not None:
            baselines[node] = baseline
    return baselines


def _fleet(past: PastCounts, window: Window) -> dict[str, Ints]:
    """Pattern → lines of all nodes by slot of the window, of messages that are no failure and frequent."""
    first, slots, end = slot_number(window.since), window.length // SLOT, window.until - SLOT
    parts: defaultdict[str, list[tuple[Ints, Ints]]] = defaultdict(list)
    lines: Counter[str] = Counter()
    for row in past.rows:
        inside = (row.slots >= first) & (row.slots < first + slots)
        if group_of(row.level) == "rest" and inside.any():
            pattern = past.resolve(row.pattern, end)
            parts[pattern].append((row.slots[inside] - first, row.counts[inside]))
            lines[pattern] += int(row.counts[inside].sum())
    fleet = {}
    for pattern in sorted(frequent(lines, window.length / DAY)):
        fleet[pattern] = np.zeros(slots, np.int64)
        for places, counts in parts[pattern]:
            np.add.at(fleet[pattern], places, counts)
    return fleet


def _numbers(text: str | None) -> Ints:
    return np.array((text or "").split(), np.int64)


def _past_grid(node: str, window: Window, pieces: Sequence[PastRow], known: Ints, empty: Ints) -> SlotGrid | None:
    """The node's grid from the start of the first day on which it answered; None if it never did."""
    if not len(known):
        return None
    first = slot_number(floor(slot_start(int(known[0])), DAY))
    slots = slot_number(window.until) - first
    index: dict[tuple[str, str], int] = {}
    for row in pieces:
        index.setdefault((row.pattern, row.level), len(index))
    counts = np.zeros((len(index), slots), np.int64)
    for row in pieces:
        inside = row.slots >= first
        np.add.at(counts[index[row.pattern, row.level]], row.slots[inside] - first, row.counts[inside])
    answered, silent = np.zeros(slots, bool), np.zeros(slots, bool)
    answered[known - first] = True
    silent[empty - first] = True
    logged = counts.any(axis=0)
    measured = (
        (int(slot), row.pattern, row.level, int(lines), p50, p95, bool(steps))
        for row in pieces
        for slot, lines, p50, p95, steps in row.durations.tolist()
    )
    compared = (
        (slot, row.pattern, row.level, lines, fields)
        for row in pieces
        for slot, lines, fields in row.varieties.tolist()
    )
    known_slots, empty_slots = answered | logged, silent & ~logged
    return SlotGrid(
        node,
        first,
        known_slots,
        empty_slots,
        list(index),
        counts,
        sketches(first, slots, measured),
        varieties(first, slots, compared),
    )
