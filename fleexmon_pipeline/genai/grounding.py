"""What is known already about the kind of thing that is asked about: runbooks, resolved issues, closed GitHub issues.

Here: finding it and keeping it short. How it stands in the prompt: `prompt.py`. Nothing of it is needed for a
judgement: what cannot be had is left out, and that is said.
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

MOST_OF_EACH = {"runbook": 2, "issue": 3, "github": 3}
LONGEST = {"runbook": 2_000, "issue": 500, "github": 600}  # characters
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


ClosedIssues = Callable[[str], Sequence[ClosedIssue]]  # words, all of which an issue must have -> the best few


@dataclass(frozen=True)
class Note:
    """A piece of background: `kind` is runbook, issue or github; `name` is how an issue's metadata refers to it."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Grounding:
    notes: Sequence[Note] = ()
    missing: Sequence[str] = field(default=())  # what could not be asked, and why

    def used(self) -> dict[str, list[str]]:
        """For an issue's metadata: kind -> names."""
        kinds = dict.fromkeys(note.kind for note in self.notes)
        return {kind: [note.name for note in self.notes if note.kind == kind] for kind in kinds}


def ground(
    connection: Connection, texts: Sequence[str], *, before: datetime, closed_github_issues: ClosedIssues | None
) -> Grounding:
    """Background for a question about `texts` (templates, most severe first), at most 7,300 characters in all.

    `before`: only issues resolved before this moment (UTC). A search of GitHub that fails is noted and left out.
    """
    notes = [
        Note("runbook", name, (runbook(name) or "")[: LONGEST["runbook"]])
        for name in matching_runbooks("\n".join(texts))[: MOST_OF_EACH["runbook"]]
    ]
    notes += _similar_issues(connection, _words(texts, 40), before)
    words = _words(texts[:1], 4)
    if closed_github_issues is None or not words:
        return Grounding(notes)
    try:
        found = closed_github_issues(words)
    except Exception as error:  # noqa: BLE001 - whatever GitHub's client raises, the judgement goes on without it
        _LOG.warning("closed GitHub issues could not be searched: %s", type(error).__name__)
        return Grounding(notes, [f"github: {type(error).__name__}"])
    for issue in found[: MOST_OF_EACH["github"]]:
        parts = [issue.title, issue.body[:300], f"Resolution: {issue.resolution[:200]}" if issue.resolution else ""]
        labels = f"[{', '.join(issue.labels[:5])}]" if issue.labels else ""
        said = "\n".join(part for part in [*parts, labels] if part)
        notes.append(Note("github", f"#{issue.number}", said[: LONGEST["github"]]))
    return Grounding(notes)


def _similar_issues(connection: Connection, words: str, before: datetime) -> list[Note]:
    rows = connection.execute(
        statements("genai")["similar_issues"],
        {"text": words, "until": before, "limit": MOST_OF_EACH["issue"]},
    )
    notes = []
    for row in rows:
        parts = [row["title"], row["root_cause"], row["recommendation"]]
        notes.append(
            Note("issue", str(row["title"])[:120], "\n".join(part for part in parts if part)[: LONGEST["issue"]])
        )
    return notes


def _words(texts: Sequence[str], most: int) -> str:
    """The first words worth searching for: letters only, no placeholders, each once."""
    found = re.findall(r"[^\W\d_]{3,30}", re.sub(r"<[\w-]{1,40}>", " ", " ".join(texts)))
    return " ".join(list(dict.fromkeys(word.lower() for word in found))[:most])
