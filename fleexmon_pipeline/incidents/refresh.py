"""Derive incidents from issues: group the issues that changed again, and write the rows that differ.

Here: which issues to look at, and the rows of "Incident". Which issues belong together: `relate.py`; the title:
`headline.py`.

A trigger marks every issue that changes, whoever changes it. Whether two issues are related depends on these two only,
so it is enough to group the marked issues and their groups again. Reruns, any order of windows and two runs at once
give the same rows. An incident has the id of its first issue. `read.py` finds it by the id of any of its issues,
because the first may change: an earlier one may turn up, or two incidents may turn out to be one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.changes import LOOK_BACK, read_changes
from fleexmon_pipeline.incidents.facts import (
    Evidence,
    beginnings,
    read_dependencies,
    read_facts,
    read_first_seen,
    read_volume,
)
from fleexmon_pipeline.incidents.headline import first_pattern, headline, title
from fleexmon_pipeline.incidents.relate import REACH, IssueFacts, groups
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import DAY, SLOT, Window

SQL = statements("incidents")
# In one transaction: 5,000 issues take a minute, and other runs wait for the lock for two minutes at most.
MAX_MARKS = 1_000


@dataclass
class Refreshed:
    """How many incidents were written because they differed, removed, and left alone."""

    written: int = 0
    removed: int = 0
    unchanged: int = 0

    def sentence(self) -> str:
        return f"incidents: {self.written} written, {self.removed} removed, {self.unchanged} unchanged"


def mark_window(connection: Connection, window: Window) -> None:
    """Mark the incidents whose figures count lines of this window: the next `refresh_incidents` derives them again."""
    where = {"since": window.since, "until": window.until, "looks_back": LOOK_BACK + DAY}
    connection.execute(SQL["mark_window"], where)


def is_due(connection: Connection) -> bool:
    """Whether `refresh_incidents` has anything to do."""
    row = connection.execute(SQL["are_marked"]).fetchone()
    return bool(row and row["marked"])


def refresh_incidents(connection: Connection, topology: Topology | None = None) -> Refreshed:
    """Derive the incidents of all issues marked since the last call. Idempotent; opens its own transactions."""
    done = Refreshed()
    while _refresh_marked(connection, topology or Topology(), done):
        pass
    return done


def _refresh_marked(connection: Connection, topology: Topology, done: Refreshed) -> bool:
    """Derive the incidents of up to MAX_MARKS marked issues. Returns whether there were any."""
    with connection.transaction():
        connection.execute(SQL["lock"])
        marked = {row["issue"] for row in connection.execute(SQL["take_marks"], {"limit": MAX_MARKS})}
        if not marked:
            return False
        stored, wanted = _affected(connection, marked, topology)
        obsolete = stored - {issues[0].id for issues in wanted}
        done.removed += connection.execute(SQL["delete"], {"ids": list(obsolete)}).rowcount
        for issues in wanted:
            written = connection.execute(SQL["upsert"], _row(connection, issues)).rowcount
            done.written += written
            done.unchanged += not written
    return True


def _affected(
    connection: Connection, marked: Collection[UUID], topology: Topology
) -> tuple[set[UUID], list[list[IssueFacts]]]:
    """Stored incidents that hold a marked issue or one now grouped with it; and the groups that replace them."""
    ids = set(marked)
    while True:
        holding = connection.execute(SQL["holding"], {"ids": list(ids)}).fetchall()
        held = {issue for row in holding for issue in row["issues"]}
        wanted = _groups_of(connection, ids | held, topology)
        members = {issue.id for issues in wanted for issue in issues}
        if members <= ids | held:
            return {row["id"] for row in holding}, wanted
        ids |= held | members


def _groups_of(connection: Connection, ids: Collection[UUID], topology: Topology) -> list[list[IssueFacts]]:
    """The groups that hold one of these issues. Reads more until no unread issue can be related to one of a group."""
    evidence = Evidence(connection)
    begins = {*beginnings(connection, ids)}
    while True:
        windows = _windows_of_related(begins)
        facts = [issue for window in windows for issue in read_facts(connection, window)]
        dependencies = read_dependencies(connection, topology, windows)
        matching = [
            group for group in groups(facts, dependencies, evidence.shared) if any(issue.id in ids for issue in group)
        ]
        begins |= {issue.first for group in matching for issue in group}
        if _windows_of_related(begins) == windows:
            return matching


def _windows_of_related(begins: Collection[datetime]) -> list[Window]:
    """The windows in which issues begin that can be related to issues which began then.

    Disjoint, so that an issue of today and one of last year do not read the year between them.
    """
    windows: list[Window] = []
    for first in sorted(begins):
        since, until = first - REACH, first + REACH + SLOT
        if windows and since <= windows[-1].until:
            since = windows.pop().since
        windows.append(Window(since, until))
    return windows


def _row(connection: Connection, issues: Sequence[IssueFacts]) -> dict[str, object]:
    patterns = {pattern for issue in issues for pattern in issue.patterns}
    first_seen, templates = read_first_seen(connection, patterns)
    open_ones = [issue for issue in issues if issue.status != "resolved"]
    named = headline(issues, first_seen)  # of all issues, not only open ones: the title must not change as they end
    nodes = sorted(frozenset().union(*(issue.nodes for issue in issues)))
    started, last_seen = issues[0].first, max(issue.last for issue in issues)
    earliest_pattern = first_pattern(issues, first_seen)
    title_patterns = named.patterns or ([earliest_pattern] if earliest_pattern else [])
    volume = read_volume(connection, nodes, Window(started, max(last_seen, started + SLOT)), title_patterns)
    which = named.which or next((templates[pattern] for pattern in title_patterns if pattern in templates), None)
    return {
        "id": issues[0].id,
        "title": redact(title(named, which, nodes, volume, last_seen - started)),
        "severity": max((issue.severity for issue in open_ones or issues), key=_rank),
        "status": "open" if open_ones else "resolved",
        "nodes": nodes,
        "started": started,
        "last_seen": last_seen,
        "ended": None if open_ones else _ended(issues),
        "issues": [issue.id for issue in issues],
        "headline": named.id,
        "first_pattern": earliest_pattern,
        "figures": Jsonb({
            "lines": volume.lines, "errors": volume.errors, "usualErrors": volume.usual_errors,
            "ofPattern": volume.of_pattern,
        }),
        "changes": Jsonb(read_changes(connection, nodes, started)),
    }  # fmt: skip


def _rank(severity: str) -> int:
    return SEVERITY_RANKS.get(severity, -1)


def _ended(issues: Sequence[IssueFacts]) -> datetime:
    return max(issue.ended or issue.last for issue in issues)
