"""Runbooks: what to do about a kind of problem, one Markdown file each in `runbooks/`.

Here: finding the runbook that matches a text, and its advice.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

MAX_ADVICE = 1_500  # characters


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
    """The Markdown of a runbook; None if there is none of that name. The name is looked up, never used as a path."""
    return _runbooks().get(name)


def matching_runbooks(text: str) -> list[str]:
    """Names of runbooks with a "Looks like:" fragment that occurs in `text`; most fragments first."""
    hits = {name: len({fragment.lower() for fragment in _fragments(name).findall(text)}) for name in _runbooks()}
    return sorted((name for name, count in hits.items() if count), key=lambda name: (-hits[name], name))


def advice_for(text: str, default: str | None = None) -> tuple[str, str] | None:
    """Name and advice of the runbook that matches `text` (a template), else of `default`; None if there is neither.

    The advice is the sections "Look first" and "Fix" as plain text of at most 1,500 characters: the recommendation of
    a rule's issue unless GenAI gives one.
    """
    name = next(iter(matching_runbooks(text)), default)
    markdown = runbook(name) if name else None
    if name is None or markdown is None:
        return None
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", markdown, re.MULTILINE | re.DOTALL))
    advice = [f"{heading}:\n{parts[heading].strip()}" for heading in ("Look first", "Fix") if heading in parts]
    return name, _whole_lines("\n".join(advice), MAX_ADVICE)


def _whole_lines(text: str, limit: int) -> str:
    """Cut at a line boundary."""
    return text if len(text) <= limit else text[: text.rfind("\n", 0, limit)]


@cache
def _fragments(name: str) -> re.Pattern[str]:
    """Matches whole words: `oom` is not in "room", `heap` is not in "cheap"."""
    listed = re.search(r"^Looks like: (.*?)\n\n", _runbooks()[name], re.MULTILINE | re.DOTALL)
    fragments = re.findall(r"`([^`]+)`", listed[1]) if listed else []
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, fragments)) or '(?!)'})(?!\w)", re.IGNORECASE)
