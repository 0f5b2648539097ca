"""Helpers for tests of issues: firings and coverage in one line each."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.issue_rows import Reconciled
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile, subjects_near
from fleexmon_pipeline.issues.lifecycle import write_occurrences as write
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Source, Subject
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests import stories
from fleexmon_pipeline_tests.stories import TEN

HOUR = timedelta(hours=1)
PATTERN = Subject("blue", "1f2e")
NODE = Subject("blue")


def at(slot: int) -> datetime:
    """The beginning of the n-th slot after ten o'clock."""
    return TEN + slot * SLOT


def firing(slot: int, *, subject: Subject = PATTERN, rule: str = "repeated-error", **changes: Any) -> Occurrence:
    source: Source = "genai" if rule == "genai" else "detector"
    values: dict[str, Any] = {
        "rule_version": "1", "source": source, "type": rule, "severity": Severity.MEDIUM, "title": f"{rule} in {slot}",
        "description": "It fired.", "nodes": [subject.node] if subject.node else [], "grace": HOUR,
        "affected": slot + 1, "evidence": [uuid.UUID(int=slot)], "metadata": {"rate": slot / 7},
    }  # fmt: skip
    return Occurrence(rule=rule, subject=subject, slot=at(slot), **{**values, **changes})


def cover(connection: Connection, slots: Iterable[int], *, node: str = "blue", status: str = "complete") -> None:
    for slot in slots:
        stories.cover(connection, Window(at(slot), at(slot + 1)), node, status)


def settle(
    connection: Connection, subjects: Collection[str] = (), window: Window | None = None, run: str | None = None
) -> Reconciled:
    """As a stage does after it wrote."""
    now = newest_covered(connection)
    assert now
    over = subjects_near(connection, window) if window else frozenset()
    return reconcile(connection, {*subjects, *over, *open_subjects(connection)}, now=now, run=run)


def fire(
    connection: Connection, *occurrences: Occurrence, window: Window | None = None, run: str | None = None
) -> Reconciled:
    """Write and reconcile; the window is what the occurrences span, unless given."""
    slots = [occurrence.slot for occurrence in occurrences]
    window = window or Window(min(slots), max(slots) + SLOT)
    touched: set[str] = set()
    sources: tuple[Source, ...] = ("detector", "genai")
    for source in sources:
        said = [occurrence for occurrence in occurrences if occurrence.source == source]
        touched |= write(connection, said, source=source, window=window)
    return settle(connection, touched, window, run)


def issues(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute('SELECT * FROM "LogIssue" ORDER BY "detectedAt", id').fetchall()
