"""Count the lines of a window by pattern, and ask GenAI about new and failing patterns.

Here: which hours, how long GenAI may take, and what a person sees. How it is done: `genai/`, `patterns/`.
"""

from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.asset import Results, hourly_asset, is_materializing, results
from fleexmon_pipeline.assets.checks import EVERYTHING_IS_JUDGED, PATTERNS_ARE_SOUND, check_judged, check_patterns
from fleexmon_pipeline.assets.hour_metadata import analyzed_metadata
from fleexmon_pipeline.catch_up import waiting
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.analyze import WAITS_AS, analyze_hour
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.genai.prompt import PROMPT
from fleexmon_pipeline.issues.lifecycle import newest_covered
from fleexmon_pipeline.partitions import key_of_hour, window_of
from fleexmon_pipeline.patterns.count_lines import lines_are_gone
from fleexmon_pipeline.patterns.health import miner_health
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.genai import GenAI
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.ticks import tick_of

TICK_GENAI_SECONDS, RUN_GENAI_SECONDS = 20.0, 90.0  # for GenAI in a tick and in any other run; the rest waits


@hourly_asset(
    deps=["raw_logs"],
    kinds={"postgres", "ai"},
    writes=["LogPatternCount", "LogLevelCount", "LogPattern", "GenAICall", "IssueOccurrence"],
    code_version=f"masks {MASK_VERSION}, prompt {PROMPT.version}",
    check_specs=[EVERYTHING_IS_JUDGED, PATTERNS_ARE_SOUND],
)
def analyzed_logs(
    context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, genai: GenAI, github: GitHub
) -> Results:
    """Counts lines by pattern. A pattern is a message without its numbers, ids and names.

    Groups the lines of an hour into patterns, and counts each by 5 minutes, node and level. Later stages read these
    counts, so their cost depends on the hour and not on the table. If a GenAI agent is configured, it is asked about
    new and failing patterns, within a budget. It can add findings, but never hides one.
    """
    with postgres.connection() as connection:
        if is_materializing(context):
            _analyze(context, connection, clock, genai, github)
        checks = [check_judged(waiting(connection, WAITS_AS)), check_patterns(miner_health(connection))]
    yield from results(context, checks)


def _analyze(
    context: dg.AssetExecutionContext, connection: Connection, clock: Clock, genai: GenAI, github: GitHub
) -> None:
    window, now, is_tick = window_of(context), clock.now(), tick_of(context.run.tags) is not None
    client = github.client()
    asker = Asker(
        genai.agent(),
        genai.budget(),
        scheduled=is_tick,
        run_id=context.run.run_id,
        closed_github_issues=client.closed_issues if client else None,
    )
    seconds_left = TICK_GENAI_SECONDS if is_tick else RUN_GENAI_SECONDS
    kept_since = now - timedelta(days=settings.retention_days())
    miner = load_miner(connection)
    known_until = newest_covered(connection) or window.since
    for hour in window.hours():
        if lines_are_gone(connection, hour, kept_since=kept_since):
            context.log.info(f"{hour}: lines were deleted after LOG_RETENTION_DAYS; their counts are kept")
            continue
        analyzed = analyze_hour(
            connection,
            hour,
            miner,
            asker,
            ended_by=now,
            known_until=known_until,
            now=clock.now(),
            deadline_seconds=seconds_left,
        )
        seconds_left = max(0.0, seconds_left - analyzed.asked_seconds)
        context.log.info(f"{hour}: {analyzed.summary()}")
        context.add_asset_metadata(analyzed_metadata(connection, hour), partition_key=key_of_hour(hour.since))
