"""Asset checks. They evaluate the tables as they are now, so a later tick cannot hide a problem that a backfill found.

Reasons quote nodes, GenAI and GitHub. They are shown as code or escaped: the UI shows a result's description as
Markdown, and would load a quoted image link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import dagster as dg

from fleexmon_pipeline.comparison.read import Comparison
from fleexmon_pipeline.comparison.recent_deployments import DeploymentResult
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.budget import Kept
from fleexmon_pipeline.detection.firing_rates import Rates
from fleexmon_pipeline.forecasting import record
from fleexmon_pipeline.patterns.health import MinerHealth
from fleexmon_pipeline.reporting.escape import code, prose
from fleexmon_pipeline.settings.page_urls import Kind, page_path

MAX_REASON_CHARACTERS = 300
MAX_DETAILS = 100
MAX_PATTERNS_OF_COMPARISON = 20
MAX_DEPLOYMENTS = 10  # in the description of a check; failed ones come first
MAX_FIRST_REASON = 160  # characters of a deployment's first reason in that description

EVERY_NODE_ANSWERS = dg.AssetCheckSpec(
    "every_node_answers",
    asset="raw_logs",
    description="Every 5-minute slot of every node since its first poll is complete or empty (the node had no lines).",
)
EVERYTHING_IS_JUDGED = dg.AssetCheckSpec(
    "everything_is_judged",
    asset="analyzed_logs",
    description="No hour waits for the GenAI agent. Rules work without it, and waiting hours are retried.",
)
PATTERNS_ARE_SOUND = dg.AssetCheckSpec(
    "patterns_are_sound",
    asset="analyzed_logs",
    description="Patterns of the last day group lines well: few patterns have a single line, no pattern has most "
    "of the lines, and few patterns are new.",
)
RULES_ARE_SOUND = dg.AssetCheckSpec(
    "rules_are_sound", asset="detected_issues", description="Every rule file can be read and its samples pass."
)
DEPLOYMENTS_ARE_SOUND = dg.AssetCheckSpec(
    "deployments_are_sound",
    asset="detected_issues",
    description="Each deployment of the last day logs the same patterns as the live node. Compares its first two "
    "hours, or as many as a rule of kind divergence asks for.",
)
RULES_ARE_BELIEVED = dg.AssetCheckSpec(
    "rules_are_believed",
    asset="detected_issues",
    description="No rule is noisy enough to be ignored. Counts each rule's incidents of the last seven days; issues "
    "that share a cause count once.",
)
EVERYTHING_IS_SENT = dg.AssetCheckSpec(
    "everything_is_sent",
    asset="issue_alerts",
    description="GitHub and all channels are up to date: no message waits after a failed attempt.",
)
FORECASTS_HOLD = dg.AssetCheckSpec(
    "forecasts_hold",
    asset="predictions",
    description="Forecasts of the last 30 days were accurate: 80 % intervals hold, values beat the naive forecast, "
    "and forecast crossings happen. Nodes with inaccurate forecasts are listed, and open no forecast issues.",
)
ARCHIVE_IS_WHOLE = dg.AssetCheckSpec(
    "archive_is_whole",
    asset="archived_logs",
    description="Every archived day has its file, with the right size. `fleexmon archive verify` checks the contents "
    "too.",
)

# A failure of these already opens an issue that names the node, so `watching/` does not report it again.
REPORTED_BY_RULES = frozenset({DEPLOYMENTS_ARE_SOUND.key})

_PAGES: Mapping[str, Kind] = {
    EVERY_NODE_ANSWERS.name: "now", EVERYTHING_IS_JUDGED.name: "now", PATTERNS_ARE_SOUND.name: "pattern",
    RULES_ARE_SOUND.name: "shadow", DEPLOYMENTS_ARE_SOUND.name: "compare", RULES_ARE_BELIEVED.name: "incident",
    EVERYTHING_IS_SENT.name: "now", FORECASTS_HOLD.name: "issue", ARCHIVE_IS_WHOLE.name: "line",
}  # fmt: skip


def check_coverage(connection: Connection, nodes: Iterable[str], *, since: datetime) -> dg.AssetCheckResult:
    """Gaps of `nodes` since `since`: how many slots, and each node's latest error."""
    gaps = connection.execute(statements("collection")["gaps"], {"since": since, "nodes": list(nodes)}).fetchall()
    details = [
        f"- **{gap['node']}**: {gap['slots']} slots {gap['status']} between {gap['since']:%Y-%m-%d %H:%M} and "
        f"{gap['until']:%Y-%m-%d %H:%M} UTC: {code(gap['error'] or 'never polled', most=MAX_REASON_CHARACTERS)}"
        for gap in gaps
    ]
    return _result(EVERY_NODE_ANSWERS, details, "every slot is complete or empty")


