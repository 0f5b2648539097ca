"""An occurrence: one rule fired in one slot. Detectors, predictors and GenAI write them; issues are made of them.

Here: the record and its identity. How occurrences become issues: `lifecycle.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

Source = Literal["genai", "detector", "predictor"]

MAX_EVIDENCE = 1_000  # ids in "affectedLogs"; a storm has more rows than anybody reads


class Severity(StrEnum):
    """Ascending."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


SEVERITY_RANKS = {str(severity): severity.rank for severity in Severity}  # another program's severity has none


@dataclass(frozen=True)
class Subject:
    """What an occurrence is about. Its text is the key under which occurrences are locked and reconciled."""

    node: str | None = None
    pattern: str | None = None

    def __str__(self) -> str:
        """`pattern:1f2e@blue`, `node:blue` or `fleet`."""
        if self.pattern:
            return f"pattern:{self.pattern}@{self.node or '*'}"
        return f"node:{self.node}" if self.node else "fleet"


def is_reported(rule: str) -> bool:
    """Whether a rule's occurrences are reported once and never evaluated from lines.

    These are about the monitor itself (`pipeline-…`) and a CI job's results (`e2e-…`). No rerun of detection removes
    them. Their grace period is plain time, as they have no lines that could be missing.
    """
    return rule.startswith(("pipeline-", "e2e-"))


def is_pattern(subject: str) -> bool:
    """Whether a subject's text names a pattern."""
    return subject.startswith("pattern:")


@dataclass(frozen=True)
class Occurrence:
    """A row of "IssueOccurrence".

    `slot` is the start of the 5-minute slot at whose end the rule fired (event time, UTC). Title, description and
    recommendation are plain text that may quote templates but never raw log lines: secrets stay in LogEntry.
    """

    rule: str  # file name of the rule, or "genai"
    rule_version: str
    source: Source
    type: str  # LogIssue.type
    subject: Subject
    slot: datetime
    severity: Severity
    title: str
    description: str
    nodes: Sequence[str]
    grace: timedelta  # the issue is resolved after this time without a firing
    affected: int  # lines that the rule fired on
    root_cause: str | None = None
    recommendation: str | None = None
    evidence: Sequence[uuid.UUID] = ()  # LogEntry ids, newest first, at most MAX_EVIDENCE
    metadata: Mapping[str, Any] = field(default_factory=dict)  # figures of the rule: rate, count, threshold
    wording: str = ""  # version of the texts that the figures were filled into; "" where code writes them

    @property
    def fingerprint(self) -> str:
        """Rule and subject, not only the type: eight different errors are eight issues."""
        return f"{self.rule}:{self.subject}"


def peak(occurrences: Iterable[Occurrence]) -> Occurrence:
    """The occurrence whose texts and figures their issue shows, as `upsert_issue` in lifecycle.sql finds it."""
    return max(occurrences, key=_weight)


def _weight(occurrence: Occurrence) -> tuple[int, float, datetime]:
    if occurrence.source != "detector":
        return 0, 0.0, occurrence.slot
    deviation = abs(occurrence.metadata.get("value", occurrence.affected) - occurrence.metadata.get("expected", 0))
    return occurrence.severity.rank, deviation, occurrence.slot
