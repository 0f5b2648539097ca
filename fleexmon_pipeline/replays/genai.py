"""Judge past windows again with another prompt or model: the cost, and the issues that differ.

Here: the estimate, the run and the comparison. Answers are stored in "GenAICall" as replays, apart from those that
issues follow from; nothing else is written. Printing: `commands/genai/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.budget import Budget
from fleexmon_pipeline.genai.grounding import ClosedIssues
from fleexmon_pipeline.genai.judgement import Asker, judge
from fleexmon_pipeline.genai.ledger import Ledger
from fleexmon_pipeline.genai.outcomes import QUESTION_FAULTS, CallOutcome
from fleexmon_pipeline.genai.prompt import Prompt
from fleexmon_pipeline.genai.questions import drafts
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity
from fleexmon_pipeline.window import Window

SECONDS_PER_HOUR = 600.0  # of log lines; a backfill has 90 and is retried later, a replay is not


@dataclass(frozen=True)
class Estimate:
    """The cost of the calls that are not answered yet. Tokens are estimated, answers at their maximum length."""

    questions: int
    patterns: int
    tokens_in: int
    tokens_out: int
    cost: Decimal | None


@dataclass(frozen=True)
class ReportedIssue:
    """An issue that GenAI reported in a window, with its highest severity."""

    fingerprint: str
    severity: Severity
    title: str
    patterns: frozenset[str]


@dataclass
class Difference:
    gained: list[ReportedIssue] = field(default_factory=list)
    lost: list[ReportedIssue] = field(default_factory=list)
    kept: list[tuple[ReportedIssue, ReportedIssue]] = field(default_factory=list)  # before, after
    changed: list[tuple[ReportedIssue, ReportedIssue]] = field(default_factory=list)  # kept, with another severity


@dataclass(frozen=True)
class Replayed:
    """`judged`: the compared hours. `outcome` and `reason` say why others were not compared."""

    difference: Difference
    judged: Sequence[Window]
    calls: int
    tokens_in: int
    tokens_out: int
    outcome: str
    reason: str


def estimate(
    connection: Connection, window: Window, *, prompt: Prompt, budget: Budget, max_tokens: int, now: datetime
) -> Estimate:
    """Sends and writes nothing. GitHub is not searched either; it would add at most 1,800 characters to a prompt."""
    ledger = Ledger.open(connection, now=now, prompt_version=prompt.version, budget=budget, replay=True)
    questions = list(drafts(ledger, window, prompt_used=prompt))
    tokens_in, tokens_out = sum(draft.tokens for draft in questions), len(questions) * max_tokens
    patterns = len({record.pattern for draft in questions for record in draft.records})
    return Estimate(len(questions), patterns, tokens_in, tokens_out, budget.prices.cost(tokens_in, tokens_out))


def replay(
    connection: Connection,
    agent: Agent,
    window: Window,
    *,
    prompt: Prompt,
    budget: Budget,
    now: datetime,
    closed_github_issues: ClosedIssues | None = None,
) -> Replayed:
    """Judge `window` again, hour by hour, within the budget, and compare with the stored occurrences of these hours.

    After an interruption, or over budget, a call within a day continues from there.
    """
    judged: list[Window] = []
    after: list[Occurrence] = []
    calls = tokens_in = tokens_out = 0
    outcome, reason = str(CallOutcome.OK), ""
    asker = Asker(
        agent,
        budget,
        run_id=f"replay {now.isoformat()}",
        closed_github_issues=closed_github_issues,
        prompt=prompt,
        replay=True,
    )
    for hour in window.hours():
        part = hour.overlap(window)
        result = judge(connection, asker, part, now=now, deadline_seconds=SECONDS_PER_HOUR)
        calls, tokens_in = calls + result.calls, tokens_in + result.tokens_in
        tokens_out += result.tokens_out
        judged += result.evaluated_hours
        after += result.occurrences if result.judged else []
        if outcome == CallOutcome.OK:
            outcome, reason = result.outcome, result.reason
        if result.outcome not in (CallOutcome.OK, CallOutcome.BUSY, CallOutcome.DEADLINE, *QUESTION_FAULTS):
            break  # over budget, or no agent: each further hour would wait 30 s for the same result
    before = [issue for hour in judged for issue in _stored(connection, hour)]
    return Replayed(
        difference(before, [_of(occurrence) for occurrence in after]),
        judged,
        calls,
        tokens_in,
        tokens_out,
        outcome,
        reason,
    )


def difference(before: Iterable[ReportedIssue], after: Iterable[ReportedIssue]) -> Difference:
    """Match issues by fingerprint, else by a common pattern."""
    old, new = _worst(before), _worst(after)
    pairs = [(old.pop(name), new.pop(name)) for name in list(old) if name in new]
    for name, issue in list(old.items()):
        twin = next((other for other in new.values() if issue.patterns & other.patterns), None)
        if twin:
            pairs.append((old.pop(name), new.pop(twin.fingerprint)))
    return Difference(
        gained=list(new.values()),
        lost=list(old.values()),
        kept=[pair for pair in pairs if pair[0].severity == pair[1].severity],
        changed=[pair for pair in pairs if pair[0].severity != pair[1].severity],
    )


def _worst(issues: Iterable[ReportedIssue]) -> dict[str, ReportedIssue]:
    worst: dict[str, ReportedIssue] = {}
    for issue in issues:
        other = worst.get(issue.fingerprint)
        if other is None or issue.severity.rank > other.severity.rank:
            worst[issue.fingerprint] = issue
    return worst


def _of(occurrence: Occurrence) -> ReportedIssue:
    patterns = frozenset(occurrence.metadata["patterns"])
    return ReportedIssue(occurrence.fingerprint, occurrence.severity, occurrence.title, patterns)


def _stored(connection: Connection, hour: Window) -> list[ReportedIssue]:
    rows = connection.execute(statements("genai")["reported"], {"since": hour.since, "until": hour.until})
    return [
        ReportedIssue(row["fingerprint"], Severity(row["severity"]), row["title"], frozenset(row["patterns"] or ()))
        for row in rows
    ]
