"""Ask the agent about open incidents, and turn its answers into root causes of their headline issues.

Here: the order of the steps. The text: `read.py`, `case.py`; the answer: `claims.py`; the call and its second try:
`conversation.py`; memory, budget and circuit breaker: `ledger.py`.

An explanation is an occurrence of the rule `genai-incident`, with the subject and first slot of the issue that it
explains. So it becomes that issue's root cause, like any answer of GenAI near a rule's episode. It follows from the
ledger and the incidents: a rerun asks nothing and writes the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import AgentError, Reply
from fleexmon_pipeline.genai.answer import AnswerError, clean
from fleexmon_pipeline.genai.budget import Budget
from fleexmon_pipeline.genai.cases.case import FORM, Case, version
from fleexmon_pipeline.genai.cases.claims import Claim, Explanation, parse_explanation
from fleexmon_pipeline.genai.cases.read import IncidentIssue, issue_to_explain, question_facts, read_case, read_issues
from fleexmon_pipeline.genai.conversation import MIN_CALL_SECONDS, Conversation
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.genai.ledger import REFUSAL_LIFETIME, Breaker, Call, Ledger, breaker, evidence_hash
from fleexmon_pipeline.genai.outcomes import QUESTION_FAULTS, STANDING_REFUSALS, CallOutcome
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.issues.lifecycle import reconcile, write_occurrences
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS, Occurrence, Severity
from fleexmon_pipeline.window import DAY, HOUR, Window, floor

RULE = "genai-incident"  # `answers` in lifecycle.sql names it, too
GRACE = timedelta(hours=24)
SEVERITIES = (Severity.HIGH, Severity.CRITICAL)
MAX_ASKED = 5  # incidents in one run: in a storm the worst come first
MAX_ATTEMPTS = 4  # unusable answers to the same question in a day
MAX_LABELS = 3  # of the evidence of a claim, where it is shown
_SQL = statements("genai")


@dataclass
class Explained:
    """What a run did about incidents. Of the `cited` ids in its answers, `unsupported` were not lines of the case."""

    asked: int = 0
    known: int = 0  # answered earlier
    waiting: int = 0
    cited: int = 0
    unsupported: int = 0
    outcome: str = CallOutcome.OK
    reason: str = ""

    def stop(self, outcome: str, reason: str) -> None:
        """Record why not everything was asked. The first reason stays."""
        if self.outcome == CallOutcome.OK:
            self.outcome, self.reason = outcome, reason

    def sentence(self) -> str:
        text = f"GenAI on incidents: {self.asked} asked, {self.known} known"
        if self.cited:
            text += f", {self.unsupported} of {self.cited} citations dropped"
        return f"{text}, {self.waiting} wait ({self.outcome}: {self.reason})" if self.waiting else text


@dataclass(frozen=True)
class _Candidate:
    incident: Incident
    issues: Sequence[IncidentIssue]
    issue: IncidentIssue  # to explain
    hour: datetime  # of its first slot
    hash: str


@dataclass
class _Run:
    ledger: Ledger
    conversation: Conversation
    breaker: Breaker
    scheduled: bool
    done: Explained = field(default_factory=Explained)


def explain_incidents(
    connection: Connection,
    asker: Asker,
    window: Window,
    *,
    now: datetime,
    known_until: datetime,
    deadline_seconds: float,
) -> Explained:
    """Ask about open incidents of high or critical severity that have no answer yet, within time and budget.

    Writes the explanations of these incidents, and of issues that began in `window`. Call it after incidents are
    refreshed, outside a transaction. Never raises for what the agent does.
    """
    ends = asker.clock() + deadline_seconds
    ledger = Ledger.open(connection, now=now, run_id=asker.run_id, prompt_version=version(), budget=asker.budget)
    candidates = _candidates(connection, now)
    hours = sorted({hour.since for hour in window.hours()} | {candidate.hour for candidate in candidates})
    answers = _answers(connection, hours)
    answered = {(row["version"], row["hash"]) for row in answers}
    unanswered = [candidate for candidate in candidates if (version(), candidate.hash) not in answered]
    done = Explained(known=len(candidates) - len(unanswered))
    if asker.agent and unanswered:
        conversation = Conversation(asker.agent, lambda: ends - asker.clock())
        run = _Run(ledger, conversation, breaker(connection, now, asker.run_id), asker.scheduled, done)
        with _sole_asker(connection) as sole:
            if sole:
                _ask_all(run, unanswered[:MAX_ASKED])
                answers = _answers(connection, hours)
            else:
                done.stop(CallOutcome.BUSY, "another run is asking about incidents")
                done.waiting = len(unanswered)
    _write(connection, hours, answers, now=now, known_until=known_until, run_id=asker.run_id)
    return done


def open_cases(connection: Connection, budget: Budget, *, now: datetime) -> list[tuple[Incident, Case]]:
    """The cases that a run would send. Sends and writes nothing itself."""
    candidates = _candidates(connection, now)
    hours = sorted({candidate.hour for candidate in candidates})
    answered = {row["hash"] for row in _answers(connection, hours) if row["version"] == version()}
    return [
        (
            candidate.incident,
            read_case(connection, candidate.incident, candidate.issues, redact_ip=budget.redact_ip),
        )
        for candidate in candidates
        if candidate.hash not in answered
    ]


def spent_seconds(connection: Connection, run_id: str, now: datetime) -> float:
    """How long a run has waited for the agent so far: its steps share one limit."""
    row = connection.execute(_SQL["asked_milliseconds"], {"run": run_id, "since": now - DAY}).fetchone()
    return row["spent"] / 1000 if row else 0.0


def _candidates(connection: Connection, now: datetime) -> list[_Candidate]:
    """The incidents to explain, the most severe first, then the newest."""
    incidents = list_incidents(connection, now=now, severities=SEVERITIES)
    candidates = []
    for incident in sorted(incidents, key=lambda incident: -SEVERITY_RANKS.get(incident.severity, -1)):
        issues = read_issues(connection, incident)
        issue = issue_to_explain(incident, issues)
        if issue is None or issue.first is None or incident.muted:
            continue
        evidence = evidence_hash([str(incident.id), str(issue.id), *question_facts(incident, issues)])
        candidates.append(_Candidate(incident, issues, issue, floor(issue.first, HOUR), evidence))
    return candidates


def _answers(connection: Connection, hours: Collection[datetime]) -> list[dict[str, Any]]:
    return connection.execute(_SQL["case_answers"], {"hours": list(hours)}).fetchall()


@contextmanager
def _sole_asker(connection: Connection) -> Iterator[bool]:
    row = connection.execute(_SQL["lock_incidents"]).fetchone()
    held = bool(row and row["held"])
    try:
        yield held
    finally:
        if held and not connection.closed:
            connection.execute(_SQL["unlock_incidents"])


# -- asking -------------------------------------------------------------------------------------------------------


def _ask_all(run: _Run, candidates: Sequence[_Candidate]) -> None:
    stopped = False
    for candidate in candidates:
        if not stopped and not _in_vain(run, candidate):
            stopped = _ask(run, candidate)
            if not stopped:
                continue
        run.done.waiting += stopped


def _in_vain(run: _Run, candidate: _Candidate) -> bool:
    """Whether the agent refused this very question within a day, or did not make sense of it several times."""
    where = {
        "since": run.ledger.now - REFUSAL_LIFETIME, "hash": candidate.hash, "version": run.ledger.prompt_version,
        "faults": list(QUESTION_FAULTS), "refusals": list(STANDING_REFUSALS),
    }  # fmt: skip
    row = run.ledger.connection.execute(_SQL["case_failures"], where).fetchone()
    return bool(row and (row["refusals"] or row["attempts"] >= MAX_ATTEMPTS))


def _ask(run: _Run, candidate: _Candidate) -> bool:
    """Ask about one incident. Returns whether this run must stop asking."""
    case = read_case(run.ledger.connection, candidate.incident, candidate.issues, redact_ip=run.ledger.budget.redact_ip)
    tokens = case.tokens + run.conversation.agent.max_tokens
    if held := run.breaker.refusal(run.ledger.now, scheduled=run.scheduled):
        run.done.stop(CallOutcome.HELD_BACK, held)
        return True
    if run.conversation.seconds_left() < MIN_CALL_SECONDS:
        run.done.stop(CallOutcome.DEADLINE, "time is up")
        return True
    if spent := run.ledger.spending.refusal(tokens=tokens):
        run.done.stop(CallOutcome.OVER_BUDGET, spent)
        return True
    about = {"issue": str(candidate.issue.id), "incident": str(candidate.incident.id)}
    call = Call(run.ledger, Window.hour_of(candidate.hour), candidate.hash, about)
    try:
        reply, explanation = run.conversation.ask(
            case.messages, call, lambda reply: _parse(reply, case), form=FORM
        )  # fmt: skip
    except (AgentError, AnswerError) as error:
        run.done.stop(error.outcome, str(error))
        return run.breaker.until is not None or error.outcome not in QUESTION_FAULTS
    call.answered(reply, _stored(explanation, case))
    run.done.asked += 1
    run.done.cited += explanation.cited
    run.done.unsupported += explanation.unsupported
    return False


def _parse(reply: Reply, case: Case) -> Explanation:
    nodes = {case.redactor.redact(node): node for node in case.nodes}
    return parse_explanation(reply.content, reply.finish_reason, case.items.keys(), nodes, case.redactor.restore)


def _stored(explanation: Explanation, case: Case) -> dict[str, Any]:
    """The explanation as the ledger stores it, with labels instead of ids, which mean nothing without the question."""

    def claims(of: Sequence[Claim]) -> list[dict[str, Any]]:
        return [
            {"text": claim.text, "evidence": [clean(case.items[number].label, 120) for number in claim.evidence]}
            for claim in of
        ]

    cited = {number for claim in (*explanation.facts, *explanation.hypotheses) for number in claim.evidence}
    return {
        "facts": claims(explanation.facts),
        "hypotheses": claims(explanation.hypotheses),
        "rootNode": explanation.root_node,
        "severity": explanation.severity,
        "recommendation": explanation.recommendation,
        "lines": [str(line) for number in sorted(cited) for line in case.items[number].lines],
        "cited": explanation.cited,
        "unsupported": explanation.unsupported,
    }


# -- writing ------------------------------------------------------------------------------------------------------


def _write(
    connection: Connection,
    hours: Sequence[datetime],
    answers: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    known_until: datetime,
    run_id: str | None,
) -> None:
    """Make the stored explanations of these hours match the answers.

    An issue that is no longer the one to explain, or no longer exists, loses its explanation.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    for row in answers:
        newest.setdefault(row["answer"]["issue"], row)
    wanted = [
        occurrence for issue, row in newest.items() if (occurrence := _occurrence(connection, UUID(issue), row, now))
    ]
    rows = connection.execute(_SQL["explained_hours"], {"hours": list(hours), "rule": RULE})
    touched = {row["hour"] for row in rows} | {floor(occurrence.slot, HOUR) for occurrence in wanted}
    subjects: set[str] = set()
    for hour in sorted(touched):
        window = Window.hour_of(hour)
        of_hour = [occurrence for occurrence in wanted if occurrence.slot in window]
        subjects |= write_occurrences(connection, of_hour, source="genai", window=window, rules=[RULE])
    if subjects:
        reconcile(connection, subjects, now=known_until, since=min(touched), run=run_id)


