"""Turn the ledger's answers about an hour into occurrences: the same on every run, in any order.

Here: from answers and counts to occurrences. Where answers come from: `judgement.py`; their issues: `issues/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.answer import Finding
from fleexmon_pipeline.genai.evidence import Evidence, sample_ids
from fleexmon_pipeline.genai.ledger import AnsweredQuestion, QuestionRecord
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Occurrence, Subject
from fleexmon_pipeline.window import HOUR, Window, floor

RULE = "genai"
GRACE = timedelta(hours=24)


def occurrences(
    connection: Connection, part: Window, evidence: Evidence, answered: Sequence[AnsweredQuestion]
) -> list[Occurrence]:
    """The occurrences that follow from answers.

    Of several answers about a pattern the first counts; of several findings with one fingerprint the most severe.
    `answered`: those about this hour, newest first, then those about earlier hours. An earlier finding stays valid
    while its pattern keeps failing.
    """
    hour = floor(part.since, HOUR)
    covered: set[str] = set()  # patterns that a newer answer is about
    worst: dict[str, Occurrence] = {}
    for answer in answered:
        earlier = answer.hour != hour
        records = {record.id: record for record in answer.records if _is_valid(evidence, record)}
        for finding in answer.findings:
            cited = [records[number] for number in finding.affected if number in records]
            if not cited or evidence.root(cited[0].pattern) in covered:
                continue
            if earlier and (cited[0].id != finding.affected[0] or not _still_fails(evidence, cited[0])):
                continue
            occurrence = _occurrence(connection, part, evidence, answer=answer, finding=finding, cited=cited)
            other = worst.get(occurrence.fingerprint)
            if other is None or occurrence.severity.rank > other.severity.rank:
                worst[occurrence.fingerprint] = occurrence
        covered |= {evidence.root(record.pattern) for record in records.values()}
    return list(worst.values())


def _is_valid(evidence: Evidence, record: QuestionRecord) -> bool:
    """Whether the record is still true: late lines may have filled what looked like a drop."""
    pattern = evidence.patterns.get(evidence.root(record.pattern))
    return pattern is not None and (pattern.drop is not None or not record.drop)


def _still_fails(evidence: Evidence, record: QuestionRecord) -> bool:
    return evidence.patterns[evidence.root(record.pattern)].failing


def _occurrence(
    connection: Connection,
    part: Window,
    evidence: Evidence,
    *,
    answer: AnsweredQuestion,
    finding: Finding,
    cited: Sequence[QuestionRecord],
) -> Occurrence:
    roots = dict.fromkeys(evidence.root(record.pattern) for record in cited)
    patterns = [evidence.patterns[root] for root in roots]
    grounding: Mapping[str, object] = {"grounding": dict(answer.grounding)} if answer.grounding else {}
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
        nodes=sorted({node for pattern in patterns for node in pattern.nodes}),
        grace=GRACE,
        affected=sum(pattern.lines for pattern in patterns),
        evidence=sample_ids(connection, part, patterns)[:MAX_EVIDENCE],
        metadata={
            "patterns": [record.pattern for record in cited],
            "promptVersion": answer.version,
            "judgedFor": f"{answer.hour:%Y-%m-%dT%H:%MZ}",
            **({"model": answer.model} if answer.model else {}),
            **grounding,
        },
    )
