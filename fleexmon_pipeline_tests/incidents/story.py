"""Helpers for tests of incidents: issues in one line each, and their incidents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.incidents.refresh import mark_window, refresh_incidents
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.issues.story import at, cover, fire, firing
from fleexmon_pipeline_tests.stories import TEN

NODES = "blue", "green", "worker"
LATER = TEN + timedelta(days=30)


def about(node: str, pattern: str | None = None) -> Subject:
    return Subject(node, pattern)


def firings(
    subject: Subject, slots: range, *, rule: str = "repeated-error", severity: Severity = Severity.HIGH, **changes: Any
) -> list[Occurrence]:
    """Of each slot, with a line that is behind no other issue, unless `changes` says which lines."""
    return [
        firing(
            slot, subject=subject, rule=rule, severity=severity,
            **{"evidence": [uuid8(at(slot), rule.encode(), str(subject).encode())], **changes},
        )
        for slot in slots
    ]  # fmt: skip


def tell(
    connection: Connection, *issues: list[Occurrence], depends: Mapping[str, frozenset[str]] | None = None
) -> list[Incident]:
    """Write the issues as a stage does, and return the incidents, the first to start first."""
    occurrences = [occurrence for issue in issues for occurrence in issue]
    slots = [occurrence.slot for occurrence in occurrences]
    window = Window(min(slots), max(slots) + SLOT)
    for node in NODES:
        cover(connection, range((window.since - TEN) // SLOT - 1, (window.until - TEN) // SLOT + 1), node=node)
    fire(connection, *occurrences, window=window)
    mark_window(connection, window)
    refresh_incidents(connection, Topology(depends or {}))
    return incidents(connection)


def incidents(connection: Connection) -> list[Incident]:
    return sorted(list_incidents(connection, now=LATER, status="all"), key=lambda found: (found.started_at, found.id))


__all__ = ["LATER", "about", "at", "firings", "incidents", "tell"]
