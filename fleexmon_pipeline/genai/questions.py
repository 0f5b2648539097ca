"""Which patterns of an hour have no answer yet, and the questions about them, ready to be sent.

Here: choosing and composing; nothing is asked. Words: `prompt.py`; asking: `judgement.py`; showing: `preview.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai import evidence, prompt
from fleexmon_pipeline.genai.agent import Message, estimated_tokens
from fleexmon_pipeline.genai.evidence import SEVEREST_FIRST, Seen
from fleexmon_pipeline.genai.grounding import ClosedIssues, Grounding, ground
from fleexmon_pipeline.genai.ledger import KEPT, Answered, Asked, Ledger
from fleexmon_pipeline.genai.prompt import PROMPT, Prompt
from fleexmon_pipeline.redaction.redact import Redactor
from fleexmon_pipeline.window import Window

_NO_RANK = len(SEVEREST_FIRST)


@dataclass(frozen=True)
class Draft:
    """A question about the first of the open patterns, as many as fit."""

    hour: Window
    records: Sequence[Asked]
    messages: list[Message]
    grounding: Grounding
    redactor: Redactor

    @property
    def tokens(self) -> int:
        """Of the prompt, estimated."""
        return estimated_tokens(message["content"] for message in self.messages)


def open_questions(seen: evidence.Evidence, answered: Sequence[Answered], hour: Window, version: str) -> list[Seen]:
    """What deserves an answer and has none to this prompt at its level or a worse one; most severe first.

    An answer of an hour before counts for errors that go on, not for what is new or far louder in this hour.
    """
    own: dict[str, int] = {}
    standing: dict[str, int] = {}
    for answer in answered:
        for record in answer.records if answer.version == version else ():
            root, rank = seen.root(record.pattern), SEVEREST_FIRST.index(record.level)
            standing[root] = min(standing.get(root, _NO_RANK), rank)
            if answer.hour == hour.since:
                own[root] = min(own.get(root, _NO_RANK), rank)
    found = [
        one
        for one in seen.patterns.values()
        if one.deserving and one.rank < (own if one.fresh else standing).get(one.pattern, _NO_RANK)
    ]
    return sorted(found, key=lambda one: (one.rank, not one.fresh, -one.lines, one.pattern))


def compose(
    connection: Connection,
    hour: Window,
    part: Window,
    waiting: Sequence[Seen],
    *,
    prompt_used: Prompt,
    redact_ip: bool,
    closed_github_issues: ClosedIssues | None,
) -> Draft:
    """The question about the first of `waiting` (patterns of `part`, a part of `hour`)."""
    redactor = Redactor(addresses=redact_ip)
    asked: list[Asked] = []
    lines: list[str] = []
    some = waiting[: prompt.MOST_RECORDS]
    texts = evidence.sample_texts(connection, part, some)
    slots = evidence.slot_counts(connection, part, some)
    for one in some:
        line = prompt.record_line(one.record(len(asked), texts[one.pattern], slots[one.pattern]), redactor)
        if lines and sum(map(len, lines)) + len(line) > prompt.MOST_CHARACTERS:
            break
        asked.append(Asked(len(asked), one.pattern, one.level, one.busiest_node, drop=one.drop is not None))
        lines.append(line)
    grounding = ground(
        connection,
        [one.template for one in waiting[: len(asked)]],
        before=hour.until,
        closed_github_issues=closed_github_issues,
    )
    messages = prompt.question(lines, grounding, redactor, prompt_used)
    return Draft(hour, asked, messages, grounding, redactor)


def drafts(
    ledger: Ledger,
    window: Window,
    *,
    prompt_used: Prompt = PROMPT,
    closed_github_issues: ClosedIssues | None = None,
) -> Iterator[Draft]:
    """Every question that a judgement of `window` would ask if each were answered at once. Asks and writes nothing."""
    drafted: list[Answered] = []
    for hour in window.hours():
        part = hour.overlap(window)
        drafted = [one for one in drafted if one.hour >= hour.until - KEPT]
        answered = [*drafted, *ledger.answers(hour)]
        seen = evidence.read(ledger.connection, part, {r.pattern for one in answered for r in one.records})
        waiting = open_questions(seen, answered, hour, ledger.prompt_version)
        while waiting:
            draft = compose(
                ledger.connection,
                hour,
                part,
                waiting,
                prompt_used=prompt_used,
                redact_ip=ledger.terms.redact_ip,
                closed_github_issues=closed_github_issues,
            )
            yield draft
            drafted.append(Answered(hour.since, draft.records, [], ledger.prompt_version, None, {}))
            waiting = waiting[len(draft.records) :]
