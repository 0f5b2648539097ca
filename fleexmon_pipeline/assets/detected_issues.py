"""What the rules say of a window, and the issues that follow from it.

Here: which slots are judged, and what a person sees. Rules: `rules/*.yaml`; what they mean, and what becomes of what
they say: `detection/`.
"""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.checks import (
    DEPLOYMENTS_ARE_SOUND,
    RULES_ARE_BELIEVED,
    RULES_ARE_SOUND,
    check_deployments,
    check_rates,
    check_rules,
)
from fleexmon_pipeline.catch_up import RUN_FAILED, no_longer_waiting, note_waiting
from fleexmon_pipeline.collection.rejected import WAITS_AS
from fleexmon_pipeline.comparison.newest import compare_newest
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.divergence import longest_watch
from fleexmon_pipeline.detection.firing_rates import firing_rates
from fleexmon_pipeline.detection.observe import still_learning
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.issues.lifecycle import (
    adopt,
    newest_covered,
    open_subjects,
    reconcile,
)
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, window_of
from fleexmon_pipeline.patterns.count_lines import lines_are_gone
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.window import HOUR

NAME = "detected_issues"


@dg.asset(
    partitions_def=HOURLY,
    backfill_policy=ONE_RUN,
    deps=["analyzed_logs"],
    group_name="fleexmon",
    kinds={"postgres"},
    check_specs=[RULES_ARE_SOUND, RULES_ARE_BELIEVED, DEPLOYMENTS_ARE_SOUND],
)
def detected_issues(context: dg.AssetExecutionContext, postgres: Postgres, clock: Clock) -> dg.MaterializeResult:
    """Issues: rules evaluated at the end of each slot, their firings joined to episodes, each told once."""
    window, now, live = window_of(context), clock.now(), settings.live_node()
    loaded = all_rules(settings.rules_directory())
    with postgres.connection() as connection:
        known_until = newest_covered(connection) or window.since
        kept_since = now - timedelta(days=settings.retention_days())
        for hour in window.hours():
            if lines_are_gone(connection, hour, kept_since=kept_since):
                context.log.info(f"{hour}: its lines are older than LOG_RETENTION_DAYS and gone; its issues stay")
                continue
            detected = detect_hour(
                connection, hour, loaded.rules, now=now, known_until=known_until, live=live, run_id=context.run.run_id
            )
            context.log.info(f"{hour}: {detected.summary()}")
            metadata = {
                "firings": dg.MetadataValue.int(len(detected.occurrences)),
                "shadow_firings": dg.MetadataValue.int(len(detected.shadows)),
                "opened": dg.MetadataValue.int(detected.reconciled.opened + detected.reconciled.regressed),
                "resolved": dg.MetadataValue.int(detected.reconciled.resolved),
                "still_learning": dg.MetadataValue.text(
                    still_learning(connection, hour) or "every node is known for a week"
                ),
                "titles": dg.MetadataValue.md(titles(detected.in_hour())),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
            for other, reason in detected.stale.items():
                if (other < hour.since or other >= window.until) and other + HOUR <= now:
                    note_waiting(connection, NAME, other, reason, now=clock.now())
            no_longer_waiting(connection, NAME, hour, due_by=now)
            no_longer_waiting(connection, RUN_FAILED, hour)
            no_longer_waiting(connection, WAITS_AS, hour, due_by=now)
        ended = reconcile(connection, open_subjects(connection), now=known_until, run=context.run.run_id)
        adopted = adopt(connection, now=known_until)
        context.log.info(f"open before: {ended.sentence()}; {adopted} of an older database ended")
        newest = compare_newest(connection, live=live, now=now, after=longest_watch(loaded.rules))
        rates = firing_rates(connection, [rule.name for rule in loaded.rules if rule.enabled], until=known_until)
    sound = check_rules([str(problem) for problem in loaded.problems])
    checks = [sound, check_rates(rates), check_deployments(newest)]
    return dg.MaterializeResult(check_results=checks)


def titles(occurrences: Iterable[Occurrence]) -> str:
    """The latest title of each fingerprint; its text may quote a template, which Markdown must not obey."""
    latest = {each.fingerprint: each for each in occurrences}
    rows = [f"| {o.severity} | {', '.join(o.nodes)} | {code(o.title)} |" for o in latest.values()]
    return "\n".join(["| severity | nodes | title |", "|---|---|---|", *rows[:50]]) if rows else "nothing fired"
