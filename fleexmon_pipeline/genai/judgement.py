"""What GenAI makes of a window: the open questions, asked as far as time and budget go, and what follows.

Here: the order of things. Which patterns deserve it: `evidence.py`; the questions: `questions.py`, `prompt.py`; the
call: `agent.py`; the answer: `answer.py`; memory, budget and circuit breaker: `ledger.py`; occurrences:
`occurrences.py`.

An hour's occurrences are a function of the ledger and the hour's counts: what was asked about a pattern of an hour is
not asked again, whatever window, tick or backfill it comes from. So a rerun equals a run, and cost follows what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai import evidence
from fleexmon_pipeline.genai.agent import Agent, AgentError, Reply
from fleexmon_pipeline.genai.answer import AnswerError, Finding, clean, parse_answer
from fleexmon_pipeline.genai.budget import Terms
from fleexmon_pipeline.genai.evidence import Seen
from fleexmon_pipeline.genai.grounding import ClosedIssues
from fleexmon_pipeline.genai.ledger import OF_A_QUESTION, Answered, Breaker, Ledger, Question, breaker
from fleexmon_pipeline.genai.occurrences import occurrences
from fleexmon_pipeline.genai.prompt import PROMPT, Prompt, repair
from fleexmon_pipeline.genai.questions import Draft, compose, open_questions
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.window import Window

_SQL = statements("genai")
_LEAST_SECONDS = 2.0  # with less left a call would only be one more timeout
_GITHUB_SECONDS = 12.0  # a search may take its client's 10 s; a tick that has less left asks without it


@dataclass
class Judgement:
    """What came of a window. Where `judged` is False its rows wait, and `outcome` and `reason` say why."""

    occurrences: list[Occurrence] = field(default_factory=list)
    judged_hours: list[Window] = field(default_factory=list)  # the parts of the window without an open question
    outcome: str = "ok"  # ok, not_configured, over_budget, held_back, deadline, busy, or the agent's: http_429, …
    reason: str = ""
    calls: int = 0  # answered or unusable; failed attempts are in the ledger
    tokens_in: int = 0
    tokens_out: int = 0
    asked: list[str] = field(default_factory=list)  # patterns that were asked about just now
    known: int = 0  # patterns answered from the ledger
    waiting: int = 0  # patterns that deserve an answer and have none yet

    @property
    def judged(self) -> bool:
        return self.waiting == 0

    def stop(self, outcome: str, reason: str) -> None:
        """The first reason stays: later ones follow from it."""
        if self.outcome == "ok":
            self.outcome, self.reason = outcome, reason


@dataclass(frozen=True)
class Asker:
    """On whose behalf the agent is asked, and how: the same for every hour of a run.

    `agent` None: nothing is asked, and earlier answers still count. A `replay` asks anew, apart from all that.
    """

    agent: Agent | None
    terms: Terms = field(default_factory=Terms)
    scheduled: bool = False
    run_id: str | None = None
    closed_github_issues: ClosedIssues | None = None
    prompt: Prompt = PROMPT
    replay: bool = False
    clock: Callable[[], float] = time.monotonic


@dataclass
class _Run:
    """What does not change from question to question."""

    asker: Asker
    agent: Agent
    ledger: Ledger
    left: Callable[[], float]  # seconds
    breaker: Breaker
    stopped: bool = False


def judge(connection: Connection, asker: Asker, window: Window, *, now: datetime, deadline_seconds: float) -> Judgement:
    """Have the agent judge what is new, unusual or failing in `window`, oldest hour first, most severe pattern first.

    Needs the window's "LogPatternCount". Must not be called inside a transaction: each attempt is in the ledger at
    once, whatever becomes of the run. Never raises for what the agent does. `now`: time of ledger, budgets and breaker.
    """
    ends = asker.clock() + deadline_seconds
    judgement = Judgement()
    version = asker.prompt.version
    ledger = Ledger.open(
        connection, now=now, run_id=asker.run_id, prompt_version=version, terms=asker.terms, replay=asker.replay
    )
    run = asker.agent and _Run(
        asker, asker.agent, ledger, lambda: ends - asker.clock(), breaker(connection, now, asker.run_id)
    )
    for hour in window.hours():
        part = hour.overlap(window)
        answered = ledger.answers(hour)
        seen = evidence.read(connection, part, _patterns_of(answered))
        waiting = open_questions(seen, answered, hour, version)
        if run and waiting and not run.stopped:
            with _sole_asker(connection, hour) as sole:
                if sole:
                    waiting = open_questions(seen, ledger.answers(hour), hour, version)
                    _ask_all(run, hour, part, waiting, judgement)
                    answered = ledger.answers(hour)
                else:
                    judgement.stop("busy", f"another run is asking about {hour}")
            waiting = open_questions(seen, answered, hour, version)
        judgement.waiting += len(waiting)
        judgement.known += sum(one.deserving for one in seen.patterns.values()) - len(waiting)
        judgement.occurrences += occurrences(connection, part, seen, answered)
        if not waiting:
            judgement.judged_hours.append(part)
    judgement.known -= len(judgement.asked)
    if judgement.waiting and run is None:
        judgement.stop("not_configured", "GENAI_AGENT_URL is not set")
    return judgement


def mark_analyzed(connection: Connection, window: Window) -> int:
    """Set `analyzed` on the window's rows; returns how many were not yet. For `Judgement.judged_hours`, or all of a
    window when no agent is configured."""
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


def _patterns_of(answered: Sequence[Answered]) -> set[str]:
    return {record.pattern for answer in answered for record in answer.records}


def _ask_all(run: _Run, hour: Window, part: Window, open_ones: Sequence[Seen], judgement: Judgement) -> None:
    waiting = list(open_ones)
    while waiting and not run.stopped:
        if held := run.breaker.refusal(run.ledger.now, scheduled=run.asker.scheduled):
            refusal = ("held_back", held)
        elif run.left() < _LEAST_SECONDS:
            refusal = ("deadline", f"time is up; {len(waiting)} patterns of {hour} wait")
        elif spent := run.ledger.spending.refusal():
            refusal = ("over_budget", spent)
        else:
            severe = [one for one in waiting if one.failing]
            kept_for_them = run.ledger.spending.refusal(severe=False)
            if kept_for_them and not severe:  # other hours may still have errors to ask about
                judgement.stop("over_budget", kept_for_them)
                return
            done = _ask_some(run, hour, part, severe if kept_for_them else waiting, judgement)
            if done:
                waiting = waiting[done:]
                continue
            return
        judgement.stop(*refusal)
        run.stopped = True


def _ask_some(run: _Run, hour: Window, part: Window, waiting: Sequence[Seen], judgement: Judgement) -> int:
    """One question about the first of `waiting`, as many as fit; returns how many, 0 where the budget has no room."""
    draft = compose(
        run.ledger.connection,
        hour,
        part,
        waiting,
        prompt_used=run.asker.prompt,
        redact_ip=run.ledger.terms.redact_ip,
        closed_github_issues=run.asker.closed_github_issues if run.left() > _GITHUB_SECONDS else None,
    )
    if spent := run.ledger.spending.refusal(tokens=draft.tokens + run.agent.max_tokens, severe=waiting[0].failing):
        judgement.stop("over_budget", spent)
        return 0
    if run.left() < _LEAST_SECONDS:  # GitHub's search took it
        judgement.stop("deadline", f"time is up; {len(waiting)} patterns of {hour} wait")
        run.stopped = True
        return 0
    question = Question(run.ledger, hour, draft.records)
    try:
        reply, findings = _converse(run, draft, question, judgement)
    except (AgentError, AnswerError) as error:
        judgement.stop(error.outcome, str(error))
        probed = run.breaker.until is not None
        run.stopped = probed or error.outcome not in OF_A_QUESTION
    else:
        question.answered(reply, findings, draft.grounding.used())
        judgement.asked += [record.pattern for record in draft.records]
    return len(draft.records)


def _converse(run: _Run, draft: Draft, question: Question, judgement: Judgement) -> tuple[Reply, list[Finding]]:
    """The question, and one more with what was wrong with the answer."""
    messages = draft.messages
    known = frozenset(record.id for record in question.records)
    for last in (False, True):
        reply = run.agent.ask(messages, seconds=max(run.left(), 0.1), on_failure=question.failed)
        judgement.calls += 1
        judgement.tokens_in += reply.tokens_in
        judgement.tokens_out += reply.tokens_out
        try:
            return reply, parse_answer(reply.content, reply.finish_reason, known, draft.redactor.restore)
        except AnswerError as error:
            question.unusable(error.outcome, str(error), reply, clean(reply.content, 4000))
            if last or run.left() < _LEAST_SECONDS or run.ledger.spending.refusal(tokens=draft.tokens):
                raise
            messages = repair(draft.messages, reply.content, error)
    raise AssertionError("the second answer is returned or raised")
