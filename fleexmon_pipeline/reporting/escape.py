"""Text that came from log lines, made harmless for GitHub: it shows as it is and does nothing.

Here: Markdown (code spans, prose, titles) and Mermaid labels. HTML is escaped by Jinja's autoescape, secrets are hidden
by `redaction/redact.py`.

GitHub looks for @mentions, #references, commit hashes and addresses in the *rendered* page, so a backslash or `&#64;`
does not stop them; only code, or an invisible character in the middle, does.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.wording import one_line

BREAK = "\u200b"  # zero width space: not seen, and no @name, #number or address has one in it

_MARKUP = re.compile(r"[\\`*_\[\]<>&#|~$^{}]|^[-+=]")
_ENUMERATION = re.compile(r"^(\d+)(?=[.)])")
_TRIGGERS = re.compile(
    r"@|#|://|www\.|\bGH-|:(?=[a-z0-9_+-]+:)|mailto:|xmpp:|[0-9a-fA-F]{6}(?=[0-9a-fA-F])", re.IGNORECASE
)


def code(text: str, *, most: int = 120) -> str:
    """A code span, also for table cells. GitHub finds no mention, reference, link, image or markup in it."""
    line = one_line(text, most=most)
    if not line:
        return "–"
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    padding = " " if line[0] == "`" or line[-1] in "`\\" else ""  # a last backslash would hold the cell's border
    return fence + padding + line.replace("|", "\\|") + padding + fence


def prose(text: str, *, most: int = 2_000) -> str:
    """Sentences that people should read as such: paragraphs are kept, every other meaning is taken away."""
    paragraphs = (one_line(paragraph, most=most) for paragraph in re.split(r"\n\s*\n", text[: most * 4]))
    return "\n\n".join(_inert(paragraph) for paragraph in _within(list(paragraphs), most))


def title(text: str, *, most: int = 200) -> str:
    """An issue's title: plain text on GitHub, but it is mailed and quoted in places that are not."""
    return _broken(one_line(text, most=most))


def mermaid(text: str, *, most: int = 40) -> str:
    """A label inside Mermaid's double quotes: letters, digits, space and `.,:-` only."""
    return one_line("".join(c if c.isalnum() or c in " .,:-" else " " for c in one_line(text, most=most)), most=most)


def _within(paragraphs: list[str], most: int) -> list[str]:
    """The first paragraphs, together at most `most` characters."""
    kept: list[str] = []
    for paragraph in filter(None, paragraphs):
        room = most - sum(map(len, kept))
        if room < 2:
            break
        kept.append(one_line(paragraph, most=room))
    return kept


def _broken(line: str) -> str:
    return _TRIGGERS.sub(lambda found: found.group()[:1] + BREAK + found.group()[1:]
                         if found.group() == "://" else found.group() + BREAK, line)  # fmt: skip


def _inert(line: str) -> str:
    """A backslash before what could begin markup: no heading, list, link, image, HTML, emphasis, table or formula."""
    return _ENUMERATION.sub(rf"\1{BREAK}", _MARKUP.sub(r"\\\g<0>", _broken(line)))
