"""Which patterns of an hour have no answer yet, and the questions about them, ready to send.

Here: choose and compose; nothing is sent. The text: `prompt.py`; sending: `judgement.py`; preview: `commands/genai/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai import prompt
from fleexmon_pipeline.genai.agent import Message, estimated_tokens
from fleexmon_pipeline.genai.evidence import (
    SEVEREST_FIRST,
    Evidence,
    WindowPattern,
    read_evidence,
    sample_texts,
    slot_counts,
)
from fleexmon_pipeline.genai.grounding import ClosedIssues, Grounding, ground
from fleexmon_pipeline.genai.ledger import ANSWER_LIFETIME, AnsweredQuestion, Ledger, QuestionRecord, patterns_of
from fleexmon_pipeline.genai.prompt import PROMPT, Prompt
from fleexmon_pipeline.redaction.redact import Redactor
from fleexmon_pipeline.window import Window

_NO_RANK = len(SEVEREST_FIRST)


@dataclass(frozen=True)
class Draft:
    """A question about as many of the first open patterns as fit."""

    hour: Window
    records: Sequence[QuestionRecord]
    messages: list[Message]
    grounding: Grounding
    redactor: Redactor

    @property
    def tokens(self) -> int:
        """Tokens of the prompt, estimated."""
        return estimated_tokens(message["content"] for message in self.messages)


def open_questions(
    evidence: Evidence, answered: Sequence[AnsweredQuestion], hour: Window, version: str
) -> list[WindowPattern]:
    """Patterns that deserve an answer and have none to this prompt at their level or a worse one; most severe first.

    An earlier hour's answer covers errors that go on, but not what is new, surging or dropping in this hour.
    """
    own: dict[str, int] = {}
    standing: dict[str, int] = {}
    for answer in answered:
        for record in answer.records if answer.version == version else ():
            root, rank = evidence.root(record.pattern), SEVEREST_FIRST.index(record.level)
            standing[root] = min(standing.get(root, _NO_RANK), rank)
            if answer.hour == hour.since:
                own[root] = min(own.get(root, _NO_RANK), rank)
    unanswered = [
        pattern
        for pattern in evidence.patterns.values()
        if pattern.needs_judgement
        and pattern.rank < (own if pattern.has_changed else standing).get(pattern.pattern, _NO_RANK)
    ]
    return sorted(
        unanswered, key=lambda pattern: (pattern.rank, not pattern.has_changed, -pattern.lines, pattern.pattern)
    )


def compose(
    connection: Connection,
    hour: Window,
    part: Window,
    waiting: Sequence[WindowPattern],
    *,
    prompt_used: Prompt,
    redact_ip: bool,
    closed_github_issues: ClosedIssues | None,
) -> Draft:
    """The question about the first of `waiting` (patterns of `part`, a part of `hour`)."""
    redactor = Redactor(addresses=redact_ip)
    records: list[QuestionRecord] = []
    lines: list[str] = []
    patterns = waiting[: prompt.MAX_RECORDS]
    texts = sample_texts(connection, part, patterns)
    slots = slot_counts(connection, part, patterns)
    for number, pattern in enumerate(patterns):
        record = pattern.record(number, texts[pattern.pattern], slots[pattern.pattern])
        line = prompt.record_line(record, redactor)
        if lines and sum(map(len, lines)) + len(line) > prompt.MAX_RECORD_CHARACTERS:
            break
        dropped = pattern.drop is not None
        records.append(QuestionRecord(number, pattern.pattern, pattern.level, pattern.busiest_node, drop=dropped))
        lines.append(line)
    grounding = ground(
        connection,
        [pattern.template for pattern in waiting[: len(records)]],
        before=hour.until,
        closed_github_issues=closed_github_issues,
    )
    messages = prompt.question(lines, grounding, redactor, prompt_used)
    return Draft(hour, records, messages, grounding, redactor)


def drafts(
    ledger: Ledger,
    window: Window,
    *,
    prompt_used: Prompt = PROMPT,
    closed_github_issues: ClosedIssues | None = None,
) -> Iterator[Draft]:
    """Every question that a judgement of `window` would ask, if all were answered. Sends and writes nothing."""
    drafted: list[AnsweredQuestion] = []
    for hour in window.hours():
        part = hour.overlap(window)
        drafted = [question for question in drafted if question.hour >= hour.until - ANSWER_LIFETIME]
        answered = [*drafted, *ledger.answers(hour), *ledger.refused(hour)]
        evidence = read_evidence(ledger.connection, part, patterns_of(answered))
        waiting = open_questions(evidence, answered, hour, ledger.prompt_version)
        while waiting:
            draft = compose(
                ledger.connection,
                hour,
                part,
                waiting,
                prompt_used=prompt_used,
                redact_ip=ledger.budget.redact_ip,
                closed_github_issues=closed_github_issues,
            )
            yield draft
            drafted.append(AnsweredQuestion(hour.since, draft.records, [], ledger.prompt_version, None, {}))
            waiting = waiting[len(draft.records) :]
