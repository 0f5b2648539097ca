"""The ledger: every question to the agent, its answer and its cost; and whether the next one may be asked.

Here: rows of "GenAICall", and the budget and circuit breaker that follow from them. Asking: `judgement.py`.

`at` is the `now` of the run that asked: rows of one run share it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import AgentError, Reply
from fleexmon_pipeline.genai.answer import Finding
from fleexmon_pipeline.genai.budget import Budget, UsageLimits
from fleexmon_pipeline.genai.outcomes import QUESTION_FAULTS, STANDING_REFUSALS, CallOutcome
from fleexmon_pipeline.window import DAY, HOUR, Window

_SQL = statements("genai")
# An answer about continuing errors is valid as long as GenAI's grace period. Then the question is asked again.
ANSWER_LIFETIME = DAY
REFUSAL_LIFETIME = DAY
_MAX_FAILED_RUNS = 3  # in a row without an answer; then the breaker opens
_MIN_HOLD, _MAX_HOLD = timedelta(minutes=5), timedelta(minutes=60)


@dataclass(frozen=True)
class QuestionRecord:
    """A record of a question, as the ledger stores it: enough to know what an answer was about."""

    id: int
    pattern: str  # as resolved at the time: an issue keeps the id that it first fired with
    level: str
    node: str
    drop: bool = False  # asked because the pattern no longer came


@dataclass(frozen=True)
class AnsweredQuestion:
    """An answered question about the patterns of one hour, which begins at `hour`."""

    hour: datetime
    records: Sequence[QuestionRecord]
    findings: Sequence[Finding]
    version: str
    model: str | None
    grounding: Mapping[str, Any]


@dataclass
class Spending:
    """What is spent of the budget, counted in memory while a run asks."""

    limits: UsageLimits
    ok_hour: int
    ok_day: int
    failed_hour: int
    failed_day: int
    tokens_hour: int
    tokens_day: int

    def refusal(self, *, tokens: int = 0, severe: bool = True) -> str | None:
        """Why a question of about `tokens` may not be asked; None if it may.

        The last quarter of calls and tokens is for severe patterns: errors of a later hour must not wait because an
        earlier hour had many new harmless ones.
        """
        for spent, most, more, what in (
            (self.ok_hour, self.limits.calls_per_hour, 1, "calls this hour"),
            (self.ok_day, self.limits.calls_per_day, 1, "calls this day"),
            (self.tokens_hour, self.limits.tokens_per_hour, tokens, "tokens this hour"),
            (self.tokens_day, self.limits.tokens_per_day, tokens, "tokens this day"),
        ):
            available = most if severe else most - most // 4
            # The first question always fits, or a small budget would never allow any.
            if spent >= available or (spent and spent + more > available):
                kept = "" if severe else ", the rest is kept for errors"
                return f"{spent:,} of {most:,} {what} used{kept}"
        for spent, most, what in (
            (self.failed_hour, self.limits.failures_per_hour, "failed attempts this hour"),
            (self.failed_day, self.limits.failures_per_day, "failed attempts this day"),
        ):
            if spent >= most:
                return f"{spent:,} of {most:,} {what} used"
        return None

    def add(self, *, ok: bool, tokens: int) -> None:
        self.tokens_hour, self.tokens_day = self.tokens_hour + tokens, self.tokens_day + tokens
        if ok:
            self.ok_hour, self.ok_day = self.ok_hour + 1, self.ok_day + 1
        else:
            self.failed_hour, self.failed_day = self.failed_hour + 1, self.failed_day + 1


@dataclass
class Ledger:
    """The ledger as one run reads and writes it. Replays have their own rows, and continue from the last day's."""

    connection: Connection
    now: datetime
    run_id: str | None
    prompt_version: str
    budget: Budget
    spending: Spending
    replay: bool = False

    @classmethod
    def open(
        cls,
        connection: Connection,
        *,
        now: datetime,
        prompt_version: str,
        run_id: str | None = None,
        budget: Budget | None = None,
        replay: bool = False,
    ) -> Ledger:
        budget = budget or Budget()
        spent = spending(connection, budget.limits, now)
        return cls(connection, now, run_id, prompt_version, budget, spent, replay)

    def answers(self, hour: Window) -> list[AnsweredQuestion]:
        """Answers about this hour, newest first, then about the ANSWER_LIFETIME before it."""
        rows = self.connection.execute(
            _SQL["answers"],
            {
                "since": hour.since,
                "back": hour.until - ANSWER_LIFETIME,
                "replay": self.replay,
                "asked_since": self.now - DAY if self.replay else None,
            },
        )
        return [
            AnsweredQuestion(
                hour=row["hour"],
                records=[QuestionRecord(**record) for record in row["answer"]["records"]],
                findings=[Finding.model_validate(issue) for issue in row["answer"]["issues"]],
                version=row["version"],
                model=row["model"],
                grounding=row["answer"]["grounding"],
            )
            for row in rows
        ]

    def refused(self, hour: Window) -> list[AnsweredQuestion]:
        """Questions that the agent refused within a day, as if they were answered for this hour, without a finding.

        Only for deciding what to ask: a refusal does not withdraw earlier answers.
        """
        where = {
            "outcomes": list(STANDING_REFUSALS),
            "version": self.prompt_version,
            "replay": self.replay,
            "since": self.now - REFUSAL_LIFETIME,
        }
        return [
            AnsweredQuestion(
                hour.since, [QuestionRecord(**record) for record in row["records"]], [], self.prompt_version, None, {}
            )
            for row in self.connection.execute(_SQL["refused"], where)
        ]


