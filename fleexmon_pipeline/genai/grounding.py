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
from functools import cache
from importlib.resources import files
from typing import Protocol

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements

MOST_OF_EACH = {"runbook": 2, "issue": 3, "github": 3}
LONGEST = {"runbook": 2_000, "issue": 500, "github": 600}  # characters
LONGEST_ADVICE = 1_500
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


@cache
def _runbooks() -> dict[str, str]:
    folder = files("fleexmon_pipeline") / "runbooks"
    return {
        entry.name.removesuffix(".md"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".md")
    }


def runbook_names() -> list[str]:
    return list(_runbooks())


def runbook(name: str) -> str | None:
    """The Markdown of a runbook, None when there is none of that name. A name is looked up, never made a path."""
    return _runbooks().get(name)


def matching_runbooks(text: str) -> list[str]:
    """Names of runbooks one of whose "Looks like:" fragments stands in `text`; most fragments first."""
    hits = {name: len({found.lower() for found in _fragments(name).findall(text)}) for name in _runbooks()}
    return sorted((name for name, count in hits.items() if count), key=lambda name: (-hits[name], name))


def advice_for(text: str, usual: str | None = None) -> tuple[str, str] | None:
    """Name and advice of the runbook that fits `text` (a template), else of `usual`; None where neither is there.

    The advice is the runbook's "Look first" and "Mend", plain text of at most 1,500 characters: what a rule's issue
    recommends where no agent does.
    """
    name = next(iter(matching_runbooks(text)), usual)
    found = runbook(name) if name else None
    if name is None or found is None:
        return None
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", found, re.MULTILINE | re.DOTALL))
    told = [f"{heading}:\n{parts[heading].strip()}" for heading in ("Look first", "Mend") if heading in parts]
    return name, _to_a_line("\n".join(told), LONGEST_ADVICE)


def _to_a_line(text: str, longest: int) -> str:
    """Cut behind a whole line."""
    return text if len(text) <= longest else text[: text.rfind("\n", 0, longest)]


@cache
def _fragments(name: str) -> re.Pattern[str]:
    """Whole words: `oom` is not in "room", `heap` not in "cheap"."""
    listed = re.search(r"^Looks like: (.*?)\n\n", _runbooks()[name], re.MULTILINE | re.DOTALL)
    fragments = re.findall(r"`([^`]+)`", listed[1]) if listed else []
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, fragments)) or '(?!)'})(?!\w)", re.IGNORECASE)


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
