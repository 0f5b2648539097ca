"""One hour of analysis: count lines by pattern, have GenAI judge new and failing patterns, update the issues.

Here: the order of the steps, and which lines are done. Counting: `patterns/`; GenAI: `judgement.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline.catch_up import no_longer_waiting, note_waiting
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.judgement import Asker, Judgement, judge, mark_analyzed
from fleexmon_pipeline.genai.occurrences import RULE
from fleexmon_pipeline.issues.lifecycle import reconcile, write_occurrences
from fleexmon_pipeline.patterns.count_lines import CountsAccount, rebuild_counts, stale_slots
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import Window

WAITS_AS = "analyzed_logs"  # the name under which an hour waits for GenAI


@dataclass(frozen=True)
class AnalyzedHour:
    """Result of one hour. `marked`: lines that became analyzed; `asked_seconds`: time spent on GenAI."""

    counts: Sequence[CountsAccount]
    judgement: Judgement
    marked: int
    asked_seconds: float
    configured: bool

    @property
    def lines(self) -> int:
        return sum(account.rows for account in self.counts)

    @property
    def new_patterns(self) -> list[str]:
        return sorted({pattern for account in self.counts for pattern in account.new})

    def summary(self) -> str:
        new = sum(len(account.new) for account in self.counts)
        counted = f"{self.lines:,} lines counted, {new} new patterns, {self.marked:,} lines done"
        if not self.configured:
            return counted
        judgement = self.judgement
        genai = f"GenAI: {len(judgement.asked)} patterns asked in {judgement.calls} calls, {judgement.answered} known"
        if judgement.waiting:
            genai += f", {judgement.waiting} wait ({judgement.outcome}: {judgement.reason})"
        return f"{counted}; {genai}"


def analyze_hour(
    connection: Connection,
    hour: Window,
    miner: PatternMiner,
    asker: Asker,
    *,
    ended_by: datetime,
    known_until: datetime,
    now: datetime,
    deadline_seconds: float,
) -> AnalyzedHour:
    """Count the hour's lines, have GenAI judge what is new, unusual or failing, and update its issues.

    Only slots that ended by `ended_by` count. A scheduled run counts only slots whose lines changed. `known_until` is
    the end of the newest covered slot (see `reconcile`); `now` is when the agent is asked.

    Lines become analyzed once they are judged, or if no agent is configured. Otherwise the hour waits.
    """
    part = hour.ended(ended_by)
    due = stale_slots(connection, part) if asker.scheduled else [part] if part else []
    counts = [rebuild_counts(connection, slots, miner, redact=redact) for slots in due]
    began = time.monotonic()
    judgement = judge(connection, asker, part, now=now, deadline_seconds=deadline_seconds)
    asked_seconds = time.monotonic() - began
    subjects = write_occurrences(connection, judgement.occurrences, source="genai", window=hour, rules=[RULE])
    reconcile(connection, subjects, now=known_until, since=hour.since, run=asker.run_id)
    configured = asker.agent is not None
    if judgement.judged or not configured:
        no_longer_waiting(connection, WAITS_AS, hour)
        marked = mark_analyzed(connection, part) if part else 0
    else:
        note_waiting(connection, WAITS_AS, hour.since, f"{judgement.outcome}: {judgement.reason}", now=now)
        marked = sum(mark_analyzed(connection, judged) for judged in judgement.evaluated_hours)
    return AnalyzedHour(counts, judgement, marked, asked_seconds, configured)
