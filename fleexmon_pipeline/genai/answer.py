"""Parse the agent's answer into findings with evidence, or say why that fails.

Here: text to findings. The answer is hostile: a log line may have written it. All of it is checked, clipped and
redacted before use, and it can only cite records of the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.genai.outcomes import CallOutcome
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.redaction.redact import redact

MAX_FINDINGS = 50  # of one answer; max_tokens is reached long before
MAX_LENGTHS = {"title": 150, "description": 2000, "root_cause": 2000, "recommendation": 2000}

_SEVERITIES = {
    Severity.LOW: ("low", "info", "informational", "information", "debug", "minor", "trivial", "notice", "p4", "p5"),
    Severity.MEDIUM: ("medium", "moderate", "warn", "warning", "normal", "p3"),
    Severity.HIGH: ("high", "error", "err", "major", "severe", "important", "p2"),
    Severity.CRITICAL: ("critical", "crit", "fatal", "blocker", "urgent", "emergency", "alert", "panic", "p0", "p1"),
}
_SEVERITY_OF = {word: severity for severity, words in _SEVERITIES.items() for word in words}
# Controls; characters that reverse or hide text (a title that reads backwards, letters that only a machine reads);
# marks that pile up on a letter until they cover the lines around it.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
    "|[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]{3,}"
)
_MAX_STARTS = 20  # opening braces that are tried as the start of the answer
_FENCED = re.compile(r"```[A-Za-z]{0,10}[ \t]*\n(.*?)```", re.DOTALL)


class AnswerError(FleexmonError, ValueError):
    """The answer cannot be used. The message goes back to the agent, which gets a second attempt."""

    def __init__(self, reason: str, *, outcome: CallOutcome = CallOutcome.INVALID_ANSWER) -> None:
        self.outcome = outcome
        super().__init__(reason)


class Finding(BaseModel):
    """One issue that the agent reports. `affected`: ids of records of the prompt."""

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    type: str
    severity: Severity
    title: str
    description: str
    root_cause: str | None = Field(alias="rootCause")
    recommendation: str | None
    affected: tuple[int, ...] = Field(alias="affectedLogs")


def text_of(value: Any) -> str | None:
    """The text of a member. Agents also send lists of steps, and numbers; anything else is not a text."""
    if isinstance(value, list):  # nested lists are dropped: 500 levels would exhaust the stack
        value = "\n".join(part for part in (text_of(step) for step in value[:50] if not isinstance(step, list)) if part)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def ids_of(value: Any) -> list[int]:
    return [number for number in value if type(number) is int] if isinstance(value, list) else []


Text = Annotated[str | None, BeforeValidator(text_of)]


class _Issue(BaseModel):
    type: Text = None
    severity: Text = None
    title: Text = None
    description: Text = None
    root_cause: Text = Field(None, alias="rootCause")
    recommendation: Text = None
    affected: Annotated[list[int], BeforeValidator(ids_of)] = Field([], alias="affectedLogs")


class _Answer(BaseModel):
    issues: list[_Issue] = Field(validation_alias=AliasChoices("issues", "issuesDetected"))


def parse_answer(
    content: str, finish_reason: str | None, ids: Collection[int], restore: Callable[[str], str] = str
) -> list[Finding]:
    """The findings that cite at least one of `ids`, in the agent's order.

    `restore` replaces placeholders by the values that may be shown (`Redactor.restore`). Raises AnswerError if the
    answer does not have the expected form.
    """
    try:
        answer = _Answer.model_validate(object_of(content, ("issues", "issuesDetected")))
    except AnswerError as error:
        raise cut_or(error, finish_reason) from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'answer'}: {fault['msg']}"
            for fault in error.errors(include_input=False)[:3]
        )
        raise AnswerError(f"the answer does not have the agreed form: {faults}"[:300]) from None
    return [
        finding
        for issue in answer.issues[:MAX_FINDINGS]
        if (finding := _finding(issue, ids, restore)).affected  # no evidence, no claim
    ]


def cut_or(error: AnswerError, finish_reason: str | None) -> AnswerError:
    """The error to report: if the agent says that it cut the answer, that is why it cannot be parsed."""
    if finish_reason == "length":
        return AnswerError("the answer was cut at max_tokens; be shorter", outcome=CallOutcome.TRUNCATED)
    return error


def visible(text: str) -> str:
    """`text` with a space for each control, hidden, reversing or unpaired character. Newlines and tabs stay."""
    return _INVISIBLE.sub(" ", text)


def clean(text: str, longest: int) -> str:
    """Text of another party, safe to show: no secrets, no invisible characters, at most `longest` characters."""
    safe = redact(visible(text[: 4 * longest])).strip()
    return safe if len(safe) <= longest else safe[: longest - 2].rstrip() + " …"


def _finding(issue: _Issue, ids: Collection[int], restore: Callable[[str], str]) -> Finding:
    def shown(name: str, default: str | None = None) -> str | None:
        text = restore(clean(getattr(issue, name) or "", MAX_LENGTHS[name]))
        return text[: MAX_LENGTHS[name]] or default  # an address is longer than its placeholder

    kind = re.sub(r"[^a-z0-9]+", "-", redact(issue.type or "").lower()).strip("-")[:60].strip("-")
    title = " ".join((shown("title") or "Issue detected by AI").split())
    return Finding(
        type=kind or "ai-detected",
        severity=severity_of(issue.severity),
        title=title,
        description=shown("description") or title,
        rootCause=shown("root_cause"),
        recommendation=shown("recommendation"),
        affectedLogs=tuple(dict.fromkeys(number for number in issue.affected if number in ids)),
    )


def severity_of(word: str | None) -> Severity:
    """The severity that the agent's word means; medium if it is unknown."""
    return _SEVERITY_OF.get(re.sub(r"[^a-z0-9]", "", (word or "").lower()), Severity.MEDIUM)


def object_of(content: str, members: Sequence[str]) -> dict[str, Any]:
    """The JSON object in an answer, fenced or between sentences. `members`: names of which it should have one."""
    text = content.strip()
    if blocks := [block.strip() for block in _FENCED.findall(text)]:
        text = next((block for block in blocks if any(name in block for name in members)), blocks[0])
    if text.startswith("["):
        raise AnswerError(f'the answer is an array, not an object {{"{members[0]}": […]}}')
    first: dict[str, Any] | None = None
    reason = ""
    # Agents think aloud first, sometimes in braces: {"id": 3} looks odd. {"issues": …}
    for start in list(islice((brace.start() for brace in re.finditer(r"\{", text)), _MAX_STARTS)):
        try:
            value, _ = json.JSONDecoder().raw_decode(text[start:])
        except (ValueError, RecursionError) as error:
            fault = str(error) if isinstance(error, json.JSONDecodeError) else "nested too deep or a number too long"
            reason = reason or fault
            continue
        if any(name in value for name in members):
            return dict(value)
        first = first if first is not None else value
    if first is not None:
        return first
    raise AnswerError(f"the answer is not valid JSON: {reason}" if reason else "the answer holds no JSON object")
