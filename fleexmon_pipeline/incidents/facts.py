"""Read the facts that the grouping and the titles of incidents depend on.

Here: the database. What follows from the facts: `relate.py`, `headline.py`, `changes.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.headline import Volume
from fleexmon_pipeline.incidents.relate import REACH, Dependencies, IssueFacts
from fleexmon_pipeline.levels import ERROR_LEVELS, read_level
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import DAY, SLOT, Window, history_day

SQL = statements("incidents")
TROUBLE = (*ERROR_LEVELS, "warn")
MIN_KNOWN = 0.8  # share of the slots whose lines are known, as in the digest; below it nothing is compared
MAX_LINES = 10**12  # behind one issue; anything larger is not a count


def beginnings(connection: Connection, ids: Collection[UUID]) -> list[datetime]:
    """When these issues began; those that no longer exist are left out."""
    return [row["first"] for row in connection.execute(SQL["beginnings"], {"ids": list(ids)})]


def read_facts(connection: Connection, window: Window) -> list[IssueFacts]:
    """The issues that began in the window."""
    rows = connection.execute(SQL["facts"], {"since": window.since, "until": window.until}).fetchall()
    patterns = {pattern for row in rows for pattern in _patterns(row)}
    levels = {row["id"]: row["level"] for row in connection.execute(SQL["first_seen"], {"ids": list(patterns)})}
    return [_facts(row, levels) for row in rows]


def _facts(row: Mapping[str, Any], levels: Mapping[str, str]) -> IssueFacts:
    """`levels`: by pattern.

    Patterns below warnings are left out: two issues that share ordinary lines need no common cause.
    """
    pattern = row["pattern"]
    at_peak, at_first = (
        [name for name in _top_patterns(listed) if read_level(levels.get(name, "")) in TROUBLE]
        for listed in (row["top_patterns"], row["began_with"])
    )
    patterns = [pattern] if pattern else at_peak
    nodes = row["nodes"] if isinstance(row["nodes"], list) else []  # another program may have written it
    return IssueFacts(
        id=row["id"], first=row["first"], last=row["last"], severity=row["severity"], status=row["status"],
        ended=row["ended"], title=row["title"], type=row["type"], source=row["source"],
        fingerprint=row["fingerprint"], nodes=frozenset(map(str, nodes)), patterns=patterns,
        began_with=[pattern] if pattern else at_first or at_peak, about_pattern=pattern is not None,
        affected=_lines(row["affected"]),
        slots=row["slots"] or _every_slot(row["first"], row["last"]), what=row["what"], which=row["which"],
        deployed=_moment(row["compared_since"]), announces=row["announces"],
        about_errors=not patterns or read_level(levels.get(patterns[0], "error")) in ERROR_LEVELS,
    )  # fmt: skip


def _patterns(row: Mapping[str, Any]) -> Iterable[str]:
    return filter(None, (*_top_patterns(row["top_patterns"]), *_top_patterns(row["began_with"]), row["pattern"]))


def _top_patterns(listed: Any) -> Iterable[str]:
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and isinstance(item.get("pattern"), str):
            yield item["pattern"]


def _lines(affected: Any) -> int | None:
    """None if another program wrote something else."""
    return affected if isinstance(affected, int) and 0 <= affected <= MAX_LINES else None


def _every_slot(first: datetime, last: datetime) -> Sequence[datetime]:
    """Slots of an issue without occurrences, which another program wrote: it is assumed to fire all the time."""
    return [first + SLOT * slot for slot in range(min(last - first, REACH) // SLOT)]


def _moment(text: str | None) -> datetime | None:
    """None if another program wrote something else; a time without zone is in UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_dependencies(connection: Connection, topology: Topology, windows: Collection[Window]) -> Dependencies:
    """The dependencies that people configured, and those learnt for the days of these windows."""
    spans = [(history_day(window.since), history_day(window.until)) for window in windows]
    where = {"since": min(first for first, _ in spans), "until": max(last for _, last in spans)} if spans else {}
    rows = connection.execute(SQL["learnt_links"], where) if where else ()
    return Dependencies(
        configured=_pairs(topology.depends_on),
        learnt={row["day"]: frozenset(map(frozenset, row["links"])) for row in rows},
        unrelated=_pairs(topology.unrelated),
    )


def _pairs(nodes: Mapping[str, Collection[str]]) -> frozenset[frozenset[str]]:
    return frozenset(frozenset((node, other)) for node, others in nodes.items() for other in others)


class Evidence:
    """The lines behind issues. They are read only when two issues are compared."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lines: dict[UUID, frozenset[UUID]] = {}

    def shared(self, one: UUID, other: UUID) -> float:
        """The share of the smaller issue's lines that both have; 0 if one has none."""
        lines, other_lines = self._of(one), self._of(other)
        smaller = min(len(lines), len(other_lines))
        return len(lines & other_lines) / smaller if smaller else 0.0

    def _of(self, issue: UUID) -> frozenset[UUID]:
        if issue not in self._lines:
            row = self._connection.execute(SQL["evidence"], {"ids": [issue]}).fetchone()
            self._lines[issue] = frozenset(row["lines"] or ()) if row else frozenset()
        return self._lines[issue]


def read_first_seen(connection: Connection, patterns: Collection[str]) -> tuple[dict[str, datetime], dict[str, str]]:
    """When patterns were first seen, and their templates."""
    rows = connection.execute(SQL["first_seen"], {"ids": list(patterns)}).fetchall()
    return {row["id"]: row["first_seen"] for row in rows}, {row["id"]: row["template"] for row in rows}


def read_volume(connection: Connection, nodes: Collection[str], window: Window, patterns: Collection[str]) -> Volume:
    """What the nodes (all, if none is named) logged in the window.

    Usual errors are those of the day before, scaled to the known slots of the window. They are None if too little of
    that day is known: an hour does not represent a day.
    """
    where = {"nodes": sorted(nodes) or None, "errors": [*ERROR_LEVELS], "patterns": list(patterns)}
    during, before = (
        connection.execute(SQL["volume"], {**where, "since": span.since, "until": span.until}).fetchone() or {}
        for span in (window, Window(window.since - DAY, window.since))
    )
    needed = MIN_KNOWN * during["slots"] * min(1.0, DAY / window.length)
    is_known = before["slots"] >= max(needed, 1)
    usual = round(before["errors"] * during["slots"] / before["slots"], 1) if is_known else None
    return Volume(during["lines"], during["errors"], usual, during["of_pattern"])
