"""Evaluate the rules on a window, and open, update and resolve issues.

Here: which hours, and what the UI shows. Rules: `rules/*.yaml`; evaluation: `detection/`; issues: `issues/`.
"""

from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.analyzed_logs import RUN_GENAI_SECONDS, TICK_GENAI_SECONDS
from fleexmon_pipeline.assets.asset import (
    TICKS_ARE_FRESH,
    Results,
    hourly_asset,
    is_materializing,
    results,
    rules_version,
)
from fleexmon_pipeline.assets.checks import (
    DEPLOYMENTS_ARE_SOUND,
    RULES_ARE_BELIEVED,
    RULES_ARE_SOUND,
    check_deployments,
    check_rates,
    check_rules,
)
from fleexmon_pipeline.assets.heartbeat import heartbeat
from fleexmon_pipeline.assets.hour_metadata import detected_metadata
from fleexmon_pipeline.baselines.links import learn_links
from fleexmon_pipeline.catch_up import RUN_FAILED, no_longer_waiting, note_waiting
from fleexmon_pipeline.collection.rejected import WAITS_AS
from fleexmon_pipeline.comparison.recent_deployments import compare_recent_deployments
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.budget import Budget, kept
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.divergence import longest_watch
from fleexmon_pipeline.detection.firing_rates import firing_rates
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.genai.cases.explain import explain_incidents, spent_seconds
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.incidents.refresh import mark_window, refresh_incidents
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile, resolve_foreign_issues
from fleexmon_pipeline.partitions import key_of_hour, window_of
from fleexmon_pipeline.patterns.count_lines import lines_are_gone
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.genai import GenAI
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.ticks import tick_of
from fleexmon_pipeline.window import HOUR

NAME = "detected_issues"


@hourly_asset(
    deps=["analyzed_logs"],
    freshness_policy=TICKS_ARE_FRESH,
    kinds={"postgres"},
    writes=["LogIssue", "IssueOccurrence", "IssueEpisode", "Incident", "ShadowOccurrence", "GenAICall"],
    code_version=rules_version(),
    check_specs=[RULES_ARE_SOUND, RULES_ARE_BELIEVED, DEPLOYMENTS_ARE_SOUND],
)
def detected_issues(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock, genai: GenAI) -> Results:
    """Evaluates the rules for every 5 minutes, and opens and resolves issues.

    A rule compares an hour's counts with a threshold, or with what is normal for that node at that time of day. A match
    opens an issue, repeated matches update it, and it is resolved when they end. Issues that share a cause form one
    incident, and people are notified of incidents. Evaluating an hour again replaces its results.
    """
    now, live = clock.now(), settings.live_node()
    loaded = all_rules(settings.rules_directory(), settings.node_labels())
    budget = Budget(settings.false_alarms_per_day(), loaded.rules)
    with postgres.connection() as connection:
        known_until = newest_covered(connection) or now
        if is_materializing(context):
            _detect(context, connection, clock, budget, live=live)
            _explain(context, connection, clock, genai)
        newest = compare_recent_deployments(connection, live=live, now=now, after=longest_watch(loaded.rules))
        rates = firing_rates(connection, [rule.name for rule in loaded.rules if rule.enabled], until=known_until)
        budget_kept = kept(connection, budget, until=known_until)
    topology = settings.topology()
    problems = [str(problem) for problem in loaded.problems]
    sound = check_rules([*problems, *([f"FLEEXMON_TOPOLOGY: {topology.problem}"] if topology.problem else [])])
    yield from results(context, [sound, check_rates(rates, budget_kept), check_deployments(newest)])
    if is_materializing(context):  # the last step of a tick
        heartbeat(context.log, context.run.tags, context.run.run_id, "success")


def _detect(
    context: dg.AssetExecutionContext,
    connection: Connection,
    clock: Clock,
    budget: Budget,
    *,
    live: str | None,
) -> None:
    window, now, run, rules = window_of(context), clock.now(), context.run.run_id, budget.rules
    known_until = newest_covered(connection) or window.since
    kept_since = now - timedelta(days=settings.retention_days())
    for hour in window.hours():
        if lines_are_gone(connection, hour, kept_since=kept_since):
            context.log.info(f"{hour}: lines were deleted after LOG_RETENTION_DAYS; their issues are kept")
            continue
        detected = detect_hour(
            connection, hour, rules, now=now, known_until=known_until, live=live, run_id=run, budget=budget
        )
        context.log.info(f"{hour}: {detected.summary()}")
        learn_links(connection, hour)
        metadata = detected_metadata(connection, hour, rules)
        context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
        for stale_hour, reason in detected.stale.items():
            if (stale_hour < hour.since or stale_hour >= window.until) and stale_hour + HOUR <= now:
                note_waiting(connection, NAME, stale_hour, reason, now=clock.now())
        no_longer_waiting(connection, NAME, hour, due_by=now)
        no_longer_waiting(connection, RUN_FAILED, hour)
        no_longer_waiting(connection, WAITS_AS, hour, due_by=now)
    ended = reconcile(connection, open_subjects(connection), now=known_until, run=context.run.run_id)
    foreign = resolve_foreign_issues(connection, now=known_until)
    context.log.info(f"issues that were open before: {ended.sentence()}; resolved {foreign} of other programs")
    mark_window(connection, window)
    context.log.info(refresh_incidents(connection, settings.topology()).sentence())


def _explain(context: dg.AssetExecutionContext, connection: Connection, clock: Clock, genai: GenAI) -> None:
    """Ask GenAI about incidents before anybody is alerted, in the GenAI time that `analyzed_logs` did not use."""
    now, window, run_id = clock.now(), window_of(context), context.run.run_id
    is_tick = tick_of(context.run.tags) is not None
    limit = TICK_GENAI_SECONDS if is_tick else RUN_GENAI_SECONDS
    explained = explain_incidents(
        connection,
        Asker(genai.agent(), genai.budget(), scheduled=is_tick, run_id=run_id),
        window,
        now=now,
        known_until=newest_covered(connection) or window.since,
        deadline_seconds=max(limit - spent_seconds(connection, run_id, now), 0.0),
    )
    refresh_incidents(connection, settings.topology())
    context.log.info(explained.sentence())
