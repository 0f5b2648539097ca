"""Patterns and counts of a window's lines, and what GenAI makes of the new and the failing.

Here: which slots are counted, how long GenAI may take, and what a person sees. How it is done: `genai/`.
"""

import time
from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.checks import EVERYTHING_IS_JUDGED, PATTERNS_ARE_SOUND, check_judged, check_patterns
from fleexmon_pipeline.catch_up import no_longer_waiting, note_waiting, waiting
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.judgement import Judgement, judge, mark_analyzed
from fleexmon_pipeline.issues.lifecycle import newest_covered, reconcile, write_occurrences
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, utc_now, window_of
from fleexmon_pipeline.patterns.count_lines import CountsAccount, lines_are_gone, rebuild_counts, stale_slots
from fleexmon_pipeline.patterns.health import miner_health
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.resources.genai import GenAI
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.ticks import is_tick
from fleexmon_pipeline.window import Window

NAME = "analyzed_logs"
SECONDS_OF_A_TICK, SECONDS_ELSEWHERE = 20.0, 90.0  # what GenAI may take of a run; the rest waits and is asked again
MOST_SHOWN = 20


@dg.asset(
    partitions_def=HOURLY,
    backfill_policy=ONE_RUN,
    deps=["raw_logs"],
    group_name="fleexmon",
    kinds={"postgres", "ai"},
    check_specs=[EVERYTHING_IS_JUDGED, PATTERNS_ARE_SOUND],
)
def analyzed_logs(
    context: dg.AssetExecutionContext, postgres: Postgres, genai: GenAI, github: GitHub
) -> dg.MaterializeResult:
    """Every line's pattern, counted per slot, node and level; new and failing patterns judged by GenAI."""
    window, now, tick = window_of(context), utc_now(), is_tick(context)
    agent, client = genai.agent(), github.client()
    left = SECONDS_OF_A_TICK if tick else SECONDS_ELSEWHERE
    kept_since = now - timedelta(days=settings.retention_days())
    with postgres.connection() as connection:
        miner = load_miner(connection)
        known_until = newest_covered(connection) or window.since
        for hour in window.hours():
            if lines_are_gone(connection, hour, kept_since=kept_since):
                context.log.info(f"{hour}: its lines are older than LOG_RETENTION_DAYS and gone; its counts stay")
                continue
            part = hour.ended(now)
            due = stale_slots(connection, part) if tick else [part] if part else []
            counts = [rebuild_counts(connection, slots, miner, redact=redact) for slots in due]
            asked = time.monotonic()
            judgement = judge(
                connection,
                agent,
                part,
                now=utc_now(),
                deadline_seconds=left,
                scheduled=tick,
                run_id=context.run.run_id,
                terms=genai.terms(),
                closed_github_issues=client.closed_issues if client else None,
            )
            left = max(0.0, left - (time.monotonic() - asked))
            subjects = write_occurrences(connection, judgement.occurrences, source="genai", window=hour)
            reconcile(connection, subjects, now=known_until, since=hour.since, run=context.run.run_id)
            marked = _settle(connection, hour, part, judgement, configured=agent is not None)
            context.log.info(f"{hour}: {_sentence(counts, judgement, marked, configured=agent is not None)}")
            metadata = _metadata(connection, counts, judgement, marked)
            context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
        checks = [check_judged(waiting(connection, NAME)), check_patterns(miner_health(connection))]
    return dg.MaterializeResult(check_results=checks)


def _settle(connection: Connection, hour: Window, part: Window, judgement: Judgement, *, configured: bool) -> int:
    """`analyzed` becomes true only when the judgement was made, or nobody is there to make it; else the hour waits."""
    if judgement.judged or not configured:
        no_longer_waiting(connection, NAME, hour)
        return mark_analyzed(connection, part) if part else 0
    note_waiting(connection, NAME, hour.since, f"{judgement.outcome}: {judgement.reason}", now=utc_now())
    return sum(mark_analyzed(connection, judged) for judged in judgement.judged_hours)


def _sentence(counts: list[CountsAccount], judgement: Judgement, marked: int, *, configured: bool) -> str:
    rows, new = sum(each.rows for each in counts), sum(len(each.new) for each in counts)
    told = f"{rows:,} lines counted, {new} new patterns, {marked:,} lines done"
    if not configured:
        return told
    asked = f"GenAI: {len(judgement.asked)} patterns asked in {judgement.calls} calls, {judgement.known} known"
    wait = f", {judgement.waiting} wait ({judgement.outcome}: {judgement.reason})" if judgement.waiting else ""
    return f"{told}; {asked}{wait}"


def _metadata(
    connection: Connection, counts: list[CountsAccount], judgement: Judgement, marked: int
) -> dict[str, dg.MetadataValue]:
    new = sorted({pattern for each in counts for pattern in each.new})
    rows = connection.execute('SELECT level, template FROM "LogPattern" WHERE id = ANY(%s) ORDER BY level, id', [new])
    shown = [f"- {row['level']} {code(row['template'])}" for row in rows.fetchmany(MOST_SHOWN)]
    if len(new) > MOST_SHOWN:
        shown.append(f"- and {len(new) - MOST_SHOWN} more")
    return {
        "lines": dg.MetadataValue.int(sum(each.rows for each in counts)),
        "new_patterns": dg.MetadataValue.int(len(new)),
        "analyzed": dg.MetadataValue.int(marked),
        "new": dg.MetadataValue.md("\n".join(shown) or "no pattern was new"),
        "genai": dg.MetadataValue.text(f"{judgement.outcome}: {judgement.reason}" if judgement.reason else "ok"),
        "genai_calls": dg.MetadataValue.int(judgement.calls),
        "genai_tokens": dg.MetadataValue.int(judgement.tokens_in + judgement.tokens_out),
    }
