"""What the agent says about a case: facts and hypotheses, each with the lines that support it.

Here: from text to claims. The answer is hostile: a log line may have written it. It is checked, cut and redacted, and
it can only cite lines of the case. Claims that cite none are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from fleexmon_pipeline.genai.answer import AnswerError, Text, clean, cut_or, ids_of, object_of, severity_of
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.wording import one_line

MAX_FACTS, MAX_HYPOTHESES = 4, 3
MAX_CLAIM = 300
MAX_RECOMMENDATION = 1_000
MAX_CITED = 20  # ids of one claim; a case has hardly more lines


@dataclass(frozen=True)
class Claim:
    """`evidence`: ids of lines of the case, at least one."""

    text: str
    evidence: tuple[int, ...]


@dataclass(frozen=True)
class Explanation:
    """A checked answer. `root_node` is one of the case's nodes.

    `cited`: how many ids the answer cites; `unsupported`: how many of them are not lines of the case. A claim without
    ids counts as one of each.
    """

    facts: tuple[Claim, ...]
    hypotheses: tuple[Claim, ...]
    root_node: str | None
    severity: Severity
    recommendation: str | None
    cited: int
    unsupported: int

    @property
    def says_something(self) -> bool:
        return bool(self.facts or self.hypotheses)


def _dicts(value: Any) -> list[Any]:
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


class _Claim(BaseModel):
    text: Text = None
    evidence: Annotated[list[int], BeforeValidator(ids_of)] = []


_Claims = Annotated[list[_Claim], BeforeValidator(_dicts)]


class _Answer(BaseModel):
    facts: _Claims = []
    hypotheses: _Claims = []
    root_node: Text = Field(None, alias="rootNode")
    severity: Text = None
    recommendation: Text = None


def parse_explanation(
    content: str,
    finish_reason: str | None,
    ids: Collection[int],
    nodes: Mapping[str, str],
    restore: Callable[[str], str] = str,
) -> Explanation:
    """Parse and check an answer. `nodes`: redacted name → name. Raises AnswerError if it has another form."""
    try:
        value = object_of(content, ("facts", "hypotheses"))
    except AnswerError as error:
        raise cut_or(error, finish_reason) from error
    if "facts" not in value and "hypotheses" not in value:
        raise cut_or(AnswerError('the answer has neither "facts" nor "hypotheses"'), finish_reason)
    answer = _Answer.model_validate(value)
    counts = [0, 0]

    def kept(claims: list[_Claim], most: int) -> tuple[Claim, ...]:
        supported = []
        for claim in claims[:most]:
            cited = list(dict.fromkeys(claim.evidence[:MAX_CITED]))
            valid = tuple(number for number in cited if number in ids)
            counts[0] += len(cited) or 1
            counts[1] += len(cited) - len(valid) if cited else 1
            if valid and (text := one_line(restore(clean(claim.text or "", MAX_CLAIM)), most=MAX_CLAIM)):
                supported.append(Claim(text, valid))
        return tuple(supported)

    facts, hypotheses = kept(answer.facts, MAX_FACTS), kept(answer.hypotheses, MAX_HYPOTHESES)
    advice = restore(clean(answer.recommendation or "", MAX_RECOMMENDATION))[:MAX_RECOMMENDATION]
    return Explanation(
        facts, hypotheses, nodes.get(answer.root_node or ""), severity_of(answer.severity), advice or None, *counts
    )  # fmt: skip
