"""Patterns and counts of a window's lines, and what GenAI makes of the new and the failing.

Here: which slots are counted, how long GenAI may take, and what a person sees. How it is done: `genai/`.
"""

from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.checks import EVERYTHING_IS_JUDGED, PATTERNS_ARE_SOUND, check_judged, check_patterns
from fleexmon_pipeline.catch_up import waiting
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.analyze import WAITS_AS, AnalyzedHour, analyze_hour
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.issues.lifecycle import newest_covered
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, window_of
from fleexmon_pipeline.patterns.count_lines import lines_are_gone
from fleexmon_pipeline.patterns.health import miner_health
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.genai import GenAI
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.ticks import tick_of

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
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, genai: GenAI, github: GitHub
) -> dg.MaterializeResult:
    """Every line's pattern, counted per slot, node and level; new and failing patterns judged by GenAI."""
    window, now, tick = window_of(context), clock.now(), tick_of(context.run.tags) is not None
    client = github.client()
    asker = Asker(
        genai.agent(),
        genai.budget(),
        scheduled=tick,
        run_id=context.run.run_id,
        closed_github_issues=client.closed_issues if client else None,
    )
    left = SECONDS_OF_A_TICK if tick else SECONDS_ELSEWHERE
    kept_since = now - timedelta(days=settings.retention_days())
    with postgres.connection() as connection:
        miner = load_miner(connection)
        known_until = newest_covered(connection) or window.since
        for hour in window.hours():
            if lines_are_gone(connection, hour, kept_since=kept_since):
                context.log.info(f"{hour}: its lines are older than LOG_RETENTION_DAYS and gone; its counts stay")
                continue
            analyzed = analyze_hour(
                connection,
                hour,
                miner,
                asker,
                ended_by=now,
                known_until=known_until,
                now=clock.now(),
                deadline_seconds=left,
            )
            left = max(0.0, left - analyzed.asked_seconds)
            context.log.info(f"{hour}: {analyzed.summary()}")
            metadata = _metadata(connection, analyzed)
            context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
        checks = [check_judged(waiting(connection, WAITS_AS)), check_patterns(miner_health(connection))]
    return dg.MaterializeResult(check_results=checks)


def _metadata(connection: Connection, analyzed: AnalyzedHour) -> dict[str, dg.MetadataValue]:
    new, judgement = analyzed.new_patterns, analyzed.judgement
    rows = connection.execute('SELECT level, template FROM "LogPattern" WHERE id = ANY(%s) ORDER BY level, id', [new])
    shown = [f"- {row['level']} {code(row['template'])}" for row in rows.fetchmany(MOST_SHOWN)]
    if len(new) > MOST_SHOWN:
        shown.append(f"- and {len(new) - MOST_SHOWN} more")
    return {
        "lines": dg.MetadataValue.int(analyzed.lines),
        "new_patterns": dg.MetadataValue.int(len(new)),
        "analyzed": dg.MetadataValue.int(analyzed.marked),
        "new": dg.MetadataValue.md("\n".join(shown) or "no pattern was new"),
        "genai": dg.MetadataValue.text(f"{judgement.outcome}: {judgement.reason}" if judgement.reason else "ok"),
        "genai_calls": dg.MetadataValue.int(judgement.calls),
        "genai_tokens": dg.MetadataValue.int(judgement.tokens_in + judgement.tokens_out),
    }