def _occurrence(connection: Connection, key: UUID, row: Mapping[str, Any], now: datetime) -> Occurrence | None:
    holding = connection.execute(statements("incidents")["of_issue"], {"issue": key}).fetchone()
    incidents = list_incidents(connection, now=now, status="all", ids=[holding["id"]]) if holding else []
    issues = read_issues(connection, incidents[0]) if incidents else []
    issue = issue_to_explain(incidents[0], issues) if incidents else None
    answer = row["answer"]
    root_cause = _text(answer)
    if issue is None or issue.first is None or issue.id != key or not root_cause:
        return None
    return Occurrence(
        rule=RULE,
        rule_version=row["version"],
        source="genai",
        type="incident-explained",
        subject=issue.subject,
        slot=issue.first,
        severity=Severity(answer["severity"]),
        title=issue.title,
        description=root_cause,
        root_cause=root_cause,
        recommendation=answer["recommendation"],
        nodes=incidents[0].nodes,
        grace=GRACE,
        affected=len(answer["lines"]),
        evidence=[UUID(line) for line in answer["lines"]],
        metadata={
            "incident": answer["incident"],
            "promptVersion": row["version"],
            **{name: answer[name] for name in ("facts", "hypotheses", "rootNode", "cited", "unsupported")},
            **({"model": row["model"]} if row["model"] else {}),
        },
    )


def _text(answer: Mapping[str, Any]) -> str:
    """The hypotheses, then the facts, each with the labels of its evidence. Empty if no claim is left."""

    def listed(heading: str, claims: Sequence[Mapping[str, Any]]) -> list[str]:
        lines = [f"- {claim['text']} ({'; '.join(claim['evidence'][:MAX_LABELS])})" for claim in claims]
        return [heading, *lines] if lines else []

    parts = [*listed("Hypotheses:", answer["hypotheses"]), *listed("Facts:", answer["facts"])]
    if parts and answer["rootNode"]:
        parts.insert(0, f"Likely began on {answer['rootNode']}.")
    return "\n".join(parts)
