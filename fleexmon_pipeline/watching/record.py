"""Record problems of the pipeline as occurrences, so that they become issues and resolve like any other.

Here: reading the tables and writing occurrences. What counts as a problem: `conditions.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from fleexmon_pipeline.catch_up import waiting
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.issue_rows import Reconciled
from fleexmon_pipeline.issues.lifecycle import add_occurrences, reconcile
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject
from fleexmon_pipeline.watching.conditions import NODE, Facts, FailingChannel, Problem
from fleexmon_pipeline.watching.disk import SQL, disk, sample_disk
from fleexmon_pipeline.window import HOUR, SLOT, floor

VERSION = "1"  # of what the conditions mean
GRACE = timedelta(minutes=15)


def complete(connection: Connection, facts: Facts, *, channels: Collection[str], home: Path, now: datetime) -> Facts:
    """Add the facts of the tables and the disk to those of Dagster. `channels`: names of the configured ones."""
    sample_disk(connection, home, now=now)
    backlog = connection.execute(SQL["backlog"], {"before": floor(now, HOUR) - HOUR}).fetchone()
    failing = [FailingChannel(**row) for row in connection.execute(SQL["failing_channels"])]
    return replace(
        facts,
        waiting_for_analysis=[hour for hour, _ in waiting(connection, "analyzed_logs")],
        backlog=backlog["hours"] if backlog else 0,
        channels=[channel for channel in failing if channel.name in channels],
        disk=disk(connection, now=now),
    )


def record(connection: Connection, problems: Sequence[Problem], *, now: datetime) -> Reconciled:
    """Make the issues of the pipeline match its present problems. Idempotent.

    A problem counts for its whole slot, so an issue that was reported does not vanish two minutes later: it resolves.
    """
    slot = floor(now, SLOT) - SLOT
    add_occurrences(connection, [_occurrence(problem, slot) for problem in problems])
    return reconcile(connection, {str(Subject(NODE))}, now=now)


def _occurrence(problem: Problem, slot: datetime) -> Occurrence:
    return Occurrence(
        rule=problem.name,
        rule_version=VERSION,
        source="detector",
        type=problem.name,
        subject=Subject(NODE),
        slot=slot,
        severity=problem.severity,
        title=problem.title,
        description=problem.description,
        nodes=[NODE],
        grace=GRACE,
        affected=0,
        recommendation=problem.recommendation,
        metadata={"what": problem.what, "which": problem.which, **problem.figures},
    )