def check_judged(waiting: list[tuple[datetime, str]]) -> dg.AssetCheckResult:
    """Hours that wait for GenAI, and why."""
    details = [f"- {hour:%Y-%m-%d %H:%M} UTC: {code(reason, most=MAX_REASON_CHARACTERS)}" for hour, reason in waiting]
    return _result(EVERYTHING_IS_JUDGED, details, "nothing waits")


def check_patterns(health: MinerHealth) -> dg.AssetCheckResult:
    details = [f"- {problem}{': ' + code(template) if template else ''}" for problem, template in health.problems()]
    return _result(PATTERNS_ARE_SOUND, details, health.sentence())


def check_rules(problems: list[str]) -> dg.AssetCheckResult:
    return _result(RULES_ARE_SOUND, [f"- {problem}" for problem in problems], "every rule is sound")


def check_archive(problems: Sequence[str]) -> dg.AssetCheckResult:
    details = [f"- {code(problem, most=MAX_REASON_CHARACTERS)}" for problem in problems]
    return _result(ARCHIVE_IS_WHOLE, details, "every archived day has its file, or none is archived")


def check_deployments(newest: list[DeploymentResult]) -> dg.AssetCheckResult:
    """Each deployment's verdict, its reasons and the patterns that differ. Only a failed comparison is a warning."""
    compared = [(deployment.sentence, deployment.comparison) for deployment in newest if deployment.comparison]
    failed_first = sorted(compared, key=lambda pair: pair[1].outcome.verdict != "fail")
    verdicts = [
        f"{comparison.outcome.verdict}: {prose(text)}{_first_reason(comparison)}" for text, comparison in failed_first
    ]
    verdicts += [prose(deployment.sentence) for deployment in newest if not deployment.comparison]
    if len(verdicts) > MAX_DEPLOYMENTS:
        verdicts[MAX_DEPLOYMENTS:] = [f"and {len(verdicts) - MAX_DEPLOYMENTS} more"]
    details = "\n\n".join(_comparison(text, comparison) for text, comparison in failed_first)
    return _warning(
        DEPLOYMENTS_ARE_SOUND,
        passed=all(comparison.outcome.verdict != "fail" for _, comparison in compared),
        description="; ".join(verdicts) or "no deployment in the last day",
        metadata={"details": dg.MetadataValue.md(details)} if details else {},
    )


def _first_reason(comparison: Comparison) -> str:
    reasons = comparison.outcome.reasons if comparison.outcome.verdict != "pass" else ()
    return f": {prose(reasons[0], most=MAX_FIRST_REASON)}" if reasons else ""


def _comparison(text: str, comparison: Comparison) -> str:
    outcome = comparison.outcome
    lines = [f"**{outcome.verdict}**: {code(text)} against {code(comparison.baseline)}", ""]
    lines += [f"- {code(reason, most=MAX_REASON_CHARACTERS)}" for reason in outcome.reasons]
    lines += [
        "",
        f"| status | level | {code(comparison.baseline)} | {code(comparison.candidate)} | pattern |",
        "|---|---|--:|--:|---|",
    ]
    lines += [
        f"| {pattern.status} | {pattern.level} | {pattern.baseline:,} | {pattern.candidate:,} "
        f"| {code(comparison.templates[pattern.pattern])} |"
        for pattern in outcome.patterns[:MAX_PATTERNS_OF_COMPARISON]
    ]
    return "\n".join(lines)


