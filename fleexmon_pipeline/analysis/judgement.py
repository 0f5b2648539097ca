"""What GenAI makes of a window: which patterns deserve it, the questions, and the occurrences that follow.

Here: the order of things. Words of the question: `prompt.py`; the call: `agent.py`; the answer: `answer.py`; memory,
budget and circuit breaker: `ledger.py`; what is new in the window: `evidence.py`.

An hour's occurrences are a function of the ledger and the hour's counts: what was asked about a pattern of an hour is
not asked again, whatever window, tick or backfill it comes from. So a rerun equals a run, and cost follows what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fleexmon_pipeline.analysis import evidence, ledger, prompt
from fleexmon_pipeline.analysis.agent import Agent, AgentError, Message, Reply
from fleexmon_pipeline.analysis.answer import AnswerError, Finding, clean, parse_answer
from fleexmon_pipeline.analysis.evidence import SEVEREST_FIRST, Seen
from fleexmon_pipeline.analysis.grounding import ClosedIssues, ground
from fleexmon_pipeline.analysis.ledger import Answered, Asked, Budget, Question
from fleexmon_pipeline.analysis.redaction import Redactor
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.occurrence import MOST_EVIDENCE, Occurrence, Severity, Subject
from fleexmon_pipeline.window import Window

RULE = "genai"
GRACE = timedelta(hours=24)
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


@dataclass
class _Run:
    """What does not change from question to question."""

    connection: Connection
    agent: Agent
    now: datetime
    run_id: str | None
    closed_github_issues: ClosedIssues | None
    left: Callable[[], float]  # seconds
    spending: ledger.Spending
    breaker: ledger.Breaker
    scheduled: bool
    stopped: bool = False


def judge(
    connection: Connection,
    agent: Agent | None,
    window: Window,
    *,
    now: datetime,
    deadline_seconds: float,
    scheduled: bool,
    run_id: str | None = None,
    budget: Budget | None = None,
    closed_github_issues: ClosedIssues | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Judgement:
    """Have the agent judge what is new or failing in `window`, oldest hour first, most severe pattern first.

    Needs the window's "LogPatternCount". Must not be called inside a transaction: each attempt is in the ledger at
    once, whatever becomes of the run. Never raises for what the agent does. `now`: time of ledger, budgets and breaker.
    `agent` None: nothing is asked, what was answered before still counts.
    """
    ends = clock() + deadline_seconds
    judgement = Judgement()
    run = agent and _Run(
        connection,
        agent,
        now,
        run_id,
        closed_github_issues,
        lambda: ends - clock(),
        ledger.spending(connection, budget or Budget(), now),
        ledger.breaker(connection, now, run_id),
        scheduled,
    )
    for hour in window.hours():
        part = hour.overlap(window)
        answered = ledger.answers(connection, hour)
        seen = evidence.read(connection, part, _patterns_of(answered))
        if run and _open_questions(seen, answered) and not run.stopped:
            with _sole_asker(connection, hour) as sole:
                if sole:
                    answered = ledger.answers(connection, hour)
                    _ask_all(run, hour, part, _open_questions(seen, answered), judgement)
                    answered = ledger.answers(connection, hour)
                else:
                    judgement.stop("busy", f"another run is asking about {hour}")
        waiting = _open_questions(seen, answered)
        judgement.waiting += len(waiting)
        judgement.known += sum(one.deserving for one in seen.patterns.values()) - len(waiting)
        judgement.occurrences += _occurrences(connection, part, seen, answered)
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


def _open_questions(seen: evidence.Evidence, answered: Sequence[Answered]) -> list[Seen]:
    """What deserves an answer and has none at this level or a worse one, to this prompt; most severe first."""
    worst: dict[str, int] = {}
    for answer in answered:
        for record in answer.records if answer.version == prompt.PROMPT_VERSION else ():
            root = seen.root(record.pattern)
            worst[root] = min(worst.get(root, 99), SEVEREST_FIRST.index(record.level))
    found = [one for one in seen.patterns.values() if one.deserving and one.rank < worst.get(one.pattern, 99)]
    return sorted(found, key=lambda one: (one.rank, not one.new, -one.lines, one.pattern))


def _ask_all(run: _Run, hour: Window, part: Window, open_questions: Sequence[Seen], judgement: Judgement) -> None:
    waiting = list(open_questions)
    while waiting and not run.stopped:
        if held := run.breaker.refusal(run.now, scheduled=run.scheduled):
            refusal = ("held_back", held)
        elif spent := run.spending.refusal():
            refusal = ("over_budget", spent)
        elif run.left() < _LEAST_SECONDS:
            refusal = ("deadline", f"time is up; {len(waiting)} patterns of {hour} wait")
        else:
            waiting = waiting[_ask_some(run, hour, part, waiting, judgement) :]
            continue
        judgement.stop(*refusal)
        run.stopped = True


def _ask_some(run: _Run, hour: Window, part: Window, waiting: Sequence[Seen], judgement: Judgement) -> int:
    """One question about the first of `waiting`, as many as fit; returns how many."""
    redactor = Redactor()
    asked: list[Asked] = []
    lines: list[str] = []
    some = waiting[: prompt.MOST_RECORDS]
    texts = evidence.sample_texts(run.connection, part, some)
    for one in some:
        line = prompt.record_line(one.record(len(asked), texts[one.pattern]), redactor)
        if lines and sum(map(len, lines)) + len(line) > prompt.MOST_CHARACTERS:
            break
        asked.append(Asked(len(asked), one.pattern, one.level, one.busiest_node))
        lines.append(line)
    github = run.closed_github_issues if run.left() > _GITHUB_SECONDS else None
    grounding = ground(
        run.connection,
        [one.template for one in waiting[: len(asked)]],
        before=hour.until,
        closed_github_issues=github,
    )
    question = Question(run.connection, hour, asked, run.now, run.run_id, run.spending)
    try:
        reply, findings = _converse(run, prompt.question(lines, grounding, redactor), question, redactor, judgement)
    except (AgentError, AnswerError) as error:
        judgement.stop(error.outcome, str(error))
        probed = run.breaker.until is not None
        run.stopped = probed or error.outcome not in ledger.OF_A_QUESTION
    else:
        question.answered(reply, findings, grounding.used())
        judgement.asked += [record.pattern for record in asked]
    return len(asked)


def _converse(
    run: _Run, messages: list[Message], question: Question, redactor: Redactor, judgement: Judgement
) -> tuple[Reply, list[Finding]]:
    """The question, and one more with what was wrong with the answer."""
    known = frozenset(record.id for record in question.records)
    for last in (False, True):
        reply = run.agent.ask(messages, seconds=max(run.left(), 0.1), on_failure=question.failed)
        judgement.calls += 1
        judgement.tokens_in += reply.tokens_in or 0
        judgement.tokens_out += reply.tokens_out or 0
        try:
            return reply, parse_answer(reply.content, reply.finish_reason, known, redactor.restore)
        except AnswerError as error:
            question.unusable(error.outcome, str(error), reply, clean(reply.content, 4000))
            if last or run.left() < _LEAST_SECONDS or run.spending.refusal():
                raise
            messages = prompt.repair(messages, reply.content, error)
    raise AssertionError("the second answer is returned or raised")


# -- what follows -------------------------------------------------------------------------------------------------


def _occurrences(
    connection: Connection, part: Window, seen: evidence.Evidence, answered: Sequence[Answered]
) -> list[Occurrence]:
    """Of several answers about a pattern the newest counts; of several findings with one fingerprint the severest."""
    told: set[str] = set()
    found: dict[str, Occurrence] = {}
    for answer in answered:
        records = {record.id: record for record in answer.records if seen.root(record.pattern) in seen.patterns}
        for finding in answer.findings:
            cited = [records[one] for one in finding.affected if one in records]
            if cited and seen.root(cited[0].pattern) not in told:
                occurrence = _occurrence(connection, part, seen, answer=answer, finding=finding, cited=cited)
                known = found.get(occurrence.fingerprint)
                if known is None or _weight(occurrence) > _weight(known):
                    found[occurrence.fingerprint] = occurrence
        told |= {seen.root(record.pattern) for record in records.values()}
    return list(found.values())


def _weight(occurrence: Occurrence) -> int:
    return list(Severity).index(occurrence.severity)


def _occurrence(
    connection: Connection,
    part: Window,
    seen: evidence.Evidence,
    *,
    answer: Answered,
    finding: Finding,
    cited: Sequence[Asked],
) -> Occurrence:
    patterns = list(
        {one.pattern: one for one in (seen.patterns[seen.root(record.pattern)] for record in cited)}.values()
    )
    used: Mapping[str, object] = {"grounding": dict(answer.grounding)} if answer.grounding else {}
    return Occurrence(
        rule=RULE,
        rule_version=answer.version,
        source="genai",
        type=finding.type,
        subject=Subject(pattern=cited[0].pattern, node=cited[0].node),
        slot=patterns[0].last,
        severity=finding.severity,
        title=finding.title,
        description=finding.description,
        root_cause=finding.root_cause,
        recommendation=finding.recommendation,
        nodes=sorted({node for one in patterns for node in one.nodes}),
        grace=GRACE,
        affected=sum(one.lines for one in patterns),
        evidence=evidence.sample_ids(connection, part, patterns)[:MOST_EVIDENCE],
        metadata={
            "patterns": [record.pattern for record in cited],
            "promptVersion": answer.version,
            **({"model": answer.model} if answer.model else {}),
            **used,
        },
    )
