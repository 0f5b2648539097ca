"""Background for a question: runbooks, similar resolved issues, closed GitHub issues.

Here: find it and keep it short. Its place in the prompt: `prompt.py`. It is optional: what cannot be read is left out,
and named as missing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.runbooks import matching_runbooks, runbook

MAX_NOTES = {"runbook": 2, "issue": 3, "github": 3}
MAX_NOTE_LENGTHS = {"runbook": 2_000, "issue": 500, "github": 600}  # characters
_LOG = logging.getLogger(__name__)


class ClosedIssue(Protocol):
    """A closed GitHub issue, as `reporting.github` gives it; `resolution` is its last comment."""

    @property
    def number(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def resolution(self) -> str: ...


ClosedIssues = Callable[[str], Sequence[ClosedIssue]]  # words, all of which an issue must contain -> the best matches


@dataclass(frozen=True)
class Note:
    """A piece of background. `kind`: runbook, issue or github; `name`: for an issue's metadata."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Grounding:
    notes: Sequence[Note] = ()
    missing: Sequence[str] = field(default=())  # what could not be read, and why

    def used(self) -> dict[str, list[str]]:
        """Kind -> names, for an issue's metadata."""
        kinds = dict.fromkeys(note.kind for note in self.notes)
        return {kind: [note.name for note in self.notes if note.kind == kind] for kind in kinds}


def ground(
    connection: Connection, texts: Sequence[str], *, before: datetime, closed_github_issues: ClosedIssues | None
) -> Grounding:
    """Background for a question about `texts` (templates, most severe first), at most 7,300 characters in total.

    Only issues resolved before `before`. A failed GitHub search is named as missing.
    """
    notes = [
        Note("runbook", name, (runbook(name) or "")[: MAX_NOTE_LENGTHS["runbook"]])
        for name in matching_runbooks("\n".join(texts))[: MAX_NOTES["runbook"]]
    ]
    notes += _similar_issues(connection, _words(texts, 40), before)
    words = _words(texts[:1], 4)
    if closed_github_issues is None or not words:
        return Grounding(notes)
    try:
        issues = closed_github_issues(words)
    except Exception as error:  # noqa: BLE001 - whatever GitHub's client raises, the judgement goes on without it
        _LOG.warning("closed GitHub issues could not be searched: %s", type(error).__name__)
        return Grounding(notes, [f"github: {type(error).__name__}"])
    for issue in issues[: MAX_NOTES["github"]]:
        parts = [issue.title, issue.body[:300], f"Resolution: {issue.resolution[:200]}" if issue.resolution else ""]
        labels = f"[{', '.join(issue.labels[:5])}]" if issue.labels else ""
        text = "\n".join(part for part in [*parts, labels] if part)
        notes.append(Note("github", f"#{issue.number}", text[: MAX_NOTE_LENGTHS["github"]]))
    return Grounding(notes)


def _similar_issues(connection: Connection, words: str, before: datetime) -> list[Note]:
    rows = connection.execute(
        statements("genai")["similar_issues"],
        {"text": words, "until": before, "limit": MAX_NOTES["issue"]},
    )
    notes = []
    for row in rows:
        text = "\n".join(part for part in (row["title"], row["root_cause"], row["recommendation"]) if part)
        notes.append(Note("issue", str(row["title"])[:120], text[: MAX_NOTE_LENGTHS["issue"]]))
    return notes


def _words(texts: Sequence[str], most: int) -> str:
    """The first distinct words worth searching for: letters only, no placeholders."""
    words = re.findall(r"[^\W\d_]{3,30}", re.sub(r"<[\w-]{1,40}>", " ", " ".join(texts)))
    return " ".join(list(dict.fromkeys(word.lower() for word in words))[:most])
