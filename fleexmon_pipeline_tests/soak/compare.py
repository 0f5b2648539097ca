"""What the nodes had against what the database has: row by row, and then the accounting.

Here: the verdict and its table. An hour of a node is in memory at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.soak.log import Log

SHOWN = 5  # lines that are lost or double, for whoever looks for the reason
_ROWS = """COPY (SELECT timestamp, level, message, metadata FROM "LogEntry"
  WHERE timestamp >= {since} AND timestamp < {until} AND source = {node}) TO STDOUT"""
_COVERAGE = """SELECT slot, status, received, stored, duplicate, rejected, "updatedAt" FROM "LogCoverage"
  WHERE node = %(node)s AND slot >= %(since)s AND slot < %(until)s"""
_STORED = """SELECT date_bin('5 minutes', timestamp, '2000-01-01') AS slot, count(*) AS lines FROM "LogEntry"
  WHERE source = %(node)s AND timestamp >= %(since)s AND timestamp < %(until)s GROUP BY 1"""
_REJECTED = 'SELECT payload, slot FROM "RejectedLog" WHERE source = %(node)s'


@dataclass
class Found:
    """What became of one node's log."""

    node: str
    made: int = 0
    stored: int = 0
    lost: int = 0
    double: int = 0  # rows that no line of the node stands for, the second of one among them
    planted: int = 0
    rejected: int = 0
    slots: Counter[str] = field(default_factory=Counter)
    unsound: list[str] = field(default_factory=list)  # where the accounting does not say what the tables hold
    examples: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        whole = not (self.slots["partial"] or self.slots["missing"])
        return not (self.lost or self.double or self.unsound) and whole and self.planted == self.rejected

    def row(self) -> Row:
        return {
            "node": self.node, "lines_made": self.made, "stored": self.stored, "lost": self.lost, "double": self.double,
            "rejected_planted": self.planted, "rejected_found": self.rejected,
            **{name: self.slots[name] for name in ("complete", "empty", "partial", "missing")},
            "unsound": len(self.unsound),
        }  # fmt: skip


def compare(connection: Connection, logs: Iterable[Log], window: Window) -> list[Found]:
    """`window`: whole slots, all of which should have been collected."""
    return [_compare(connection, log, window) for log in logs]


def table(found: list[Found], window: Window) -> Table:
    title = f"{window} UTC: what the nodes had, and what the database has"
    return Table(title, "slots by status; unsound: slots of which the accounting is wrong", [f.row() for f in found])


def _compare(connection: Connection, log: Log, window: Window) -> Found:
    found = Found(log.node)
    for hour in window.hours():
        part = hour.overlap(window)
        here = Counter(log.rows(part))
        there = Counter(_stored(connection, log.node, part))
        found.made += here.total()
        found.stored += there.total()
        for word, rows in (("lost", here - there), ("double", there - here)):
            setattr(found, word, getattr(found, word) + rows.total())
            found.examples += [f"{word} {count}x {row.decode()}" for row, count in rows.most_common(SHOWN)]
    _account(connection, log, window, found)
    return found


def _stored(connection: Connection, node: str, window: Window) -> Iterable[bytes]:
    quoted = {"since": f"'{window.since:%F %T}'", "until": f"'{window.until:%F %T}'", "node": f"'{node}'"}
    with connection.cursor() as cursor, cursor.copy(_ROWS.format(**quoted).encode()) as copy:
        for block in copy:  # a row each
            yield bytes(block).rstrip(b"\n")


def _account(connection: Connection, log: Log, window: Window, found: Found) -> None:
    bounds = {"node": log.node, "since": window.since, "until": window.until}
    lines: dict[datetime, int] = {row["slot"]: row["lines"] for row in connection.execute(_STORED, bounds)}
    planted = Counter(log.rejected(window))
    rejected, rejected_in = Counter[str](), Counter[datetime]()
    for row in connection.execute(_REJECTED, bounds):
        if row["payload"] in planted:  # others are of slots around the window
            rejected[row["payload"]] += 1
            rejected_in[row["slot"]] += 1
    found.planted, found.rejected = planted.total(), rejected.total()
    if planted != rejected:
        found.unsound.append(f"rejected: {(planted - rejected).total()} lost, {(rejected - planted).total()} double")
    coverage = {row["slot"]: row for row in connection.execute(_COVERAGE, bounds)}
    for slot in (each.since for each in window.slots()):
        if slot not in coverage:
            found.slots["missing"] += 1
            found.unsound.append(f"{slot:%F %H:%M}: never asked for")
            continue
        row = coverage[slot]
        found.slots[row["status"]] += 1
        if row["received"] != row["stored"] + row["duplicate"] + row["rejected"] or row["stored"] != lines.get(slot, 0):
            found.unsound.append(f"{slot:%F %H:%M}: {lines.get(slot, 0)} rows, coverage {dict(row)}")
        if slot > window.since + SLOT and row["rejected"] < rejected_in[slot]:
            found.unsound.append(f"{slot:%F %H:%M}: {rejected_in[slot]} rejected, coverage {dict(row)}")
