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
from fleexmon_pipeline.catch_up import A_RUN, no_longer_waiting, note_waiting
from fleexmon_pipeline.collection.gaps import covered_until, rules_but_gaps
from fleexmon_pipeline.collection.rejected import WAITS_AS
from fleexmon_pipeline.comparison.deployments import notice
from fleexmon_pipeline.comparison.newest import compare_newest
from fleexmon_pipeline.comparison.watch import judged_with
from fleexmon_pipeline.detection.divergence import longest_watch
from fleexmon_pipeline.detection.evaluate import evaluate
from fleexmon_pipeline.detection.firing_rates import firing_rates
from fleexmon_pipeline.detection.judged_hours import note_seen
from fleexmon_pipeline.detection.observe import still_learning
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.issues.lifecycle import (
    adopt,
    newest_covered,
    open_subjects,
    reconcile,
    subjects_over,
    write_occurrences,
)
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.partitions import HOURLY, ONE_RUN, key_of_hour, utc_now, window_of
from fleexmon_pipeline.patterns.count_lines import lines_are_gone
from fleexmon_pipeline.reporting.escape import code
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.window import HOUR, Window

NAME = "detected_issues"
# Thresholds look back a quarter of an hour, so lines of this window are seen in the first slots of the next as well.
# What looks further back (rates over hours, silence) is judged again when an hour before it has changed.
LOOK_BACK = timedelta(minutes=15)


@dg.asset(
    partitions_def=HOURLY,
    backfill_policy=ONE_RUN,
    deps=["analyzed_logs"],
    group_name="fleexmon",
    kinds={"postgres"},
    check_specs=[RULES_ARE_SOUND, RULES_ARE_BELIEVED, DEPLOYMENTS_ARE_SOUND],
)
def detected_issues(context: dg.AssetExecutionContext, postgres: Postgres) -> dg.MaterializeResult:
    """Issues: rules evaluated at the end of each slot, their firings joined to episodes, each told once."""
    window, now, live = window_of(context), utc_now(), settings.live_node()
    loaded = all_rules(settings.rules_directory())
    shadows = {rule.name for rule in loaded.rules if rule.mode == "shadow"}
    detectors = [rule.name for rule in loaded.rules if rule.source == "detector"]
    with postgres.connection() as connection:
        known_until = newest_covered(connection) or window.since
        kept_since = now - timedelta(days=settings.retention_days())
        for hour in window.hours():
            if lines_are_gone(connection, hour, kept_since=kept_since):
                context.log.info(f"{hour}: its lines are older than LOG_RETENTION_DAYS and gone; its issues stay")
                continue
            slots = hour.ended(now)
            if known := covered_until(connection, Window(hour.until, hour.until + LOOK_BACK)):
                slots = Window(hour.since, known)
            came = notice(connection, slots)
            said = evaluate(connection, loaded.rules, slots, until=slots.until, live=live)
            occurrences = [each for each in said if each.rule not in shadows]
            write_shadows(connection, [each for each in said if each.rule in shadows], slots, rules=detectors)
            rules = rules_but_gaps(connection, [rule.name for rule in loaded.rules], slots)
            subjects = write_occurrences(connection, occurrences, source="detector", window=slots, rules=rules)
            subjects |= subjects_over(connection, hour)
            outcome = reconcile(connection, subjects, now=known_until, since=hour.since, run=context.run.run_id)
            context.log.info(f"{hour}: {len(occurrences)} firings; {outcome.sentence()}")
            metadata = {
                "firings": dg.MetadataValue.int(len(occurrences)),
                "shadow_firings": dg.MetadataValue.int(len(said) - len(occurrences)),
                "opened": dg.MetadataValue.int(outcome.opened + outcome.regressed),
                "resolved": dg.MetadataValue.int(outcome.resolved),
                "still_learning": dg.MetadataValue.text(
                    still_learning(connection, hour) or "every node is known for a week"
                ),
                "titles": dg.MetadataValue.md(titles([o for o in occurrences if o.slot in hour])),
            }
            context.add_asset_metadata(metadata, partition_key=key_of_hour(hour.since))
            stale = dict.fromkeys(note_seen(connection, hour), f"lines of {hour} came after it was judged")
            for found in came:
                reason = f"{found.node} got {found.version} at {found.at:%H:%M}, which was not known when it was judged"
                stale |= {each: reason for each in judged_with(connection, found) if each != hour.since}
            for other, reason in stale.items():
                if (other < hour.since or other >= window.until) and other + HOUR <= now:
                    note_waiting(connection, NAME, other, reason, now=utc_now())
            no_longer_waiting(connection, NAME, hour, due_by=now)
            no_longer_waiting(connection, A_RUN, hour)
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
