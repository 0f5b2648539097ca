"""Markdown as HTML, as far as runbooks and advice use it: headings, lists, paragraphs, code. The rest stays as is."""

from __future__ import annotations

import re
from itertools import groupby

from markupsafe import Markup, escape

_ITEM = re.compile(r"(?:(\d+)[.)]|[-*]) +")
_CODE = re.compile(r"`([^`]+)`")


def to_html(text: str) -> Markup:
    """Headings begin at level 3: they stand under that of a section."""
    parts: list[Markup] = []
    for kind, group in groupby(_blocks(text), key=lambda block: block[0]):
        texts = [_inline(block) for _, block in group]
        if kind in ("ol", "ul"):
            items = Markup("").join(Markup("<li>{}</li>").format(item) for item in texts)
            parts.append((Markup("<ol>{}</ol>") if kind == "ol" else Markup("<ul>{}</ul>")).format(items))
        else:
            form = Markup("<h3>{}</h3>") if kind == "h3" else Markup("<p>{}</p>")
            parts += [form.format(item) for item in texts]
    return Markup("\n").join(parts)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Kind and text of each heading, item and paragraph; a line without a mark goes on with the one before."""
    blocks: list[tuple[str, str]] = []
    goes_on = False
    for line in text.splitlines():
        item = _ITEM.match(line)
        if not line.strip():
            goes_on = False
        elif line.startswith("#"):
            blocks.append(("h3", line.lstrip("# ")))
            goes_on = False
        elif item:
            blocks.append(("ol" if item[1] else "ul", line[item.end() :]))
            goes_on = True
        elif goes_on and ((blocks[-1][0] == "p" and not blocks[-1][1].endswith(":")) or line[0].isspace()):
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]} {line.strip()}")
        else:
            blocks.append(("p", line.strip()))
            goes_on = True
    return blocks


def _inline(text: str) -> Markup:
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(_CODE.split(text))
    )