def check_rates(rates: Rates, kept: Kept) -> dg.AssetCheckResult:
    """Every rule's rate in the stored history, and whether the budget of false alarms was kept. A warning names rules
    that fire too often or were marked as noise."""
    problems = [f"{code(rule)}: {problem}" for rule, problem in rates.problems()]
    if over := kept.problem():
        problems.append(f"`FLEEXMON_FALSE_ALARMS_PER_DAY`: {over}")
    details = [f"- {problem}" for problem in problems] + [""] * bool(problems)
    details += [f"{kept.sentence()}.", ""]
    details += [
        "| rule | incidents a day | issues a day | issues | marked as noise | slots that fired |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    details += [
        f"| {code(rate.rule)}{' (shadow)' if rate.shadow else ''} | {rate.incidents_a_day:.2f} | {rate.a_day:.2f} "
        f"| {rate.issues:,} | {rate.noise:,} | {rate.slots:,} |"
        for rate in rates.rules[:MAX_DETAILS]
    ]
    issues_a_day = sum((rate.a_day for rate in rates.rules if not rate.shadow), 0.0)
    return _warning(
        RULES_ARE_BELIEVED,
        passed=not problems,
        description=_in_line(problems) if problems else f"{rates.sentence()}; {kept.sentence()}",
        metadata={
            "rates": dg.MetadataValue.md("\n".join(details)),
            "issues_a_day": dg.MetadataValue.float(round(issues_a_day, 2)),
            "false_alarms_a_day_allowed": dg.MetadataValue.float(round(kept.budget, 2)),
            "false_alarms_a_day_by_verdicts": dg.MetadataValue.float(round(kept.a_day, 2)),
        },
    )


def check_forecasts(records: Sequence[record.Record], rules: Sequence[str]) -> dg.AssetCheckResult:
    """How accurate forecasts were, by node. rules: the rules of kind forecast, which inaccurate forecasts silence."""
    details = [f"- {code(node)}: {reason}" for node, reason in record.problems(records, rules)]
    scored = sum(node.scored for node in records)
    return _result(
        FORECASTS_HOLD,
        details,
        f"{scored:,} forecasts of the last 30 days scored",
        last_30_days=dg.MetadataValue.md(record.table(records)),
    )


def check_sent(failures: list[str]) -> dg.AssetCheckResult:
    details = [f"- {code(failure, most=MAX_REASON_CHARACTERS)}" for failure in failures]
    return _result(EVERYTHING_IS_SENT, details, "nothing waits")


def _result(
    spec: dg.AssetCheckSpec, details: list[str], fine: str, **metadata: dg.MetadataValue
) -> dg.AssetCheckResult:
    """Passed if there are no details; `fine` is then the description."""
    shown = {"details": dg.MetadataValue.md("\n".join(details[:MAX_DETAILS]))} if details else {}
    return _warning(
        spec,
        passed=not details,
        description=_in_line([detail.removeprefix("- ") for detail in details]) if details else fine,
        metadata={**shown, **metadata},
    )


def _in_line(reasons: Sequence[str]) -> str:
    """The first reason, and how many more there are."""
    more = len(reasons) - 1
    return reasons[0] + (f"; and {more} more" if more else "")


def _warning(
    spec: dg.AssetCheckSpec, *, passed: bool, description: str, metadata: dict[str, dg.MetadataValue]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={**metadata, **_page_of(spec)},
    )


def _page_of(spec: dg.AssetCheckSpec) -> dict[str, dg.MetadataValue]:
    """A link to our page with more details."""
    kind = _PAGES.get(spec.name)
    return {"page": dg.MetadataValue.url(page_path(kind))} if kind else {}
