"""Keep the tables small: delete old rows that are no longer needed, in small batches.

Here: which rows are deleted, and when. Dagster's own runs and events: `run_history.py`.

    LogEntry                LOG_RETENTION_DAYS; longer while not analyzed, or evidence of an issue that is not resolved
    ArchivedDay             LOG_RETENTION_DAYS too, once all of the day is older (`cold_days.py`)
    RejectedLog             LOG_RETENTION_DAYS, like the lines they might have been
    LogIssue                90 days after "resolvedAt", with its episode and occurrences; open ones forever. An
                            Incident goes with the last of its issues
    LogForecast             90 days after its hour: three times as long as their track record looks back
    AgentCall               30 days, and the newest 100,000 of them
    GenAICall               90 days, and as long as its lines: a rerun reads it instead of paying again
    Outbox                  90 days after GitHub is up to date
    ChannelMessage          90 days after it was queued, unless its incident is open
    ChannelThread           90 days after its last message, unless one of the key's messages is kept
    IssueMute               90 days after it ended
    IssueHandling           90 days, and as long as its issue
    NodeBaseline, NodeLinks 60 days: caches
    ShadowOccurrence        60 days
    LogPatternCount,        400 days: a year and a month, so that a digest or a forecast can look at the same week of
    LogCoverage             last year; one row per slot and pattern, a hundredth of the lines they count.
                            LogLevelCount, their sums, follows them by triggers; LogPatternDay, sums by day,
                            has 31 days
    DetectedHour            400 days, like the counts that it is a hash of
    IssueVerdict            400 days, and as long as its issue: a backtest of kept counts needs people's verdicts
    DeploymentVerification  400 days
    Deployment              400 days; longer for the version that each node then ran, which comparisons need
    LogDigest, LogPattern,  forever: one row a day; a forgotten pattern would be new again; labels that people gave
    PatternLabel

Lines of a whole day go at once, where "LogEntry" is in parts by day (`days.py`). What remains goes in batches:
each batch is its own transaction, so the work may be stopped at any moment and started again. Measured with 300,000
lines of 120 characters on two busy cores, not waiting for disk writes: 230,000 lines/s, 20 ms per batch of 5,000; a dry
run of the same takes 0.2 s; lines that stay are passed once, in the order of the timestamp index.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.lifecycle import lock_subjects
from fleexmon_pipeline.retention.days import drop_days
from fleexmon_pipeline.window import EPOCH, SLOT

_SQL = statements("retention")
_NO_ID = UUID(int=0)
_ISSUE_DAYS = 90
_GENAI_CALL_DAYS = 90
_OUTBOX_DAYS = 90
_AGENT_CALL_DAYS = 30
_CHANNEL_DAYS = 90
_MUTE_DAYS = 90
_FORECAST_DAYS = 90  # three times as long as the track record of forecasts looks back
_HISTORY_DAYS = 400
_BASELINE_DAYS = 60
_SHADOW_DAYS = 60
_ISSUES_PER_BATCH = 200  # each locks its subject, and a reconcile may wait for the lock

Progress = Callable[["RetentionAccount"], None]


@dataclass
class RetentionAccount:
    """Rows that were deleted (or would be, in a dry run) by table, and old lines that stay."""

    dry_run: bool
    deleted: dict[str, int] = field(default_factory=dict)
    kept_unanalyzed: int = 0
    kept_evidence: int = 0

    def sentence(self) -> str:
        counts = ", ".join(f"{count:,} of {table}" for table, count in self.deleted.items() if count)
        kept = [
            f"{count:,} old lines stay: {why}"
            for count, why in (
                (self.kept_unanalyzed, "not analyzed"),
                (self.kept_evidence, "evidence of an open issue"),
            )
            if count
        ]
        return "; ".join([f"{'would delete' if self.dry_run else 'deleted'} {counts or 'nothing'}", *kept])


def apply_retention(
    connection: Connection,
    *,
    now: datetime,
    days: int,
    batch: int = 5_000,
    pause: float = 0,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RetentionAccount:
    """Delete rows that are older than the table above says. `days`: lines that are older than this are deleted.

    `pause` (seconds) after each batch leaves the disk to others; `progress` is called after each batch. A dry run
    counts what a run now would delete, and deletes nothing. Raises ValueError for days or a batch below 1.
    """
    if days < 1 or batch < 1:
        raise ValueError(f"retention of {days} days in batches of {batch}: both must be at least 1")
    account = RetentionAccount(dry_run)

    def record(table: str, count: int) -> None:
        account.deleted[table] = account.deleted.get(table, 0) + count
        if progress:
            progress(account)
        if pause and count:
            time.sleep(pause)

    def before(age_days: int) -> datetime:
        return now - timedelta(days=age_days)

    if not dry_run:
        drop_days(connection, before=before(days), record=lambda lines: record("LogEntry", lines))
    _expire_logs(connection, before(days), batch, account, record)
    # Occurrences without an episode first: those that this run leaves without one go with the next, so that a dry run
    # can give the number.
    for table, cutoff in (
        ("IssueOccurrence", before(_ISSUE_DAYS)),
        ("RejectedLog", before(days)),
        ("LogPatternCount", before(max(days, _HISTORY_DAYS))),
        ("LogCoverage", before(max(days, _HISTORY_DAYS))),
        ("LogForecast", before(_FORECAST_DAYS)),
        ("GenAICall", before(max(days, _GENAI_CALL_DAYS))),
        ("AgentCall", before(_AGENT_CALL_DAYS)),
        ("Outbox", before(_OUTBOX_DAYS)),
        ("ChannelThread", before(_CHANNEL_DAYS)),
        ("ChannelMessage", before(_CHANNEL_DAYS)),
        ("IssueMute", before(_MUTE_DAYS)),
        ("IssueVerdict", before(max(days, _HISTORY_DAYS))),
        ("IssueHandling", before(_ISSUE_DAYS)),
        ("Deployment", before(max(days, _HISTORY_DAYS))),
        ("DeploymentVerification", before(max(days, _HISTORY_DAYS))),
        ("DetectedHour", before(max(days, _HISTORY_DAYS))),
        ("NodeBaseline", before(_BASELINE_DAYS)),
        ("NodeLinks", before(_BASELINE_DAYS)),
        ("ShadowOccurrence", before(_SHADOW_DAYS)),
    ):
        if dry_run:
            record(table, _count(connection, table, cutoff))
            continue
        while count := _delete_batch(connection, table, cutoff, batch):
            record(table, count)
    _expire_issues(connection, before(_ISSUE_DAYS), account, record)
    return account


def _expire_logs(
    connection: Connection, cutoff: datetime, batch: int, account: RetentionAccount, record: Callable[[str, int], None]
) -> None:
    position = {"after": EPOCH - 100 * 365 * timedelta(days=1), "after_id": _NO_ID}
    where = {"before": cutoff, "batch": batch, "dry_run": account.dry_run}
    while page := connection.execute(_SQL["expire_logs"], {**where, **position}).fetchone():
        if not page["seen"]:
            return
        account.kept_unanalyzed += page["unanalyzed"]
        account.kept_evidence += page["evidence"]
        record("LogEntry", page["deleted"])
        position = {"after": page["after"], "after_id": page["after_id"]}


def _count(connection: Connection, table: str, cutoff: datetime) -> int:
    row = connection.execute(b"SELECT count(*) FROM (%b) AS o" % _SQL[table], {"before": cutoff}).fetchone()
    return int(row["count"]) if row else 0


def _delete_batch(connection: Connection, table: str, cutoff: datetime, batch: int) -> int:
    """Delete in index order; rows that another session holds are left for the next run."""
    delete = b'DELETE FROM "%b" WHERE ctid = ANY (ARRAY (%b LIMIT %%(batch)s FOR UPDATE OF o SKIP LOCKED))'
    return connection.execute(delete % (table.encode(), _SQL[table]), {"before": cutoff, "batch": batch}).rowcount


def _expire_issues(
    connection: Connection, cutoff: datetime, account: RetentionAccount, record: Callable[[str, int], None]
) -> None:
    after: UUID = _NO_ID
    while True:
        where = {"before": cutoff, "after_id": after, "batch": _ISSUES_PER_BATCH}
        old = connection.execute(_SQL["old_issues"], where).fetchall()
        if not old:
            return
        after = old[-1]["id"]
        # A dry run does it and rolls back: there are few, and the number is exact.
        with connection.transaction(force_rollback=account.dry_run):
            issues, occurrences = _delete_issues(connection, old, cutoff)
        record("IssueOccurrence", occurrences)
        record("LogIssue", issues)


def _delete_issues(connection: Connection, old: list[dict[str, Any]], cutoff: datetime) -> tuple[int, int]:
    """Issues with their episodes and occurrences, all or none: a remaining half would come back as another issue."""
    lock_subjects(connection, (row["subject"] for row in old if row["subject"] is not None))
    where = {"ids": [row["id"] for row in old], "before": cutoff}
    ended = {row["id"]: row["resolvedAt"] for row in connection.execute(_SQL["delete_issues"], where)}
    occurrences = 0
    for episode in connection.execute(_SQL["delete_episodes"], where).fetchall():
        until = max(episode["lastSlot"] + SLOT, ended.get(episode["id"], episode["lastSlot"]))
        bounds = {**episode, "first": episode["firstSlot"], "until": until}
        occurrences += connection.execute(_SQL["delete_occurrences_of_episode"], bounds).rowcount
    return len(ended), occurrences
