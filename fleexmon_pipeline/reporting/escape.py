"""Escape text from log lines for GitHub: it looks unchanged and has no effect.

Here: Markdown (code spans, prose, titles) and Mermaid labels. Jinja's autoescape escapes HTML; `redaction/redact.py`
replaces secrets.

GitHub finds @mentions, #references, commit hashes and URLs in the *rendered* page, so a backslash or `&#64;` does not
prevent them; only a code span, or an invisible character inside them, does.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.wording import one_line

BREAK = "\u200b"  # zero width space: invisible, and never part of an @name, #number or URL

_MARKUP = re.compile(r"[\\`*_\[\]<>&#|~$^{}]|^[-+=]")
_ENUMERATION = re.compile(r"^(\d+)(?=[.)])")
_TRIGGERS = re.compile(
    r"@|#|://|www\.|\bGH-|:(?=[a-z0-9_+-]+:)|mailto:|xmpp:|[0-9a-fA-F]{6}(?=[0-9a-fA-F])", re.IGNORECASE
)


def code(text: str, *, most: int = 120) -> str:
    """A code span, also for table cells. GitHub interprets no mention, reference, link, image or markup in it."""
    line = one_line(text, most=most)
    if not line:
        return "–"
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    # A backslash at the end would escape the cell's border.
    padding = " " if line[0] == "`" or line[-1] in "`\\" else ""
    return fence + padding + line.replace("|", "\\|") + padding + fence


def prose(text: str, *, most: int = 2_000) -> str:
    """Plain sentences: paragraphs are kept, all other markup is escaped."""
    paragraphs = (one_line(paragraph, most=most) for paragraph in re.split(r"\n\s*\n", text[: most * 4]))
    return "\n\n".join(_inert(paragraph) for paragraph in _within(list(paragraphs), most))


def title(text: str, *, most: int = 200) -> str:
    """An issue's title. GitHub shows it as plain text, but mails and references do not."""
    return _broken(one_line(text, most=most))


def mermaid(text: str, *, most: int = 40) -> str:
    """A label inside Mermaid's double quotes: letters, digits, space and `.,:-` only."""
    return one_line("".join(c if c.isalnum() or c in " .,:-" else " " for c in one_line(text, most=most)), most=most)


def _within(paragraphs: list[str], most: int) -> list[str]:
    """The first paragraphs, at most `most` characters in total."""
    kept: list[str] = []
    for paragraph in filter(None, paragraphs):
        room = most - sum(map(len, kept))
        if room < 2:
            break
        kept.append(one_line(paragraph, most=room))
    return kept


def _broken(line: str) -> str:
    return _TRIGGERS.sub(lambda match: match.group()[:1] + BREAK + match.group()[1:]
                         if match.group() == "://" else match.group() + BREAK, line)  # fmt: skip


def _inert(line: str) -> str:
    """Escapes all that could start markup: a heading, list, link, image, HTML, emphasis, table or formula."""
    return _ENUMERATION.sub(rf"\1{BREAK}", _MARKUP.sub(r"\\\g<0>", _broken(line)))
