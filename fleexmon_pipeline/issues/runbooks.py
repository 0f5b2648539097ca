"""Runbooks: what to do about a kind of problem, a Markdown file each in `runbooks/`.

Here: finding the one that fits a text, and its advice.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

LONGEST_ADVICE = 1_500


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
