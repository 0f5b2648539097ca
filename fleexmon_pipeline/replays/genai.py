"""Past windows judged again, by another prompt or model: what it would cost, and which issues differ.

Here: the estimate, the run and the comparison. Answers are kept in "GenAICall" as replays, apart from those that issues
follow from; nothing else is written. What a person sees: `commands/genai.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.budget import Terms
from fleexmon_pipeline.genai.grounding import ClosedIssues
from fleexmon_pipeline.genai.judgement import Asker, judge
from fleexmon_pipeline.genai.ledger import OF_A_QUESTION, Ledger
from fleexmon_pipeline.genai.prompt import Prompt
from fleexmon_pipeline.genai.questions import drafts
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity
from fleexmon_pipeline.window import Window

SECONDS_AN_HOUR = 600.0  # of log lines; a backfill has 90 and asks again later, a replay has nobody who asks again


@dataclass(frozen=True)
class Estimate:
    """What is not answered yet; tokens are estimated, answers at their longest."""

    questions: int
    patterns: int
    tokens_in: int
    tokens_out: int
    cost: Decimal | None


@dataclass(frozen=True)
class Said:
    """An issue as GenAI told of it in a window, at its worst."""

    fingerprint: str
    severity: Severity
    title: str
    patterns: frozenset[str]


@dataclass
class Difference:
    gained: list[Said] = field(default_factory=list)
    lost: list[Said] = field(default_factory=list)
    kept: list[tuple[Said, Said]] = field(default_factory=list)  # before, after
    changed: list[tuple[Said, Said]] = field(default_factory=list)  # kept, with another severity


@dataclass(frozen=True)
class Replayed:
    """`judged`: the hours compared; `outcome` and `reason` say why others were not."""

    difference: Difference
    judged: Sequence[Window]
    calls: int
    tokens_in: int
    tokens_out: int
    outcome: str
    reason: str


def estimate(
    connection: Connection, window: Window, *, prompt: Prompt, terms: Terms, max_tokens: int, now: datetime
) -> Estimate:
    """Asks and writes nothing, and leaves GitHub alone, whose issues add at most 1,800 characters to a question."""
    ledger = Ledger.open(connection, now=now, prompt_version=prompt.version, terms=terms, replay=True)
    found = list(drafts(ledger, window, prompt_used=prompt))
    tokens_in, tokens_out = sum(draft.tokens for draft in found), len(found) * max_tokens
    patterns = len({record.pattern for draft in found for record in draft.records})
    return Estimate(len(found), patterns, tokens_in, tokens_out, terms.prices.cost(tokens_in, tokens_out))


def replay(
    connection: Connection,
    agent: Agent,
    window: Window,
    *,
    prompt: Prompt,
    terms: Terms,
    now: datetime,
    closed_github_issues: ClosedIssues | None = None,
) -> Replayed:
    """Judge `window` again, hour by hour, within the budget, and compare with what was said of the same hours.

    Broken off, or over budget, it goes on where it was if it is called again within a day.
    """
    judged: list[Window] = []
    after: list[Occurrence] = []
    calls = tokens_in = tokens_out = 0
    outcome, reason = "ok", ""
    asker = Asker(
        agent,
        terms,
        run_id=f"replay {now.isoformat()}",
        closed_github_issues=closed_github_issues,
        prompt=prompt,
        replay=True,
    )
    for hour in window.hours():
        part = hour.overlap(window)
        result = judge(connection, asker, part, now=now, deadline_seconds=SECONDS_AN_HOUR)
        calls, tokens_in = calls + result.calls, tokens_in + result.tokens_in
        tokens_out += result.tokens_out
        judged += result.judged_hours
        after += result.occurrences if result.judged else []
        if outcome == "ok":
            outcome, reason = result.outcome, result.reason
        if result.outcome not in ("ok", "busy", "deadline", *OF_A_QUESTION):
            break  # over budget, or nobody there: 24 hours of a day would be 24 times 30 s of waiting for the same
    before = [said for hour in judged for said in _said(connection, hour)]
    return Replayed(
        difference(before, [_of(one) for one in after]), judged, calls, tokens_in, tokens_out, outcome, reason
    )


def difference(before: Iterable[Said], after: Iterable[Said]) -> Difference:
    """The same issue is the one with the same fingerprint, else one that is about one of the same patterns."""
    old, new = _worst(before), _worst(after)
    pairs = [(old.pop(name), new.pop(name)) for name in list(old) if name in new]
    for name, one in list(old.items()):
        twin = next((other for other in new.values() if one.patterns & other.patterns), None)
        if twin:
            pairs.append((old.pop(name), new.pop(twin.fingerprint)))
    return Difference(
        gained=list(new.values()),
        lost=list(old.values()),
        kept=[pair for pair in pairs if pair[0].severity == pair[1].severity],
        changed=[pair for pair in pairs if pair[0].severity != pair[1].severity],
    )


def _worst(every: Iterable[Said]) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for one in every:
        known = found.get(one.fingerprint)
        if known is None or one.severity.rank > known.severity.rank:
            found[one.fingerprint] = one
    return found


def _of(one: Occurrence) -> Said:
    return Said(one.fingerprint, one.severity, one.title, frozenset(one.metadata["patterns"]))


def _said(connection: Connection, hour: Window) -> list[Said]:
    rows = connection.execute(statements("genai")["said"], {"since": hour.since, "until": hour.until})
    return [
        Said(row["fingerprint"], Severity(row["severity"]), row["title"], frozenset(row["patterns"] or ()))
        for row in rows
    ]
