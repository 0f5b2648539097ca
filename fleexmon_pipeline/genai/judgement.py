"""Judge a window with GenAI: ask the open questions within time and budget, and turn the answers into occurrences.

Here: the order of the steps. Which patterns: `evidence.py`; the questions: `questions.py`, `prompt.py`; the call:
`conversation.py`, `agent.py`; the answer: `answer.py`; memory, budget and circuit breaker: `ledger.py`; occurrences:
`occurrences.py`.

An hour's occurrences follow from the ledger and the hour's counts: a question about a pattern of an hour is not asked
twice, whichever window, tick or backfill it comes from. So a rerun equals a run, and cost follows what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import Agent, AgentError
from fleexmon_pipeline.genai.answer import AnswerError, parse_answer
from fleexmon_pipeline.genai.budget import Budget
from fleexmon_pipeline.genai.conversation import MIN_CALL_SECONDS, Conversation
from fleexmon_pipeline.genai.evidence import WindowPattern, read_evidence
from fleexmon_pipeline.genai.grounding import ClosedIssues
from fleexmon_pipeline.genai.ledger import Breaker, Ledger, breaker, patterns_of, question_about
from fleexmon_pipeline.genai.occurrences import occurrences
from fleexmon_pipeline.genai.outcomes import QUESTION_FAULTS, CallOutcome
from fleexmon_pipeline.genai.prompt import FORM, PROMPT, Prompt
from fleexmon_pipeline.genai.questions import compose, open_questions
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.window import Window

_SQL = statements("genai")
_MIN_GITHUB_SECONDS = 12.0  # a search may take its client's 10 s; with less left, ask without it


@dataclass
class Judgement:
    """Result of a window. If it is not `judged`, its rows wait, and `outcome` and `reason` say why."""

    occurrences: list[Occurrence] = field(default_factory=list)
    evaluated_hours: list[Window] = field(default_factory=list)  # the parts of the window without an open question
    outcome: str = CallOutcome.OK  # or `http_<status>`
    reason: str = ""
    calls: int = 0  # answered, whether usable or not; failed attempts are only in the ledger
    tokens_in: int = 0
    tokens_out: int = 0
    asked: list[str] = field(default_factory=list)  # patterns of this run's questions
    answered: int = 0  # patterns with an earlier answer in the ledger
    waiting: int = 0  # patterns that need a judgement and have none yet

    @property
    def judged(self) -> bool:
        return self.waiting == 0

    def stop(self, outcome: str, reason: str) -> None:
        """Record why not everything was judged. The first reason stays: later ones follow from it."""
        if self.outcome == CallOutcome.OK:
            self.outcome, self.reason = outcome, reason


@dataclass(frozen=True)
class Asker:
    """How a run asks the agent, the same for all its hours.

    Without an `agent` nothing is asked, but earlier answers still count. A `replay` has its own answers.
    """

    agent: Agent | None
    budget: Budget = field(default_factory=Budget)
    scheduled: bool = False
    run_id: str | None = None
    closed_github_issues: ClosedIssues | None = None
    prompt: Prompt = PROMPT
    replay: bool = False
    clock: Callable[[], float] = time.monotonic


@dataclass
class _Run:
    """What all questions of a run share."""

    asker: Asker
    conversation: Conversation
    ledger: Ledger
    breaker: Breaker
    stopped: bool = False


def judge(connection: Connection, asker: Asker, window: Window, *, now: datetime, deadline_seconds: float) -> Judgement:
    """Have the agent judge what is new, unusual or failing in `window`, oldest hour first, most severe pattern first.

    Needs the window's "LogPatternCount". Do not call it inside a transaction: each attempt goes to the ledger at once,
    whatever happens to the run. Never raises for what the agent does. `now`: time of ledger, budget and breaker.
    """
    ends = asker.clock() + deadline_seconds
    judgement = Judgement()
    version = asker.prompt.version
    ledger = Ledger.open(
        connection, now=now, run_id=asker.run_id, prompt_version=version, budget=asker.budget, replay=asker.replay
    )
    run = asker.agent and _Run(
        asker, Conversation(asker.agent, lambda: ends - asker.clock()), ledger, breaker(connection, now, asker.run_id)
    )
    for hour in window.hours():
        part = hour.overlap(window)
        answered, refused = ledger.answers(hour), ledger.refused(hour)
        evidence = read_evidence(connection, part, patterns_of([*answered, *refused]))
        waiting = open_questions(evidence, [*answered, *refused], hour, version)
        if run and waiting and not run.stopped:
            with _sole_asker(connection, hour) as sole:
                if sole:
                    waiting = open_questions(evidence, [*ledger.answers(hour), *refused], hour, version)
                    _ask_all(run, hour, part, waiting, judgement)
                    answered, refused = ledger.answers(hour), ledger.refused(hour)
                else:
                    judgement.stop(CallOutcome.BUSY, f"another run is asking about {hour}")
            waiting = open_questions(evidence, [*answered, *refused], hour, version)
        judgement.waiting += len(waiting)
        judgement.answered += sum(pattern.needs_judgement for pattern in evidence.patterns.values()) - len(waiting)
        judgement.occurrences += occurrences(connection, part, evidence, answered)
        if not waiting:
            judgement.evaluated_hours.append(part)
    judgement.answered -= len(judgement.asked)
    if run:
        judgement.calls, judgement.tokens_in, judgement.tokens_out = (
            run.conversation.calls, run.conversation.tokens_in, run.conversation.tokens_out
        )  # fmt: skip
    if judgement.waiting and run is None:
        judgement.stop(CallOutcome.NOT_CONFIGURED, "GENAI_AGENT_URL is not set")
    return judgement


def mark_analyzed(connection: Connection, window: Window) -> int:
    """Set `analyzed` on the window's rows; returns how many changed.

    For `Judgement.evaluated_hours`, or for a whole window if no agent is configured.
    """
    return connection.execute(_SQL["mark_analyzed"], {"since": window.since, "until": window.until}).rowcount


# -- asking -------------------------------------------------------------------------------------------------------


@contextmanager
def _sole_asker(connection: Connection, hour: Window) -> Iterator[bool]:
    row = connection.execute(_SQL["lock_hour"], {"hour": hour.since}).fetchone()
    held = bool(row and row["held"])
    try:
        yield held
    finally:
        if held and not connection.closed:
            connection.execute(_SQL["unlock_hour"], {"hour": hour.since})


def _ask_all(run: _Run, hour: Window, part: Window, waiting: Sequence[WindowPattern], judgement: Judgement) -> None:
    while waiting and not run.stopped:
        if held := run.breaker.refusal(run.ledger.now, scheduled=run.asker.scheduled):
            refusal = (CallOutcome.HELD_BACK, held)
        elif run.conversation.seconds_left() < MIN_CALL_SECONDS:
            refusal = (CallOutcome.DEADLINE, f"time is up; {len(waiting)} patterns of {hour} wait")
        elif spent := run.ledger.spending.refusal():
            refusal = (CallOutcome.OVER_BUDGET, spent)
        else:
            severe = [pattern for pattern in waiting if pattern.failing]
            severe_only = run.ledger.spending.refusal(severe=False)
            if severe_only and not severe:  # other hours may still have errors to ask about
                judgement.stop(CallOutcome.OVER_BUDGET, severe_only)
                return
            done = _ask_some(run, hour, part, severe if severe_only else waiting, judgement)
            if done:
                waiting = waiting[done:]
                continue
            return
        judgement.stop(*refusal)
        run.stopped = True


def _ask_some(run: _Run, hour: Window, part: Window, waiting: Sequence[WindowPattern], judgement: Judgement) -> int:
    """Ask one question about as many of the first of `waiting` as fit; returns how many. 0: the budget is too small."""
    has_time = run.conversation.seconds_left() > _MIN_GITHUB_SECONDS
    search_github = run.asker.closed_github_issues if has_time else None
    draft = compose(
        run.ledger.connection,
        hour,
        part,
        waiting,
        prompt_used=run.asker.prompt,
        redact_ip=run.ledger.budget.redact_ip,
        closed_github_issues=search_github,
    )
    tokens = draft.tokens + run.conversation.agent.max_tokens
    if spent := run.ledger.spending.refusal(tokens=tokens, severe=waiting[0].failing):
        judgement.stop(CallOutcome.OVER_BUDGET, spent)
        return 0
    if run.conversation.seconds_left() < MIN_CALL_SECONDS:  # the GitHub search took it
        judgement.stop(CallOutcome.DEADLINE, f"time is up; {len(waiting)} patterns of {hour} wait")
        run.stopped = True
        return 0
    question = question_about(run.ledger, hour, draft.records)
    ids = frozenset(record.id for record in draft.records)
    try:
        reply, findings = run.conversation.ask(
            draft.messages,
            question,
            lambda reply: parse_answer(reply.content, reply.finish_reason, ids, draft.redactor.restore),
            form=FORM,
        )
    except (AgentError, AnswerError) as error:
        judgement.stop(error.outcome, str(error))
        probed = run.breaker.until is not None
        run.stopped = probed or error.outcome not in QUESTION_FAULTS
    else:
        issues = [finding.model_dump(mode="json", by_alias=True) for finding in findings]
        question.answered(reply, {"issues": issues, "grounding": draft.grounding.used()})
        judgement.asked += [record.pattern for record in draft.records]
    return len(draft.records)