@dataclass
class Call:
    """A question, which writes its own rows. `about`: what it is about, stored with each answer."""

    ledger: Ledger
    hour: Window
    evidence_hash: str  # identical evidence is answered from the ledger
    about: Mapping[str, Any]

    def answered(self, reply: Reply, answer: Mapping[str, Any]) -> None:
        self._record(CallOutcome.OK, spent=reply, answer=answer)

    def unusable(self, outcome: str, error: str, reply: Reply, content: str) -> None:
        self._record(outcome, error=error, spent=reply, answer={"content": content})

    def failed(self, error: AgentError) -> None:
        self._record(error.outcome, error=str(error), spent=error)

    def _record(
        self,
        outcome: str,
        *,
        error: str | None = None,
        spent: Reply | AgentError,
        answer: Mapping[str, Any] | None = None,
    ) -> None:
        cached = {"cachedTokens": spent.tokens_cached} if spent.tokens_cached else {}
        self.ledger.connection.execute(
            _SQL["record"],
            {
                "id": uuid.uuid4(),
                "at": self.ledger.now,
                "since": self.hour.since,
                "until": self.hour.until,
                "version": self.ledger.prompt_version,
                "hash": self.evidence_hash,
                "model": spent.model if isinstance(spent, Reply) else None,
                "tokens_in": spent.tokens_in,
                "tokens_out": spent.tokens_out,
                "latency_ms": spent.latency_ms,
                "cost": self.ledger.budget.prices.cost(spent.tokens_in, spent.tokens_out, spent.tokens_cached),
                "outcome": outcome,
                "error": error,
                "answer": Jsonb({**self.about, **cached, **(answer or {})}),
                "run": self.ledger.run_id,
                "replay": self.ledger.replay,
            },
        )
        self.ledger.spending.add(ok=outcome == CallOutcome.OK, tokens=spent.tokens_in + spent.tokens_out)


def question_about(ledger: Ledger, hour: Window, records: Sequence[QuestionRecord]) -> Call:
    """A question about these records. Its evidence is patterns and levels: more lines of a pattern do not change it."""
    patterns = [[record.pattern, record.level] for record in records]
    stored = [{name: value for name, value in asdict(record).items() if value is not False} for record in records]
    return Call(ledger, hour, evidence_hash([hour.since, patterns]), {"records": stored})


def evidence_hash(evidence: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(evidence)).hexdigest()


def patterns_of(answered: Iterable[AnsweredQuestion]) -> set[str]:
    """The patterns that these questions were about."""
    return {record.pattern for question in answered for record in question.records}


def spending(connection: Connection, limits: UsageLimits, now: datetime) -> Spending:
    times = {"now": now, "hour_ago": now - HOUR, "day_ago": now - DAY}
    row = connection.execute(_SQL["spent"], times).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Spending(limits, **row)


@dataclass(frozen=True)
class Breaker:
    """The circuit breaker: whether the agent has been failing. While it is open, ticks wait; other runs probe once."""

    failed_runs: int
    failed_here: bool  # in an earlier window of this run
    unwell_here: bool  # the same, and the agent was at fault: this run stops asking
    until: datetime | None = None  # None: closed

    def refusal(self, now: datetime, *, scheduled: bool) -> str | None:
        """Why nothing may be asked; None if it may."""
        if self.until and scheduled and now < self.until:
            return f"no answer in {self.failed_runs} runs; next attempt after {self.until:%H:%M} UTC"
        if self.unwell_here or (self.until and self.failed_here):
            return "the agent failed earlier in this run"
        return None


def breaker(connection: Connection, now: datetime, run_id: str | None) -> Breaker:
    """Opens after 3 runs in a row without an answer, for 5 minutes, doubled with each further one up to 60."""
    row = connection.execute(
        _SQL["failing"], {"now": now, "day_ago": now - DAY, "run": run_id, "question_faults": list(QUESTION_FAULTS)}
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    runs, until = row["runs"], None
    if runs >= _MAX_FAILED_RUNS:
        until = row["latest"] + min(_MIN_HOLD * 2 ** min(runs - _MAX_FAILED_RUNS, 10), _MAX_HOLD)
    return Breaker(runs, row["failed_here"], row["unwell_here"], until)
