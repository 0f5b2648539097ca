"""What the ledger's answers say of an hour: occurrences, the same however often and in whatever order it is looked at.

Here: answers and counts to occurrences. Where answers come from: `judgement.py`; what becomes of them: `detection/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai import evidence
from fleexmon_pipeline.genai.answer import Finding
from fleexmon_pipeline.genai.ledger import Answered, Asked
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Occurrence, Subject
from fleexmon_pipeline.window import HOUR, Window, floor

RULE = "genai"
GRACE = timedelta(hours=24)


def occurrences(
    connection: Connection, part: Window, seen: evidence.Evidence, answered: Sequence[Answered]
) -> list[Occurrence]:
    """Of several answers about a pattern the first counts; of several findings with one fingerprint the severest.

    `answered`: those of this hour, newest first, then those of the hours before. What was found in an hour before holds
    as long as its pattern goes on failing.
    """
    hour = floor(part.since, HOUR)
    told: set[str] = set()
    found: dict[str, Occurrence] = {}
    for answer in answered:
        earlier = answer.hour != hour
        records = {record.id: record for record in answer.records if _holds(seen, record)}
        for finding in answer.findings:
            cited = [records[one] for one in finding.affected if one in records]
            if not cited or seen.root(cited[0].pattern) in told:
                continue
            if earlier and (cited[0].id != finding.affected[0] or not _goes_on(seen, cited[0])):
                continue
            occurrence = _occurrence(connection, part, seen, answer=answer, finding=finding, cited=cited)
            known = found.get(occurrence.fingerprint)
            if known is None or occurrence.severity.rank > known.severity.rank:
                found[occurrence.fingerprint] = occurrence
        told |= {seen.root(record.pattern) for record in records.values()}
    return list(found.values())


def _holds(seen: evidence.Evidence, record: Asked) -> bool:
    """Whether the hour still is as it was told: lines may have come late that were missed when it was asked."""
    one = seen.patterns.get(seen.root(record.pattern))
    return one is not None and (one.drop is not None or not record.drop)


def _goes_on(seen: evidence.Evidence, record: Asked) -> bool:
    return seen.patterns[seen.root(record.pattern)].failing


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
        evidence=evidence.sample_ids(connection, part, patterns)[:MAX_EVIDENCE],
        metadata={
            "patterns": [record.pattern for record in cited],
            "promptVersion": answer.version,
            "judgedFor": f"{answer.hour:%Y-%m-%dT%H:%MZ}",
            **({"model": answer.model} if answer.model else {}),
            **used,
        },
    )
