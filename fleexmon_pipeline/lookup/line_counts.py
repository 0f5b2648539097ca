"""Numbers of lines by pattern, level and time, and gaps in collection: read from counts and coverage.

Here: queries that read no line. The lines themselves: `lines.py`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.lookup.lines import LineQuery
from fleexmon_pipeline.window import EPOCH, Window

SQL = statements("lines")
HALF_HOUR = timedelta(minutes=30)


@dataclass(frozen=True)
class PatternSlot:
    """Lines of a pattern in one slot of a node; `samples` are at most a few of them."""

    slot: datetime
    node: str
    level: str
    count: int
    samples: list[uuid.UUID]


def slots_of_pattern(
    connection: Connection, patterns: Sequence[str], query: LineQuery, *, limit: int
) -> list[PatternSlot]:
    """The newest slots in which these stored patterns had lines."""
    params = {**query.params(), "patterns": list(patterns), "limit": limit}
    return [PatternSlot(**row) for row in connection.execute(SQL["samples_of_pattern"], params)]


def histogram(
    connection: Connection, window: Window, query: LineQuery, patterns: Sequence[str] | None = None
) -> dict[int, dict[str, int]]:
    """Lines by half hour of the window and level as stored. The text of the query is ignored."""
    params = {**query.params(), "since": window.since, "until": window.until}
    halves: defaultdict[int, dict[str, int]] = defaultdict(dict)
    if patterns is None:
        rows = connection.execute(SQL["histogram"], params)
    else:
        rows = connection.execute(SQL["histogram_of_patterns"], {**params, "patterns": list(patterns)})
    for row in rows:
        halves[row["half"]][row["level"]] = row["lines"]
    return halves


def levels_by_slot(connection: Connection, window: Window) -> Iterator[tuple[int, str, int]]:
    """Lines of all nodes: the number of the slot in the window, the level as stored, how many."""
    for row in connection.execute(SQL["levels_by_slot"], {"since": window.since, "until": window.until}):
        yield row["step"], row["level"], row["lines"]


def levels_by_half_hour(connection: Connection, window: Window) -> Iterator[tuple[int, str, int]]:
    """The same by half hours."""
    for half, levels in histogram(connection, window, LineQuery(EPOCH, None)).items():
        yield from ((half, level, lines) for level, lines in levels.items())


def coverage_halves(connection: Connection, window: Window) -> dict[str, dict[int, str]]:
    """By node and half hour of the window: complete, empty, partial or missing, whichever its worst slot is."""
    halves: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for row in connection.execute(SQL["heard_halves"], {"since": window.since, "until": window.until}):
        halves[row["node"]][row["half"]] = row["worst"]
    return halves


def trouble_halves(connection: Connection, window: Window, nodes: Sequence[str]) -> list[tuple[int, int] | None]:
    """Errors and warnings of these nodes, or of all, in each half hour of the window; None: no node responded."""
    covered = coverage_halves(connection, window)
    nodes = nodes or list(covered)
    counts = [histogram(connection, window, LineQuery(EPOCH, window.until, node)) for node in nodes]
    halves: list[tuple[int, int] | None] = []
    for half in range(window.length // HALF_HOUR):
        errors = warnings = 0
        for level, lines in (item for of_node in counts for item in of_node.get(half, {}).items()):
            errors += lines if read_level(level) in ("error", "fatal") else 0
            warnings += lines if read_level(level) == "warn" else 0
        heard = any(covered.get(node, {}).get(half, "missing") != "missing" for node in nodes)
        halves.append((errors, warnings) if heard or errors or warnings else None)
    return halves
