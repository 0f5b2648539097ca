"""What the assets promise, checked against the tables as they are: a tick cannot hide what a backfill found.

Reasons quote what nodes, GenAI and GitHub answered: shown as code, or an answer could load an image into the UI.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import dagster as dg

from fleexmon_pipeline.comparison.newest import Newest
from fleexmon_pipeline.comparison.read import Comparison
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.firing_rates import Rates
from fleexmon_pipeline.patterns.health import MinerHealth
from fleexmon_pipeline.reporting.escape import code

MOST_OF_A_REASON = 300

EVERY_NODE_ANSWERS = dg.AssetCheckSpec(
    "every_node_answers",
    asset="raw_logs",
    description="Every 5-minute slot of every node since it was first asked for is complete, or truly empty.",
)
EVERYTHING_IS_JUDGED = dg.AssetCheckSpec(
    "everything_is_judged",
    asset="analyzed_logs",
    description="No window waits for the GenAI agent. Rules work without it; what waits is judged when it answers.",
)
PATTERNS_ARE_SOUND = dg.AssetCheckSpec(
    "patterns_are_sound",
    asset="analyzed_logs",
    description="Of the last day's lines few are alone in their pattern; no pattern has most; few patterns are new.",
)
RULES_ARE_SOUND = dg.AssetCheckSpec(
    "rules_are_sound", asset="detected_issues", description="Every rule file can be read and its samples hold."
)
DEPLOYMENTS_ARE_SOUND = dg.AssetCheckSpec(
    "deployments_are_sound",
    asset="detected_issues",
    description="The first two hours of each node's newest deployment, or as many as a rule of kind divergence asks, "
    "say what the live node says, pattern by pattern.",
)
RULES_ARE_BELIEVED = dg.AssetCheckSpec(
    "rules_are_believed",
    asset="detected_issues",
    description="How often each rule fired in the last seven days; none so often, or so wrongly, that nobody reads it.",
)
EVERYTHING_IS_SENT = dg.AssetCheckSpec(
    "everything_is_sent",
    asset="issue_alerts",
    description="GitHub shows what it should; nothing waits after a failure.",
)


def check_coverage(connection: Connection, nodes: Iterable[str], *, since: datetime) -> dg.AssetCheckResult:
    """Which of `nodes` have holes since `since`, how many slots, and what the node last said."""
    holes = connection.execute(statements("collection")["gaps"], {"since": since, "nodes": list(nodes)}).fetchall()
    told = [
        f"- **{hole['node']}**: {hole['slots']} slots {hole['status']} between {hole['since']:%Y-%m-%d %H:%M} and "
        f"{hole['until']:%Y-%m-%d %H:%M} UTC: {code(hole['error'] or 'never asked', most=MOST_OF_A_REASON)}"
        for hole in holes
    ]
    return _result(EVERY_NODE_ANSWERS, told, "every slot is complete or empty")


def check_judged(waiting: list[tuple[datetime, str]]) -> dg.AssetCheckResult:
    """Hours that wait for GenAI, and why."""
    told = [f"- {hour:%Y-%m-%d %H:%M} UTC: {code(reason, most=MOST_OF_A_REASON)}" for hour, reason in waiting]
    return _result(EVERYTHING_IS_JUDGED, told, "nothing waits")


def check_patterns(health: MinerHealth) -> dg.AssetCheckResult:
    told = [f"- {what}{': ' + code(template) if template else ''}" for what, template in health.problems()]
    return _result(PATTERNS_ARE_SOUND, told, health.sentence())


def check_rules(problems: list[str]) -> dg.AssetCheckResult:
    return _result(RULES_ARE_SOUND, [f"- {problem}" for problem in problems], "every rule is sound")


def check_deployments(newest: list[Newest]) -> dg.AssetCheckResult:
    """Verdicts, reasons, and what stands out. Only a comparison that fails is a warning."""
    compared = [(each.sentence, each.comparison) for each in newest if each.comparison]
    said = [f"{found.outcome.verdict}: {told}" for told, found in compared]
    said += [each.sentence for each in newest if not each.comparison]
    told = "\n\n".join(_comparison(what, found) for what, found in compared)
    return dg.AssetCheckResult(
        asset_key=DEPLOYMENTS_ARE_SOUND.asset_key,
        check_name=DEPLOYMENTS_ARE_SOUND.name,
        passed=all(found.outcome.verdict != "fail" for _, found in compared),
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(said) or "no deployment in the last day",
        metadata={"details": dg.MetadataValue.md(told)} if told else {},
    )


def _comparison(what: str, found: Comparison) -> str:
    outcome = found.outcome
    told = [f"**{outcome.verdict}**: {code(what)} against {code(found.baseline)}", ""]
    told += [f"- {code(reason, most=MOST_OF_A_REASON)}" for reason in outcome.reasons]
    told += [
        "",
        f"| status | level | {code(found.baseline)} | {code(found.candidate)} | pattern |",
        "|---|---|--:|--:|---|",
    ]
    told += [
        f"| {each.status} | {each.level} | {each.baseline:,} | {each.candidate:,} "
        f"| {code(found.templates[each.pattern])} |"
        for each in outcome.patterns[:20]
    ]
    return "\n".join(told)


def check_rates(rates: Rates) -> dg.AssetCheckResult:
    """Every rule's rate on one's own history; a warning names those that are too loud, or were called noise."""
    problems = rates.problems()
    told = [f"- {code(rule)}: {what}" for rule, what in problems] + [""] * bool(problems)
    told += ["| rule | issues a day | issues | called noise | slots that fired |", "|---|--:|--:|--:|--:|"]
    told += [
        f"| {code(rate.rule)}{' (shadow)' if rate.shadow else ''} | {rate.a_day:.2f} | {rate.issues:,} "
        f"| {rate.noise:,} | {rate.slots:,} |"
        for rate in rates.rules[:100]
    ]
    return dg.AssetCheckResult(
        asset_key=RULES_ARE_BELIEVED.asset_key,
        check_name=RULES_ARE_BELIEVED.name,
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(problems)} to look at" if problems else rates.sentence(),
        metadata={
            "rates": dg.MetadataValue.md("\n".join(told)),
            "issues_a_day": dg.MetadataValue.float(sum((rate.a_day for rate in rates.rules if not rate.shadow), 0.0)),
        },
    )


def check_sent(failures: list[str]) -> dg.AssetCheckResult:
    return _result(
        EVERYTHING_IS_SENT, [f"- {code(failure, most=MOST_OF_A_REASON)}" for failure in failures], "nothing waits"
    )


def _result(spec: dg.AssetCheckSpec, told: list[str], fine: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(told)} to look at" if told else fine,
        metadata={"details": dg.MetadataValue.md("\n".join(told[:100]))} if told else {},
    )
