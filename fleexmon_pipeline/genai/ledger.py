"""Every question to the agent, kept: what was asked and answered, what it cost, and whether it is worth asking now.

Here: rows of "GenAICall", budgets and circuit breaker, which are read from them. What is asked: `judgement.py`.

`at` is the `now` of the run that asked: rows of one run share it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import AgentError, Reply
from fleexmon_pipeline.genai.answer import Finding
from fleexmon_pipeline.genai.budget import Budget, Terms
from fleexmon_pipeline.window import DAY, HOUR, Window

_SQL = statements("genai")
# An answer about errors that go on stands for a day, as long as GenAI's grace; then they are asked about anew.
KEPT = DAY
# The fault may lie in what was asked; other questions are still worth asking. All else says that the agent is not well.
OF_A_QUESTION = (
    "http_400", "http_413", "http_422", "no_content", "empty_choices", "invalid_answer", "truncated",
)  # fmt: skip
_TRIPS_AFTER = 3  # runs in a row without an answer
_SHORTEST_HOLD, _LONGEST_HOLD = timedelta(minutes=5), timedelta(minutes=60)


@dataclass(frozen=True)
class Asked:
    """A record of a question, as the ledger keeps it: enough to know again what an answer was about."""

    id: int
    pattern: str  # as resolved then; an issue keeps the id that it first fired with
    level: str
    node: str
    drop: bool = False  # asked because it no longer came


@dataclass(frozen=True)
class Answered:
    """An answered question about the patterns of one hour, which begins at `hour`."""

    hour: datetime
    records: Sequence[Asked]
    findings: Sequence[Finding]
    version: str
    model: str | None
    grounding: Mapping[str, Any]


@dataclass
class Spending:
    """What is spent of the budget; counted on in memory while a run asks."""

    budget: Budget
    ok_hour: int
    ok_day: int
    failed_hour: int
    failed_day: int
    tokens_hour: int
    tokens_day: int

    def refusal(self, *, tokens: int = 0, severe: bool = True) -> str | None:
        """Why a question of about so many `tokens` may not be asked, None when it may.

        The last quarter of calls and tokens is kept for what is severe: errors of a later hour must not wait because
        an earlier one had many new greetings.
        """
        for spent, most, more, what in (
            (self.ok_hour, self.budget.calls_per_hour, 1, "calls this hour"),
            (self.ok_day, self.budget.calls_per_day, 1, "calls this day"),
            (self.tokens_hour, self.budget.tokens_per_hour, tokens, "tokens this hour"),
            (self.tokens_day, self.budget.tokens_per_day, tokens, "tokens this day"),
        ):
            open_to_it = most if severe else most - most // 4
            # The first question always fits, or a small budget would never let one through.
            if spent >= open_to_it or (spent and spent + more > open_to_it):
                kept = "" if severe else ", the rest is kept for errors"
                return f"{spent:,} of {most:,} {what} used{kept}"
        for spent, most, what in (
            (self.failed_hour, self.budget.failures_per_hour, "failed attempts this hour"),
            (self.failed_day, self.budget.failures_per_day, "failed attempts this day"),
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
    """The rows of one run. A replay writes and reads rows of its own, those of a day: broken off, it goes on there."""

    connection: Connection
    now: datetime
    run_id: str | None
    prompt_version: str
    terms: Terms
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
        terms: Terms | None = None,
        replay: bool = False,
    ) -> Ledger:
        terms = terms or Terms()
        spent = spending(connection, terms.budget, now)
        return cls(connection, now, run_id, prompt_version, terms, spent, replay)

    def answers(self, hour: Window) -> list[Answered]:
        """What was answered about this hour, newest first, then about the KEPT before it."""
        rows = self.connection.execute(
            _SQL["answers"],
            {
                "since": hour.since,
                "back": hour.until - KEPT,
                "replay": self.replay,
                "asked_since": self.now - DAY if self.replay else None,
            },
        )
        return [
            Answered(
                hour=row["hour"],
                records=[Asked(**record) for record in row["answer"]["records"]],
                findings=[Finding.model_validate(issue) for issue in row["answer"]["issues"]],
                version=row["version"],
                model=row["model"],
                grounding=row["answer"]["grounding"],
            )
            for row in rows
        ]


@dataclass
class Question:
    """Where the rows of one question go."""

    ledger: Ledger
    hour: Window
    records: Sequence[Asked]

    @property
    def evidence_hash(self) -> str:
        """Of what was asked about. Counts and samples are not in it: a pattern that grows louder is no new question."""
        asked = [[record.pattern, record.level] for record in self.records]
        return hashlib.sha256(msgspec.json.encode([self.hour.since, asked])).hexdigest()

    def answered(self, reply: Reply, findings: Sequence[Finding], grounding: Mapping[str, Any]) -> None:
        answer = {"issues": [finding.model_dump(mode="json", by_alias=True) for finding in findings]}
        self._record("ok", reply=reply, answer={**answer, "grounding": dict(grounding)})

    def unusable(self, outcome: str, error: str, reply: Reply, content: str) -> None:
        self._record(outcome, error=error, reply=reply, answer={"content": content})

    def failed(self, error: AgentError) -> None:
        self._record(error.outcome, error=str(error), latency_ms=error.latency_ms, tokens_in=error.tokens_in)

    def _record(
        self,
        outcome: str,
        *,
        error: str | None = None,
        reply: Reply | None = None,
        latency_ms: int = 0,
        tokens_in: int = 0,
        answer: Mapping[str, Any] | None = None,
    ) -> None:
        records = [{name: value for name, value in asdict(one).items() if value is not False} for one in self.records]
        heard, said = (reply.tokens_in, reply.tokens_out) if reply else (tokens_in, 0)
        self.ledger.connection.execute(
            _SQL["record"],
            {
                "id": uuid.uuid4(),
                "at": self.ledger.now,
                "since": self.hour.since,
                "until": self.hour.until,
                "version": self.ledger.prompt_version,
                "hash": self.evidence_hash,
                "model": reply.model if reply else None,
                "tokens_in": heard,
                "tokens_out": said,
                "latency_ms": reply.latency_ms if reply else latency_ms,
                "cost": self.ledger.terms.prices.cost(heard, said),
                "outcome": outcome,
                "error": error,
                "answer": Jsonb({"records": records, **(answer or {})}),
                "run": self.ledger.run_id,
                "replay": self.ledger.replay,
            },
        )
        self.ledger.spending.add(ok=outcome == "ok", tokens=heard + said)


def spending(connection: Connection, budget: Budget, now: datetime) -> Spending:
    times = {"now": now, "hour_ago": now - HOUR, "day_ago": now - DAY}
    row = connection.execute(_SQL["spent"], times).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Spending(budget, **row)


@dataclass(frozen=True)
class Breaker:
    """Whether the agent has been failing. Open, it holds back ticks until `until`; other runs probe once."""

    failed_runs: int
    failed_here: bool  # this run has failed already, in another window of it
    unwell_here: bool  # and the agent was at fault: no further window of this run asks
    until: datetime | None = None  # None: closed

    def refusal(self, now: datetime, *, scheduled: bool) -> str | None:
        """Why nothing may be asked, None when something may."""
        if self.until and scheduled and now < self.until:
            return f"no answer in {self.failed_runs} runs; asked again from {self.until:%H:%M} UTC"
        if self.unwell_here or (self.until and self.failed_here):
            return "the agent failed earlier in this run"
        return None


def breaker(connection: Connection, now: datetime, run_id: str | None) -> Breaker:
    """Open after 3 runs in a row without an answer: for 5 minutes, doubled with each further one, at most 60."""
    row = connection.execute(
        _SQL["failing"], {"now": now, "day_ago": now - DAY, "run": run_id, "of_a_question": list(OF_A_QUESTION)}
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    runs, until = row["runs"], None
    if runs >= _TRIPS_AFTER:
        until = row["latest"] + min(_SHORTEST_HOLD * 2 ** min(runs - _TRIPS_AFTER, 10), _LONGEST_HOLD)
    return Breaker(runs, row["failed_here"], row["unwell_here"], until)
