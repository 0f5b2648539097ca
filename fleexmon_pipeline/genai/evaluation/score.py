"""Score answers to cases with a known cause, and the result of rules alone as the baseline.

Here: counting, without an agent. A case without a usable answer names no node and no severity, and blames nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleexmon_pipeline.genai.cases.claims import Explanation
from fleexmon_pipeline.genai.evaluation.known import KnownCase
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS

MAX_UNSUPPORTED, MAX_BLAMED = 0.02, 0.05  # the goals


@dataclass
class Score:
    """Counts over cases. `misled`: cases in which a bystander is blamed; `cited`: ids in claims."""

    cases: int = 0
    answered: int = 0
    node_named: int = 0
    severity_near: int = 0
    cited: int = 0
    unsupported: int = 0
    with_bystanders: int = 0
    misled: int = 0

    @property
    def unsupported_share(self) -> float:
        return self.unsupported / self.cited if self.cited else 0.0

    @property
    def misled_share(self) -> float:
        return self.misled / self.with_bystanders if self.with_bystanders else 0.0

    def meets_goals(self) -> bool:
        """Whether all were answered, and few enough claims are unsupported and bystanders blamed."""
        good = self.unsupported_share <= MAX_UNSUPPORTED and self.misled_share <= MAX_BLAMED
        return self.answered == self.cases and good

    def add(self, case: KnownCase, node: str | None, severity: str | None, *, misled: bool) -> None:
        self.cases += 1
        self.node_named += node == case.truth.node
        self.severity_near += _is_near(severity, case.truth.severity)
        self.with_bystanders += bool(case.truth.bystanders)
        self.misled += misled and bool(case.truth.bystanders)


def score_answer(score: Score, case: KnownCase, answer: Explanation | None) -> None:
    if answer is None:
        score.add(case, None, None, misled=False)
        return
    score.answered += 1
    score.cited += answer.cited
    score.unsupported += answer.unsupported
    score.add(case, answer.root_node, answer.severity, misled=blames_bystander(case, answer))


def blames_bystander(case: KnownCase, answer: Explanation) -> bool:
    """Whether the answer names a bystander as the root, or has a hypothesis that cites only lines about bystanders."""
    distractors = set(case.truth.distractors)
    on_them = any(set(claim.evidence) <= distractors for claim in answer.hypotheses)
    return answer.root_node in case.truth.bystanders or on_them


def score_rules(cases: Iterable[KnownCase]) -> Score:
    """The baseline: the node of the issue that came first. Rules make no claims."""
    score = Score()
    for case in cases:
        score.answered += 1
        misled = case.rules.node in case.truth.bystanders
        score.add(case, case.rules.node, case.rules.severity, misled=misled)
    return score


def _is_near(severity: str | None, truth: str) -> bool:
    return severity in SEVERITY_RANKS and abs(SEVERITY_RANKS[severity] - SEVERITY_RANKS[truth]) <= 1
